"""Where a build begins to compute something else: the first step of the graph that is far from native's."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lilm.llamacpp.engine import Engine
from lilm.temporary import temporary_folder
from lilm.wasm.verify.node import run_node

# Steps that a Llama has by these names, with the layer's number behind; others are views, or differ with the cache.
STEPS = "attn_norm Qcur Kcur Vcur kqv_out attn_out ffn_inp ffn_norm ffn_gate ffn_up ffn_swiglu ffn_out l_out"
NAMES = rf"^(({STEPS.replace(' ', '|')})-\d+|result_norm|result_output)$"
FAR, TIMES, LARGE = 0.02, 8.0, 0.3
"""A step is far off when its difference is more than FAR, and more than TIMES what native's own is there or LARGE: in
SmolLM2 135M as Q4_0 native's own grows from nothing to .05."""

Values = NDArray[np.float32]
Step = tuple[str, int]  # name, and the how manieth one of that name


@dataclass(frozen=True)
class Difference:
    """step: its name, with the layer. op: the operation. weights: type and name of the matrix, for products. apart,
    own: |wasm - native| / |native|, and the same between native and itself."""

    step: str
    op: str
    weights: str
    apart: float
    own: float

    def __str__(self) -> str:
        by = f" by {self.weights}" if self.weights else ""
        return f"first at {self.step} ({self.op}{by}): {self.apart:.1%} apart, native from itself {self.own:.1%}"


def first_difference(
    gguf: Path,
    wasm_dir: Path,
    tokens: Sequence[int],
    *,
    step: int,
    variant: str,
    threads: int,
    kv_type: str = "f16",
    lora: Path | None = None,
) -> Difference | None:
    """The first step that is far from native's, when `tokens` are evaluated `step` at a time; None when all are near.

    lora: an adapter that both use over the model.

    Raises LilmError for what either cannot load.
    """
    tokens = tokens[: len(tokens) // step * step]
    n_ctx = len(tokens) + 1
    native = _native(gguf, lora, tokens, threads, kv_type, exact=False)
    exact = _native(gguf, lora, tokens, threads + 1, kv_type, exact=True)
    with temporary_folder("steps") as made:
        file, logits = made / "steps", made / "logits"
        runs = [{"tokens": list(tokens), "logits": str(logits), "step": step, "stride": step}]
        run_node(
            gguf,
            wasm_dir,
            runs,
            lora=lora,
            variant=variant,
            threads=threads,
            n_ctx=n_ctx,
            kv_type=kv_type,
            watched=(file, NAMES),
        )
        seen: Counter[Step] = Counter()
        for key, op, weights, values in _steps(file):
            part = seen[key]
            seen[key] += 1
            if key not in native or key not in exact:
                continue
            theirs, own = (_part(all_[key], len(tokens), part * step, step, len(values)) for all_ in (native, exact))
            size = float(np.linalg.norm(theirs)) or 1.0
            apart, usual = (float(np.linalg.norm(other - theirs)) / size for other in (values, own))
            if not apart <= max(FAR, min(TIMES * usual, LARGE)):
                return Difference(key[0], op, weights, apart, usual)
    return None


def _native(
    gguf: Path, lora: Path | None, tokens: Sequence[int], threads: int, kv_type: str, exact: bool
) -> dict[Step, Values]:
    n_ctx = len(tokens) + 1
    with Engine(gguf, n_ctx=n_ctx, threads=threads, kv_type=kv_type, exact=exact, watched=True, lora=lora) as engine:
        found: dict[Step, Values] = {}
        count: Counter[str] = Counter()
        for name, values in engine.steps(tokens, NAMES):
            found[name, count[name]] = values
            count[name] += 1
    return found


def _steps(file: Path) -> Iterator[tuple[Step, str, str, Values]]:
    """(step, operation, weights, values) of the file that run_node.mjs writes, batch after batch."""
    with file.open("rb") as read:
        count: Counter[str] = Counter()
        while line := read.readline():
            head = json.loads(line)
            name = head["name"]
            values = np.frombuffer(read.read(4 * head["n"]), dtype=np.float32)
            if name.startswith("attn_norm-0"):
                count.clear()  # a new batch
            yield (name, count[name]), head["op"], head["weights"], values
            count[name] += 1


def _part(values: Values, tokens: int, first: int, step: int, size: int) -> Values:
    """Returns the values of `step` tokens from `first` on, or of the last of these alone."""
    width = len(values) // tokens
    return values[(first + step) * width - size : (first + step) * width]
