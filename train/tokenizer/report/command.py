"""`lilm tokenizer report`: the figures of a run's tokenizer as a page and as JSON."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lilm.commands import command
from lilm.disk import write_atomic
from lilm.documents import read_texts
from lilm.errors import LilmError
from lilm.pipeline.artifact import read_manifest
from lilm.pipeline.hashing import write_json
from lilm.progress import Reporter
from lilm.recipe import Recipe
from lilm.train.base.model_folder import tokenizer_files
from lilm.train.tokenizer.report.choice import run_choice
from lilm.train.tokenizer.report.curve import Shape
from lilm.train.tokenizer.report.figures import tokenizer_report
from lilm.train.tokenizer.report.page import tokenizer_page
from lilm.train.tokenizer.texts import learning_texts

NEEDED = ("corpus", "base", "tokenizer")
MEASURED_CHARS = 1_000_000  # of held-out text per language
CORPUS_CHARS = 5_000_000  # of training text per language in which pieces are looked for


def report_run(
    run_dir: Path, recipe: Recipe, others: Sequence[Path], reporter: Reporter, out_dir: Path | None = None
) -> dict[str, Any]:
    """Write tokenizer.html and tokenizer.json about the tokenizer of `run_dir` to `out_dir` (default: RUN/reports).

    others: tokenizers to compare with (see `open_tokenizer`). Measured on the corpus's held-out text; dead pieces are
    those of which its training text, the best-scored part, has none. Returns what `tokenizer_report` does, and
    `choice`: what `lilm tokenizer compare-sizes` found about this size, or nothing. Raises LilmError when a stage is
    not done or a tokenizer cannot be read.
    """
    missing = [name for name in NEEDED if read_manifest(run_dir / name) is None]
    if missing:
        raise LilmError(
            f"stage {missing[0]} is not done",
            where=str(run_dir),
            remedy=f"run `{command('run', '--run', run_dir, '--to', 'tokenizer')}`",
        )
    languages = (recipe.language, recipe.base_language)
    corpus = run_dir / "corpus"
    texts = {language: _first(read_texts(corpus, language, "heldout"), MEASURED_CHARS) for language in languages}
    report = tokenizer_report(
        run_dir / "tokenizer",
        run_dir / "base" / tokenizer_files(run_dir / "base")[0],
        texts,
        others,
        _training(corpus, languages),
        base_shape(run_dir / "base"),
        reporter,
    )
    report["choice"] = run_choice(run_dir)
    out_dir = out_dir or run_dir / "reports"
    out_dir.mkdir(parents=True, exist_ok=True)
    write_json(out_dir / "tokenizer.json", report)
    write_atomic(out_dir / "tokenizer.html", tokenizer_page(report))
    return report


def base_shape(base: Path) -> Shape:
    """Reads the shape from config.json. Raises LilmError when it says none."""
    path = base / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        return Shape(int(config["hidden_size"]), bool(config.get("tie_word_embeddings", False)))
    except (OSError, ValueError, KeyError) as error:
        raise LilmError(f"no hidden_size ({error})", where=str(path), remedy="give a Llama folder") from error


def _training(corpus: Path, languages: Sequence[str]) -> Iterator[str]:
    for language in languages:
        yield from learning_texts(corpus, language, CORPUS_CHARS)


def _first(texts: Iterator[str], chars: int) -> list[str]:
    taken = []
    for text in texts:
        if chars <= 0:
            break
        taken.append(text)
        chars -= len(text)
    return taken
