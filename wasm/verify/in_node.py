"""Does the browser's build say what native llama.cpp says, and does it fit in the memory computed for it?"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lilm.errors import LilmError
from lilm.fit.parts import context_length
from lilm.llama.shape import Shape
from lilm.llamacpp.engine import Continuation, Engine
from lilm.wasm.memory import Memory
from lilm.wasm.verify.node import NodeRun, run_node

PROMPTS = ("Once upon a time, there was a little", "昔々あるところに、")
N_PREDICT = 32
REMEDY = "all else is kept; build it by another Emscripten (`lilm wasm toolchain`, or EMSDK): `lilm run --from wasm`"
TIE = 0.05  # logits closer than this may swap between two builds of the same model


@dataclass(frozen=True)
class Comparison:
    """compared: tokens compared in all; same: of these, the same ones; ties: swaps of almost equal logits, after
    which a continuation is not compared any further."""

    compared: int
    same: int
    ties: int

    @property
    def agrees(self) -> bool:
        return self.same + self.ties == self.compared


def compare(native: Sequence[Continuation], browser: Sequence[NodeRun], tie: float = TIE) -> Comparison:
    """Token by token, up to each continuation's first difference, which is a tie where the best logit leads by less
    than `tie`."""
    compared = same = ties = 0
    for one, other in zip(native, browser, strict=True):
        for place, (left, right) in enumerate(zip(one.ids, other.ids, strict=True)):
            compared += 1
            if left != right:
                ties += min(one.gaps[place], other.gaps[place]) < tie
                break
            same += 1
    return Comparison(compared, same, ties)


@dataclass(frozen=True)
class Verification:
    """heap_top: bytes of the memory in use at most, of `initial_bytes`. tokens_per_second: prefill, generation."""

    comparison: Comparison
    filled: int
    heap_top: int
    prefill_tokens_per_second: float
    tokens_per_second: float

    def report(self) -> dict[str, int]:
        """The part that is the same in every run."""
        return {**asdict(self.comparison), "context_filled_to": self.filled}


def verify(
    gguf: Path,
    shape: Shape,
    wasm_dir: Path,
    variant: str,
    memory: Memory,
    *,
    n_ctx: int,
    n_batch: int,
    threads: int,
    kv_type: str = "f16",
    moved: float = 0,
) -> Verification:
    """Run `gguf` in node within exactly `memory.initial_bytes`: greedily, and to the end of a full context.

    threads, kv_type: of both builds. moved: by how much native's own leads differ (Divergence.moved): the text may go
    on otherwise where the best token leads by less than twice that.
    Raises LilmError when it does not fit, or goes on otherwise where it must not.
    """
    full = context_length(shape, n_ctx)
    greedy: dict[str, object] = {"temperature": 0, "repeat_penalty": 1, "n_predict": N_PREDICT, "ignore_eos": True}
    runs = [{"prompt": prompt, **greedy} for prompt in PROMPTS]
    runs.append({"tokens": [i % 200 + 3 for i in range(full - 8)], **greedy, "n_predict": -1})
    answer = run_node(
        gguf, wasm_dir, runs, variant=variant, threads=threads, n_ctx=n_ctx, n_batch=n_batch, kv_type=kv_type,
        memory={"initial_bytes": memory.initial_bytes, "maximum_bytes": memory.initial_bytes},
    )  # fmt: skip
    *browser, filling = answer.runs
    with Engine(gguf, n_ctx=full, threads=threads, kv_type=kv_type) as engine:
        native = [engine.greedy(run.prompt_ids, N_PREDICT, stop=False) for run in browser]
    tie = max(TIE, 2 * moved)
    comparison = compare(native, browser, tie)
    if not comparison.agrees:
        raise LilmError(
            f"the {variant} build goes on otherwise than native llama.cpp after {comparison.same} tokens, where the"
            f" best token leads by more than {tie:.2g}",
            where=str(gguf),
            remedy=REMEDY,
        )
    return Verification(
        comparison,
        filled=answer.stats["n_ctx_used"],
        heap_top=answer.stats["heap_top"],
        prefill_tokens_per_second=round((full - 8) / filling.prompt_seconds, 1),
        tokens_per_second=round(sum(len(run.ids) for run in browser) / sum(run.seconds for run in browser), 1),
    )
