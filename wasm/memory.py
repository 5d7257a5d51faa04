"""How much wasm memory a GGUF needs at a context length: the parts summed up to INITIAL_MEMORY."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from lilm.errors import LilmError
from lilm.gguf_parts import parts_of
from lilm.gguf_split import whole_bytes
from lilm.llama.shape import Shape
from lilm.pipeline.artifact import how_to_replace
from lilm.wasm.limits import PAGE, WASM32

MIB = 1 << 20
CTX_STEP = 256  # llama.cpp rounds n_ctx up to a multiple
SHORTEST = 512  # context in the table
KV_BYTES = {"f16": 2.0, "q8_0": 34 / 32}  # of a value
HEADROOM = 1.05  # over the sum, for what malloc cannot use
GROWTH = 256 * MIB  # memory may grow this much beyond what is computed

# Measured (tests/wasm/test_memory.py compares): the module's own data and llama.cpp's tables; a vocabulary entry's
# strings and hash entry; a node of the graph that ggml's scheduler reserves.
RUNTIME_BASE = 4 * MIB
RUNTIME_PER_TOKEN = 96
RUNTIME_PER_NODE = 3 << 10


@dataclass(frozen=True)
class Model:
    """What the computation reads from a GGUF. weights_bytes: of the tensors as they lie in memory."""

    shape: Shape
    n_tensors: int
    weights_bytes: int
    file_bytes: int


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


def read_model(path: Path) -> Model:
    """Of the file at `path`, or of all parts of the model whose first it is. Raises LilmError when it is not a whole
    GGUF."""
    parts = parts_of(path)
    try:
        reader = gguf.GGUFReader(path)
        tensors = [*reader.tensors, *(tensor for part in parts[1:] for tensor in gguf.GGUFReader(part).tensors)]
        arch = _value(reader, "general.architecture")
        hidden = _value(reader, f"{arch}.embedding_length")
        heads = _value(reader, f"{arch}.attention.head_count")
        return Model(
            Shape(
                vocab=len(reader.fields["tokenizer.ggml.tokens"].data),
                hidden=hidden,
                intermediate=_value(reader, f"{arch}.feed_forward_length"),
                layers=_value(reader, f"{arch}.block_count"),
                heads=heads,
                kv_heads=_value(reader, f"{arch}.attention.head_count_kv", heads),
                head_dim=_value(reader, f"{arch}.attention.key_length", hidden // heads),
                tied=all(tensor.name != "output.weight" for tensor in tensors),
                context=_value(reader, f"{arch}.context_length"),
            ),
            n_tensors=len(tensors),
            weights_bytes=sum(_up(int(tensor.n_bytes), 64) for tensor in tensors),
            file_bytes=whole_bytes(path),
        )
    except (ValueError, KeyError, IndexError, OSError) as error:
        raise LilmError(f"not a whole GGUF file ({error})", where=str(path), remedy=how_to_replace(path)) from error


def _value(reader: gguf.GGUFReader, key: str, default: Any = None) -> Any:
    field = reader.fields.get(key)
    if field is None and default is not None:
        return default
    if field is None:
        raise KeyError(f"key {key} is missing")
    value = field.contents()
    return int(np.max(value)) if isinstance(value, list) else value


def _up(size: int, step: int) -> int:
    return -(-size // step) * step


def context_length(shape: Shape, n_ctx: int) -> int:
    """The context that the runtime makes when asked for `n_ctx`: no more than the model was trained with."""
    return _up(min(n_ctx, shape.context), CTX_STEP)


def compute_bytes(shape: Shape, n_ctx: int, n_batch: int) -> int:
    """Activations of one batch: the widest point of a Llama layer's graph, the attention mask (f16), the logits of
    one token, and the batch quantised for the matrix products."""
    feed_forward = 3 * shape.intermediate + 4 * shape.hidden
    attention = 4 * shape.hidden + 2 * shape.width + 4 * shape.kv_width
    activations = 4 * n_batch * (max(feed_forward, attention) + 16)
    mask = 2 * n_batch * context_length(shape, n_ctx)
    quantised = 2 * n_batch * max(shape.intermediate, shape.hidden)
    return activations + mask + quantised + 3 * 4 * shape.vocab


def graph_nodes(model: Model) -> int:
    """As many as llama.cpp's `graph_max_nodes` reserves."""
    return max(1024, 8 * model.n_tensors)


@dataclass(frozen=True)
class Use:
    """What the memory has to hold beside a model, but for the context's length. n_batch: tokens. threads: in all, with
    stacks of stack_bytes. kv_type: of KV_BYTES. limit: lilm.wasm.limits.usable_bytes of the variant."""

    n_batch: int
    threads: int
    stack_bytes: int
    kv_type: str = "f16"
    limit: int = WASM32 - PAGE


def plan_memory(model: Model, use: Use, n_ctx: int, where: str = "") -> Memory:
    """Memory for `model` at this context. Raises LilmError when it is more than the limit, with the context that would
    fit."""
    sizes = _parts(model, use, n_ctx)
    need = _up(round(sum(sizes.values()) * HEADROOM), PAGE)
    if need > use.limit:
        raise LilmError(
            f"{need / 2**30:.2f} GiB of wasm memory at n_ctx {n_ctx}, and a browser gives {use.limit / 2**30:.0f} GiB",
            where=where,
            remedy=_what_fits(model, use),
        )
    return Memory(**sizes, initial_bytes=need, maximum_bytes=min(use.limit, need + GROWTH))


def _parts(model: Model, use: Use, n_ctx: int) -> dict[str, int]:
    shape = model.shape
    values = 2 * shape.layers * shape.kv_width * context_length(shape, n_ctx)
    return {
        "weights_bytes": model.weights_bytes,
        "kv_bytes": round(values * KV_BYTES[use.kv_type]),
        "compute_bytes": compute_bytes(shape, n_ctx, use.n_batch),
        "runtime_bytes": RUNTIME_BASE + RUNTIME_PER_TOKEN * shape.vocab + RUNTIME_PER_NODE * graph_nodes(model),
        "stacks_bytes": use.threads * use.stack_bytes,
    }


def _what_fits(model: Model, use: Use) -> str:
    longest = longest_context(model, use)
    if longest:
        return f"set wasm.n_ctx to {longest} or less, or use a smaller quantisation"
    over = sum(_parts(model, use, CTX_STEP).values()) * HEADROOM - use.limit
    return f"use a quantisation that is at least {over / 2**20:.0f} MiB smaller"


def longest_context(model: Model, use: Use) -> int:
    """The longest that fits, 0 when none does."""
    smallest = sum(_parts(model, use, CTX_STEP).values())
    per_step = sum(_parts(model, use, 2 * CTX_STEP).values()) - smallest
    steps = 1 + int((use.limit / HEADROOM - smallest) // per_step) if per_step else 1
    return max(0, steps) * CTX_STEP


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
            rows.append({"n_ctx": one, "reason": error.what, "longest_n_ctx": longest_context(model, use)})
    return rows
