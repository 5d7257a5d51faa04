"""How far the browser's llama.cpp is from the native one on the same file."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lilm.llamacpp.engine import Engine
from lilm.llamacpp.probabilities import kl_divergence, log_softmax
from lilm.wasm.node import run_node

STEPS = (1, 16)  # token by token, and as parts of a prompt: other kernels


def divergence(
    gguf: Path, wasm_dir: Path, tokens: Sequence[int], *, variant: str = "threads", threads: int = 1
) -> float:
    """Mean KL(native || wasm) of the next token's distribution, nats, over the places of `tokens`: the larger one of
    the means of STEPS.

    wasm_dir: the folder that holds `<variant>/lilm-core.*`; run in node. Both use llama.cpp's defaults.
    Raises LilmError for what either cannot load.
    """
    n_ctx = len(tokens) + 1
    with Engine(gguf, n_ctx=n_ctx, threads=threads) as engine:
        native = log_softmax(engine.logits(tokens))
    means = []
    with tempfile.TemporaryDirectory(prefix="lilm-logits-") as name:
        files = {step: Path(name) / f"{step}.f32" for step in STEPS}
        runs = [{"tokens": list(tokens), "logits": str(path), "step": step} for step, path in files.items()]
        run_node(gguf, wasm_dir, runs, variant=variant, threads=threads, n_ctx=n_ctx)
        for step, path in files.items():
            logits = np.fromfile(path, dtype=np.float32).reshape(-1, native.shape[1])
            means.append(float(kl_divergence(native[step - 1 :: step], log_softmax(logits)).mean()))
    return max(means)


def own_divergence(gguf: Path, tokens: Sequence[int]) -> float:
    """The same between native llama.cpp and itself with an F32 cache and plain attention: with quantised weights,
    activations are rounded to bytes, and the least difference before rounds some of them otherwise."""
    logits = []
    for exact in (False, True):
        with Engine(gguf, n_ctx=len(tokens) + 1, threads=1, exact=exact) as engine:
            logits.append(log_softmax(engine.logits(tokens)))
    return float(kl_divergence(*logits).mean())
