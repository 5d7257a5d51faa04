"""What a stage is: a name, the recipe keys it reads, the stages it reads, and a function."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lilm.pipeline.artifact import Artifact
from lilm.progress import Reporter

if TYPE_CHECKING:
    from lilm.recipe import Recipe


@dataclass(frozen=True)
class Context:
    """What every stage gets besides its config.

    seed: of all randomness. threads: CPU threads of all numeric work (part of reproducibility).
    language, base_language: the language to learn and the one the base model knows.
    """

    seed: int
    threads: int
    language: str
    base_language: str
    reporter: Reporter


class Run(Protocol):
    """`inputs` maps a needed stage's name to its finished folder; the outputs go to `out_dir`.

    `out_dir` may hold what an earlier, killed try of exactly the same work left there.
    """

    def __call__(self, config: Any, inputs: Mapping[str, Path], out_dir: Path, context: Context) -> Artifact: ...


@dataclass(frozen=True)
class Stage:
    """One row of the pipeline.

    module: where `run(config, inputs, out_dir, context) -> Artifact` is; imported only when it runs.
        The module may also have `check(config, context) -> None`, called for all stages before any work
        starts, which raises LilmError for what the user must mend; `check_base(config, base, context) -> None`, the
        same as soon as the base is there, which is its folder or a file given by path; and
        `external(config, context) -> dict[str, str]`, fingerprints of what the stage reads outside the run.
    shared: names of the recipe's top-level keys that this stage reads besides its own section.
    needs: names of the stages it reads, given the recipe.
    """

    name: str
    summary: str
    module: str
    needs: Callable[["Recipe"], tuple[str, ...]]
    shared: tuple[str, ...] = ()

    def load(self) -> Any:
        return importlib.import_module(self.module)


def _always(*names: str) -> Callable[["Recipe"], tuple[str, ...]]:
    return lambda recipe: names


def _base_needs(recipe: "Recipe") -> tuple[str, ...]:
    """A base of its own learns from the corpus; one out of a GGUF file is proven on it."""
    return ("corpus",) if recipe.base.kind in ("scratch", "gguf") else ()


def _export_needs(recipe: "Recipe") -> tuple[str, ...]:
    """The base says whence it is, and is what an adapter of pretrain goes over; a file of a budget is measured on the
    corpus; blocks are learnt from packed text."""
    export = recipe.export
    wanted = {"pretrain": export.adapter, "corpus": export.has_budget, "pack": bool(export.learned)}
    return ("base", "finetune", *(name for name, wants in wanted.items() if wants))


STAGES: tuple[Stage, ...] = (
    Stage(
        "corpus",
        "normalise, filter and deduplicate the text",
        "lilm.train.corpus.stage",
        _always(),
        ("seed", "language", "base_language"),
    ),
    Stage(
        "base",
        "fetch the English Llama, or train a small one from scratch",
        "lilm.train.base.stage",
        _base_needs,
        ("seed", "threads", "base_language"),
    ),
    Stage(
        "tokenizer",
        "learn a vocabulary, merge it into the base's, verify it",
        "lilm.train.tokenizer.stage",
        _always("corpus", "base"),
        ("language", "base_language"),
    ),
    Stage(
        "pack",
        "turn the text into token stores",
        "lilm.train.pack.stage",
        _always("corpus", "tokenizer"),
        ("language", "base_language"),
    ),
    Stage(
        "pretrain",
        "teach the base the language: embeddings first, then the whole model",
        "lilm.train.pretrain.stage",
        _always("base", "corpus", "tokenizer", "pack"),
        ("seed", "threads", "language", "base_language"),
    ),
    Stage(
        "finetune",
        "teach it to chat",
        "lilm.train.finetune.stage",
        _always("pretrain", "pack"),
        ("seed", "threads", "language", "base_language"),
    ),
    Stage(
        "export",
        "write GGUF files, full and quantised",
        "lilm.export.stage",
        _export_needs,
        ("seed", "threads", "language", "base_language"),
    ),
    Stage(
        "bench",
        "measure quality against size",
        "lilm.export.bench.stage",
        _always("export", "corpus"),
        ("threads", "language", "base_language"),
    ),
    Stage(
        "wasm",
        "build llama.cpp for the browser, and verify what it computes and its memory",
        "lilm.wasm.stage",
        _always("export", "corpus"),
        ("language", "base_language"),
    ),
    Stage(
        "site",
        "make the page that runs the model",
        "lilm.demo.stage",
        _always("export", "bench", "wasm"),
        ("language",),
    ),
)


def stage_named(name: str) -> Stage:
    return next(stage for stage in STAGES if stage.name == name)
