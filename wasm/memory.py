"""How much wasm memory a GGUF gets at a context length: what INITIAL_MEMORY is, and where growing ends."""

from dataclasses import asdict, dataclass
from typing import Any

from lilm.errors import LilmError
from lilm.fit.browser import Use, allocated_bytes, browser_parts, longest_in_browser
from lilm.fit.model import Model
from lilm.fit.parts import CTX_STEP, context_length
from lilm.llama.shape import Shape

MIB = 1 << 20
SHORTEST = 512  # context in the table
GROWTH = 256 * MIB  # memory may grow this much beyond what is computed


@dataclass(frozen=True)
class Memory:
    """Bytes by part. initial_bytes holds all of them; maximum_bytes is where growing ends."""

    weights_bytes: int
    kv_bytes: int
    compute_bytes: int
    runtime_bytes: int
    stacks_bytes: int
    initial_bytes: int
    maximum_bytes: int

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


def plan_memory(model: Model, use: Use, n_ctx: int, where: str = "") -> Memory:
    """Memory for `model` at this context. Raises LilmError when it is more than the limit, with the context that would
    fit."""
    parts = browser_parts(model, use, n_ctx)
    need = allocated_bytes(parts)
    if need > use.limit:
        raise LilmError(
            f"{need / 2**30:.2f} GiB of wasm memory at n_ctx {n_ctx}, and a browser gives {use.limit / 2**30:.0f} GiB",
            where=where,
            remedy=_what_fits(model, use),
        )
    return Memory(**asdict(parts), initial_bytes=need, maximum_bytes=min(use.limit, need + GROWTH))


def _what_fits(model: Model, use: Use) -> str:
    longest = longest_in_browser(model, use)
    if longest:
        return f"set wasm.n_ctx to {longest} or less, or use a smaller quantisation"
    over = allocated_bytes(browser_parts(model, use, CTX_STEP)) - use.limit
    return f"use a quantisation that is at least {over / 2**20:.0f} MiB smaller"


def contexts(shape: Shape, n_ctx: int) -> list[int]:
    """The powers of two from SHORTEST up to what the model was trained with, that itself, and `n_ctx`; in order."""
    powers = [1 << bit for bit in range(32) if SHORTEST <= 1 << bit <= shape.context]
    return sorted({context_length(shape, one) for one in (*powers, shape.context, n_ctx)})


def memory_rows(model: Model, use: Use, n_ctx: int) -> list[dict[str, Any]]:
    """A row for each of `contexts`: `n_ctx` and Memory's parts, or where that is more than the limit, `reason` and
    `longest_n_ctx`, the context that fits (0: none)."""
    rows: list[dict[str, Any]] = []
    for one in contexts(model.shape, n_ctx):
        try:
            rows.append({"n_ctx": one, **plan_memory(model, use, one).as_dict()})
        except LilmError as error:
            rows.append({"n_ctx": one, "reason": error.what, "longest_n_ctx": longest_in_browser(model, use)})
    return rows
