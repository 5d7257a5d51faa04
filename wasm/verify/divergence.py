"""How far the browser's llama.cpp is from the native one on the same file, and native llama.cpp from itself.

With quantised weights, activations are rounded to bytes, and the least difference before rounds some of them otherwise:
two right builds differ by some thousandths of a nat. So what native llama.cpp differs from itself by is the measure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lilm.llamacpp.engine import Engine
from lilm.llamacpp.probabilities import kl_divergence, log_softmax
from lilm.temporary import temporary_folder
from lilm.wasm.verify.node import run_node

STEPS = {1: 1, 16: 4}  # tokens at a time: other kernels; of which places the logits are compared: each, every fourth
FACTOR, FLOOR = 4.0, 1e-4
"""A right build is within FACTOR times native's own divergence, and FLOOR nats."""


@dataclass(frozen=True)
class Divergence:
    """wasm: mean KL(native || wasm) of the next token's distribution, nats: the larger one of the means of STEPS, by
    `step` tokens at a time. native: KL(native || native) with an F32 cache, plain attention and another number of
    threads. tokens: predictions compared. moved: by how much the lead of the best token over the second changed at
    most between these two, in logits.
    """

    wasm: float
    native: float
    step: int
    tokens: int
    moved: float

    @property
    def bound(self) -> float:
        return FACTOR * self.native + FLOOR

    @property
    def agrees(self) -> bool:
        return self.wasm <= self.bound

    def report(self) -> dict[str, float]:
        return {"kld_wasm": self.wasm, "kld_native": self.native, "kld_bound": self.bound, "tokens": self.tokens}


def divergence(
    gguf: Path,
    wasm_dir: Path,
    windows: Sequence[Sequence[int]],
    *,
    variant: str = "threads",
    threads: int = 1,
    kv_type: str = "f16",
    lora: Path | None = None,
) -> Divergence:
    """Measures the divergence at the places of all `windows`, each evaluated on its own.

    wasm_dir: the folder that holds `<variant>/lilm-core.*`; run in node. threads, kv_type, lora: of both.
    Raises LilmError for what either cannot load.
    """
    n_ctx = max(map(len, windows)) + 1
    with Engine(gguf, n_ctx=n_ctx, threads=threads, kv_type=kv_type, lora=lora) as engine:
        native = [log_softmax(engine.logits(window)) for window in windows]
    with Engine(gguf, n_ctx=n_ctx, threads=threads + 1, exact=True, lora=lora) as engine:
        exact = [log_softmax(engine.logits(window)) for window in windows]
    means = {}
    with temporary_folder("logits") as made:
        files = {(step, i): made / f"{step}-{i}.f32" for step in STEPS for i in range(len(windows))}
        runs = [
            {"tokens": list(windows[i]), "logits": str(path), "step": step, "stride": STEPS[step]}
            for (step, i), path in files.items()
        ]
        run_node(gguf, wasm_dir, runs, lora=lora, variant=variant, threads=threads, n_ctx=n_ctx, kv_type=kv_type)
        for step, stride in STEPS.items():
            parts = []
            for i, theirs in enumerate(native):
                ours = np.fromfile(files[step, i], dtype=np.float32).reshape(-1, theirs.shape[1])
                parts.append(kl_divergence(theirs[step - 1 :: stride], log_softmax(ours)))
            found = np.concatenate(parts)
            if len(found):  # windows may be shorter than a step
                means[step] = float(np.nan_to_num(found.mean(), nan=np.inf))
    own = np.concatenate([kl_divergence(*pair) for pair in zip(native, exact, strict=True)])
    moved = max(float(np.abs(_leads(a) - _leads(b)).max()) for a, b in zip(native, exact, strict=True))
    worse = max(means, key=means.__getitem__)
    return Divergence(means[worse], float(own.mean()), worse, len(own), moved)


def _leads(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns by how much the best of each row leads."""
    second, best = np.partition(logits, -2, axis=-1)[:, -2:].T
    leads: NDArray[np.float32] = best - second
    return leads
