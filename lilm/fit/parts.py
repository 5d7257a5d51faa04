"""The parts of the memory that llama.cpp takes for a Llama: what is the same in an app and in a browser."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import asdict, dataclass

from lilm.errors import LilmError
from lilm.fit.model import Model, round_up
from lilm.llama.shape import Shape

CTX_STEP = 256  # llama.cpp rounds n_ctx up to a multiple
KV_BYTES = {"f16": 2.0, "q8_0": 34 / 32}  # of a value
KV_BLOCKS = {"f16": 1, "q8_0": 32}  # values that lie together


@dataclass(frozen=True)
class Parts:
    """Bytes. runtime: the program's own data, vocabulary and graph. stacks: of threads, where they lie in the same
    memory."""

    weights_bytes: int
    kv_bytes: int
    compute_bytes: int
    runtime_bytes: int
    stacks_bytes: int = 0

    @property
    def total(self) -> int:
        return sum(asdict(self).values())

    @property
    def beside_weights(self) -> int:
        return self.total - self.weights_bytes


def context_length(shape: Shape, n_ctx: int) -> int:
    """The context that the runtime makes when asked for `n_ctx`: no more than the model was trained with."""
    return round_up(min(n_ctx, shape.context), CTX_STEP)


def check_cache(shape: Shape, kv_type: str, where: str) -> None:
    """Raises LilmError where llama.cpp makes no context of this type: its blocks do not divide a head's numbers."""
    block = KV_BLOCKS[kv_type]
    if shape.head_dim % block:
        raise LilmError(
            f"{kv_type} has blocks of {block} numbers, which do not divide the model's heads of {shape.head_dim}",
            where=where,
            remedy="use f16 for keys and values",
        )


def longest_context(shape: Shape, fits: Callable[[int], bool]) -> int:
    """The longest context, a multiple of CTX_STEP, that fits and that the model was trained for; 0 when none fits.
    fits: whether a context does; longer ones need more."""
    steps = range(1, round_up(shape.context, CTX_STEP) // CTX_STEP + 1)
    return CTX_STEP * bisect_left(steps, True, key=lambda step: not fits(step * CTX_STEP))


def kv_bytes(shape: Shape, n_ctx: int, kv_type: str) -> int:
    """Keys and values of a whole context. kv_type: of KV_BYTES."""
    values = 2 * shape.layers * shape.kv_width * context_length(shape, n_ctx)
    return round(values * KV_BYTES[kv_type])


def compute_bytes(shape: Shape, n_ctx: int, n_batch: int, quantised: float) -> int:
    """Activations of one batch: the widest point of a Llama layer's graph, the attention mask (f16), the logits of
    one token, and the batch quantised for the matrix products, in so many bytes of a value."""
    feed_forward = 3 * shape.intermediate + 4 * shape.hidden
    attention = 4 * shape.hidden + 2 * shape.width + 4 * shape.kv_width
    activations = 4 * n_batch * (max(feed_forward, attention) + 16)
    mask = 2 * n_batch * context_length(shape, n_ctx)
    products = round(quantised * n_batch * max(shape.intermediate, shape.hidden))
    return activations + mask + products + 3 * 4 * shape.vocab


def graph_nodes(model: Model) -> int:
    """Returns as many as llama.cpp's `graph_max_nodes` reserves."""
    return max(1024, 8 * model.n_tensors)
