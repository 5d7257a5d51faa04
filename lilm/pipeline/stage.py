"""What a stage is: a name, the recipe keys it reads, the stages it reads, and a function."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lilm.pipeline.artifact import Artifact
from lilm.progress import Reporter

if TYPE_CHECKING:
    from lilm.fit.device import Place
    from lilm.licences import Licence
    from lilm.recipe import Recipe


@dataclass(frozen=True)
class Context:
    """What every stage gets besides its config.

    seed: of all randomness. threads: CPU threads of all numeric work (part of reproducibility).
    language, base_language: the language to learn and the one the base model knows.
    place: what the export's budget is for, where that is a device. licences: what the recipe tells of them.
    """

    seed: int
    threads: int
    language: str
    base_language: str
    reporter: Reporter
    place: "Place | None" = None
    licences: "tuple[Licence, ...]" = ()


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
        starts, which raises LilmError for what the user must mend; `check_remote(config, context) -> None`, the same
        where the stage is not done, for what is asked of a network or fetched from it;
        `check_base(config, base, context) -> None`, the same as soon as the base is there, which is its folder or a
        file given by path or address;
        `check_vocabulary(config, base, tokenizer, context) -> None`, the same as soon as the merged vocabulary is
        there, with the folders of both stages; and `external(config, context) -> dict[str, str]`, fingerprints of what
        the stage reads outside the run.
    needs: names of the stages it reads, given the recipe.
    outputs: patterns of the files that it writes, but for volatile ones, relative to its folder; whatever else lies
        there when it is done, somebody else has put there.
    shared: names of the recipe's top-level keys that this stage reads besides its own section.
    also: what it reads of other sections, given the recipe, by a name for it.
    beside: files of the run that no stage writes and that it reads where they are there; `inputs` has them by these
        names.
    """

    name: str
    summary: str
    module: str
    needs: Callable[["Recipe"], tuple[str, ...]]
    outputs: tuple[str, ...]
    shared: tuple[str, ...] = ()
    also: Callable[["Recipe"], dict[str, Any]] = lambda recipe: {}
    beside: tuple[str, ...] = ()

    def found_beside(self, run_dir: Path) -> dict[str, Path]:
        """Those of `beside` that are there."""
        return {name: run_dir / name for name in self.beside if (run_dir / name).is_file()}

    def load(self) -> Any:
        return importlib.import_module(self.module)


def _always(*names: str) -> Callable[["Recipe"], tuple[str, ...]]:
    return lambda recipe: names


def _base_needs(recipe: "Recipe") -> tuple[str, ...]:
    """A base of its own learns from the corpus; one out of a GGUF file is proven on it."""
    return ("corpus",) if recipe.base.kind in ("scratch", "gguf") else ()


def _finetune_needs(recipe: "Recipe") -> tuple[str, ...]:
    """Which rows are the base's, its tokenizer says."""
    return ("pretrain", "pack", *(("base",) if recipe.finetune.keep_base_rows else ()))


def _export_needs(recipe: "Recipe") -> tuple[str, ...]:
    """The base says whence it is, and is what an adapter of pretrain goes over; a file of a budget is measured on the
    corpus; blocks are learnt from packed text."""
    export = recipe.export
    wanted = {"pretrain": export.adapter, "corpus": export.has_budget, "pack": bool(export.learned)}
    return ("base", "finetune", *(name for name, wants in wanted.items() if wants))


QUANT_REPORT = "quant/report.json"  # of `lilm bench quant`, which is no stage
LLAMA_CPP_LICENSE = "LICENSE-llama.cpp.txt"  # as its source has it, beside the builds
_MODEL = ("config.json", "generation_config.json", "model*.safetensors", "model.safetensors.index.json")
_TOKENIZER = ("tokenizer.model", "tokenizer.json", "tokenizer_config.json")
_TOKENS = ("tokens.json", "tokens/*.bin", "tokens/*.idx")
_RUNTIME = ("*.mjs", "*.d.mts", "package.json")
_PAGE = ("*.css", "*.html", "*.js", "*.png", "*.svg", "models.json", "manifest.webmanifest")


def _export_also(recipe: "Recipe") -> dict[str, Any]:
    """The size of a file for a device depends on what the device gives, and on the page's context."""
    from lilm.pipeline.place import place_of

    place = place_of(recipe)
    return {} if place is None else {"place": place.figures()}


def _site_also(recipe: "Recipe") -> dict[str, Any]:
    """The page tells under which licences things stand."""
    from lilm.licences import told_licences

    return {"licences": [asdict(one) for one in told_licences(recipe)]}


STAGES: tuple[Stage, ...] = (
    Stage(
        "corpus",
        "normalise, filter and deduplicate the text",
        "lilm.train.corpus.stage",
        _always(),
        ("report.json", "docs/*/*/part-*.parquet", "drops/*.parquet"),
        ("seed", "language", "base_language"),
    ),
    Stage(
        "base",
        "fetch the English Llama, or train a small one from scratch",
        "lilm.train.base.stage",
        _base_needs,
        (
            *(*_MODEL, "*.safetensors", *_TOKENIZER, "added_tokens.json", "chat_template.jinja", "metrics.jsonl"),
            *("origin.json", "README.md"),
        ),
        ("seed", "threads", "base_language"),
    ),
    Stage(
        "tokenizer",
        "learn a vocabulary, merge it into the base's, verify it",
        "lilm.train.tokenizer.stage",
        _always("corpus", "base"),
        ("report.json", *_TOKENIZER),
        ("language", "base_language"),
    ),
    Stage(
        "pack",
        "turn the text into token stores",
        "lilm.train.pack.stage",
        _always("corpus", "tokenizer"),
        ("report.json", *_TOKENS),
        ("language", "base_language"),
    ),
    Stage(
        "pretrain",
        "teach the base the language: embeddings first, then the whole model",
        "lilm.train.pretrain.stage",
        _always("base", "corpus", "tokenizer", "pack"),
        ("report.json", *_MODEL, *_TOKENIZER, "metrics.jsonl", "adapter/*.json", "adapter/*.safetensors"),
        ("seed", "threads", "language", "base_language"),
    ),
    Stage(
        "finetune",
        "teach it to chat",
        "lilm.train.finetune.stage",
        _finetune_needs,
        (
            *("report.json", *_MODEL, *_TOKENIZER, "chat_template.jinja", "metrics.jsonl", *_TOKENS),
            *("heldout.json", "preference/metrics.jsonl"),
        ),
        ("seed", "threads", "language", "base_language"),
    ),
    Stage(
        "export",
        "write GGUF files, full and quantised",
        "lilm.export.stage",
        _export_needs,
        (
            *("report.json", "recipe.json", "model-*.gguf", "lora/*.gguf", "lora/recipe.json"),
            *("calibration/*.json", "calibration/*.gguf", "learned-*/metrics.jsonl"),
        ),
        ("seed", "threads", "language", "base_language"),
        _export_also,
    ),
    Stage(
        "bench",
        "measure quality against size",
        "lilm.export.bench.stage",
        _always("base", "corpus", "pretrain", "export"),
        ("report.json", "report.html", "quality.svg"),
        ("threads", "language", "base_language"),
    ),
    Stage(
        "wasm",
        "build llama.cpp for the browser, and verify what it computes and its memory",
        "lilm.wasm.stage",
        _always("export", "corpus"),
        ("report.json", "memory.json", LLAMA_CPP_LICENSE, "*/lilm-core*", *(f"runtime/{name}" for name in _RUNTIME)),
        ("language", "base_language"),
    ),
    Stage(
        "site",
        "make the page that runs the model",
        "lilm.demo.stage",
        _always("base", "export", "bench", "wasm"),
        (
            *_PAGE,
            *("models/*.gguf", "models/*.chunks.json", "bench/report.html", "bench/*.svg"),
            *("wasm/memory.json", f"wasm/{LLAMA_CPP_LICENSE}", "wasm/*/lilm-core*"),
            *(f"wasm/runtime/{name}" for name in _RUNTIME),
        ),
        ("language",),
        _site_also,
        (QUANT_REPORT,),
    ),
)


def stage_named(name: str) -> Stage:
    return next(stage for stage in STAGES if stage.name == name)
