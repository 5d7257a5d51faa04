"""What a model needs of a page's wasm memory, where weights, context and the program lie side by side."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lilm.fit.model import Model, round_up
from lilm.fit.parts import Parts, compute_bytes, graph_nodes, kv_bytes, longest_context

if TYPE_CHECKING:
    from lilm.recipe import WasmConfig

PAGE = 1 << 16  # wasm's
WASM32 = 4 << 30  # bytes that 32 bits address
HEADROOM = 1.05  # over the sum, for what malloc cannot use
SLACK = 4 << 20  # beyond it, for what differs from build to build

QUANTISED = 2.0  # bytes of a value that is rounded for a matrix product, and of the kernels' own copy of it
# Measured on eleven models (tests/wasm/test_peak.py compares): the module's own data, a vocabulary entry's strings and
# hash entry, a merge's, a node of the graph that ggml's scheduler reserves.
RUNTIME_BASE = 420 << 10
RUNTIME_PER_TOKEN = 75
RUNTIME_PER_MERGE = 113
RUNTIME_PER_NODE = 3411


@dataclass(frozen=True)
class Use:
    """What the memory has to hold beside a model, but for the context's length. n_batch: tokens. threads: in all, with
    stacks of stack_bytes. kv_type: of KV_BYTES. limit: bytes that a page may have at most; some browsers refuse the
    last page of what 32 bits address."""

    n_batch: int
    threads: int
    stack_bytes: int
    kv_type: str = "f16"
    limit: int = WASM32 - PAGE


def page_use(config: "WasmConfig", threaded: bool, limit: int = WASM32 - PAGE) -> Use:
    """Returns what a page takes as the recipe has it. threaded: whether its build has threads."""
    return Use(
        n_batch=config.n_batch,
        threads=config.max_threads if threaded else 1,
        stack_bytes=config.stack_mb << 20,
        kv_type=config.kv_type,
        limit=limit,
    )


def browser_parts(model: Model, use: Use, n_ctx: int) -> Parts:
    """What is taken once the context is full."""
    shape = model.shape
    return Parts(
        weights_bytes=model.weights_bytes,
        kv_bytes=kv_bytes(shape, n_ctx, use.kv_type),
        compute_bytes=compute_bytes(shape, n_ctx, use.n_batch, QUANTISED),
        runtime_bytes=RUNTIME_BASE
        + RUNTIME_PER_TOKEN * shape.vocab
        + RUNTIME_PER_MERGE * model.n_merges
        + RUNTIME_PER_NODE * graph_nodes(model),
        stacks_bytes=use.threads * use.stack_bytes,
    )


def allocated_bytes(parts: Parts) -> int:
    """The memory that the page asks for, so that the parts surely lie in it."""
    return round_up(round(parts.total * HEADROOM) + SLACK, PAGE)


def longest_in_browser(model: Model, use: Use) -> int:
    """The longest context for which what the page asks for is within the limit; 0 when none is."""
    return longest_context(model.shape, lambda n_ctx: allocated_bytes(browser_parts(model, use, n_ctx)) <= use.limit)
