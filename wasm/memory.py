"""How much wasm memory a GGUF needs at a context length: the parts summed up to INITIAL_MEMORY."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from lilm.errors import LilmError
from lilm.pipeline.artifact import how_to_replace

MIB = 1 << 20
PAGE = 1 << 16  # wasm's
CTX_STEP = 256  # llama.cpp rounds n_ctx up to a multiple
SHORTEST = 512  # context in the table
KV_BYTES = {"f16": 2.0, "q8_0": 34 / 32}  # of a value
LIMIT = 4096 * MIB - PAGE  # of wasm32; some browsers refuse the last page
LIMIT64 = 4 * 4096 * MIB - PAGE  # of Memory64, in browsers
HEADROOM = 1.05  # over the sum, for what malloc cannot use
GROWTH = 256 * MIB  # memory may grow this much beyond what is computed

# Measured (tests/wasm/test_memory.py compares): the module's own data and llama.cpp's tables; a vocabulary entry's
# strings and hash entry; a node of the graph that ggml's scheduler reserves.
RUNTIME_BASE = 4 * MIB
RUNTIME_PER_TOKEN = 96
RUNTIME_PER_NODE = 3 << 10


@dataclass(frozen=True)
class Shape:
    """What the computation reads from a GGUF; sizes as llama.cpp names them."""

    n_vocab: int
    n_embd: int
    n_ff: int
    n_layer: int
    n_head: int
    n_head_kv: int
    head_k: int
    head_v: int
    n_ctx_train: int
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


def read_shape(path: Path) -> Shape:
    """Raises LilmError when the file is not a whole GGUF."""
    try:
        reader = gguf.GGUFReader(path)
        arch = _value(reader, "general.architecture")
        n_embd = _value(reader, f"{arch}.embedding_length")
        n_head = _value(reader, f"{arch}.attention.head_count")
        return Shape(
            n_vocab=len(reader.fields["tokenizer.ggml.tokens"].data),
            n_embd=n_embd,
            n_ff=_value(reader, f"{arch}.feed_forward_length"),
            n_layer=_value(reader, f"{arch}.block_count"),
            n_head=n_head,
            n_head_kv=_value(reader, f"{arch}.attention.head_count_kv", n_head),
            head_k=_value(reader, f"{arch}.attention.key_length", n_embd // n_head),
            head_v=_value(reader, f"{arch}.attention.value_length", n_embd // n_head),
            n_ctx_train=_value(reader, f"{arch}.context_length"),
            n_tensors=len(reader.tensors),
            weights_bytes=sum(_up(int(tensor.n_bytes), 64) for tensor in reader.tensors),
            file_bytes=path.stat().st_size,
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
    return _up(min(n_ctx, shape.n_ctx_train), CTX_STEP)


def compute_bytes(shape: Shape, n_ctx: int, n_batch: int) -> int:
    """Activations of one batch: the widest point of a Llama layer's graph, the attention mask (f16), the logits of
    one token, and the batch quantised for the matrix products."""
    feed_forward = 3 * shape.n_ff + 4 * shape.n_embd
    attention = 4 * shape.n_embd + 2 * shape.n_head * shape.head_k + 2 * shape.n_head_kv * (shape.head_k + shape.head_v)
    activations = 4 * n_batch * (max(feed_forward, attention) + 16)
    mask = 2 * n_batch * context_length(shape, n_ctx)
    quantised = 2 * n_batch * max(shape.n_ff, shape.n_embd)
    return activations + mask + quantised + 3 * 4 * shape.n_vocab


def graph_nodes(shape: Shape) -> int:
    """As many as llama.cpp's `graph_max_nodes` reserves."""
    return max(1024, 8 * shape.n_tensors)


@dataclass(frozen=True)
class Use:
    """What the memory has to hold beside a model, but for the context's length. n_batch: tokens. threads: in all, with
    stacks of stack_bytes. kv_type: of KV_BYTES. limit: LIMIT, or LIMIT64 for a build with 64-bit memory."""

    n_batch: int
    threads: int
    stack_bytes: int
    kv_type: str = "f16"
    limit: int = LIMIT


def plan_memory(shape: Shape, use: Use, n_ctx: int, where: str = "") -> Memory:
    """Memory for `shape` at this context. Raises LilmError when it is more than the limit, with the context that would
    fit."""
    sizes = _parts(shape, use, n_ctx)
    need = _up(round(sum(sizes.values()) * HEADROOM), PAGE)
    if need > use.limit:
        raise LilmError(
            f"{need / 2**30:.2f} GiB of wasm memory at n_ctx {n_ctx}, and a browser gives {use.limit / 2**30:.0f} GiB",
            where=where,
            remedy=_what_fits(shape, use),
        )
    return Memory(**sizes, initial_bytes=need, maximum_bytes=min(use.limit, need + GROWTH))


def _parts(shape: Shape, use: Use, n_ctx: int) -> dict[str, int]:
    values = shape.n_layer * shape.n_head_kv * (shape.head_k + shape.head_v) * context_length(shape, n_ctx)
    return {
        "weights_bytes": shape.weights_bytes,
        "kv_bytes": round(values * KV_BYTES[use.kv_type]),
        "compute_bytes": compute_bytes(shape, n_ctx, use.n_batch),
        "runtime_bytes": RUNTIME_BASE + RUNTIME_PER_TOKEN * shape.n_vocab + RUNTIME_PER_NODE * graph_nodes(shape),
        "stacks_bytes": use.threads * use.stack_bytes,
    }


def _what_fits(shape: Shape, use: Use) -> str:
    longest = longest_context(shape, use)
    if longest:
        return f"set wasm.n_ctx to {longest} or less, or use a smaller quantisation"
    over = sum(_parts(shape, use, CTX_STEP).values()) * HEADROOM - use.limit
    return f"use a quantisation that is at least {over / 2**20:.0f} MiB smaller"


def longest_context(shape: Shape, use: Use) -> int:
    """The longest that fits, 0 when none does."""
    smallest = sum(_parts(shape, use, CTX_STEP).values())
    per_step = sum(_parts(shape, use, 2 * CTX_STEP).values()) - smallest
    steps = 1 + int((use.limit / HEADROOM - smallest) // per_step) if per_step else 1
    return max(0, steps) * CTX_STEP


def contexts(shape: Shape, n_ctx: int) -> list[int]:
    """The powers of two from SHORTEST up to what the model was trained with, that itself, and `n_ctx`; in order."""
    powers = [1 << bit for bit in range(32) if SHORTEST <= 1 << bit <= shape.n_ctx_train]
    return sorted({context_length(shape, one) for one in (*powers, shape.n_ctx_train, n_ctx)})


def memory_rows(shape: Shape, use: Use, n_ctx: int) -> list[dict[str, Any]]:
    """A row for each of `contexts`: `n_ctx` and Memory's parts, or where that is more than the limit, `reason` and
    `longest_n_ctx`, the context that fits (0: none)."""
    rows: list[dict[str, Any]] = []
    for one in contexts(shape, n_ctx):
        try:
            rows.append({"n_ctx": one, **plan_memory(shape, use, one).as_dict()})
        except LilmError as error:
            rows.append({"n_ctx": one, "reason": error.what, "longest_n_ctx": longest_context(shape, use)})
    return rows
