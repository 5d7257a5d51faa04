"""What a model needs in a program of its own: llama.cpp on a CPU, its weights mapped from the file."""

from lilm.fit.model import Model
from lilm.fit.parts import Parts, compute_bytes, context_length, graph_nodes, kv_bytes

N_UBATCH = 512  # tokens that llama.cpp evaluates at a time, as is its default

QUANTISED = 34 / 32  # bytes of a value that is rounded for a matrix product, to Q8_0
# Measured on Linux (tests/wasm/test_peak.py compares): llama.cpp's own data, a vocabulary entry's strings and hash
# entry, a merge's, a node of the graph that ggml's scheduler reserves. The program's own memory is not in it.
RUNTIME_BASE = 1 << 20
RUNTIME_PER_TOKEN = 152
RUNTIME_PER_MERGE = 156
RUNTIME_PER_NODE = 2650


def native_parts(model: Model, n_ctx: int, kv_type: str = "f16") -> Parts:
    """What is resident once the context is full. Each token reads all weights, so each of their pages counts. (Where
    llama.cpp repacks weights it reads the copy, of the same size, and the system takes the file's pages back.)"""
    shape = model.shape
    return Parts(
        weights_bytes=model.weights_bytes,
        kv_bytes=kv_bytes(shape, n_ctx, kv_type),
        compute_bytes=compute_bytes(shape, n_ctx, min(N_UBATCH, context_length(shape, n_ctx)), QUANTISED),
        runtime_bytes=RUNTIME_BASE
        + RUNTIME_PER_TOKEN * shape.vocab
        + RUNTIME_PER_MERGE * model.n_merges
        + RUNTIME_PER_NODE * graph_nodes(model),
    )
