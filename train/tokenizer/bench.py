"""`lilm bench tokenizer`: the real stages on real text, then characters per token on paragraphs it never saw."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.table import Table

from lilm.errors import LilmError
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import CorpusConfig, TokenizerConfig
from lilm.temporary import temporary_folder
from lilm.vocabulary.sentencepiece import processor, read_proto

LLAMA_PIECES = 32_000
MOST_PIECES = 51_520  # of all: 64 × 805
NEW_PIECES = MOST_PIECES - LLAMA_PIECES
TARGET = 1.70  # characters of JSQuAD a token
EVALUATION, JSQUAD = "eval/jglue", "*jsquad*.json"
SOURCES = (
    ("aozora", "aozora", "aozora/**/*.txt"),
    ("wiki", "squad", "jaquad_wiki/*.json"),
    ("novels", "text", "sentencepiece/*.txt"),
    ("docs", "text", "react_ja_md/*.md"),
)
"""Name, format and files below ja_text. Left out: ud_gsd and wac, whose files are parses with the text among marks."""
TRUSTED = ("wiki",)  # what a good document reads like: the evaluation is of Wikipedia
ENGLISH = (("sherlock", "html", "en_text/**/*.xhtml"), ("plays", "text", "en_text/**/*.txt"))
TRAIN_CHARS = 2_500_000  # the two better buckets of three; all of it, mostly old novels, gives 1.62


def measure(reporter: Reporter, data: Path | None = None) -> dict[str, Any]:
    """Learn a vocabulary from <data>/ja_text by the stages corpus and tokenizer, and measure it on <data>/eval/jglue.

    data: also has en_text, for the gate, and model/*/tokenizer.model, of which the one with most pieces that can be
    merged into is the base. NEW_PIECES are added to it, as many as fit beside Llama's 32,000 in MOST_PIECES, however
    many the base has: a small base makes the task no easier. No training document that shares text with the evaluation
    is read, and the best-scored come first.

    Returns chars_per_token_ja (JSQuAD paragraphs, normalised as the corpus is), vocab_size, mismatches (of all checks
    but the next two), english_changed (lines, of all in en_text), unreachable, and base, base_vocab_size, pieces_added,
    vocab_size_with_llama (if the base had 32,000), base_chars_per_token_ja, lines_ja, lines_en, scored, target. Raises
    LilmError when text or base is missing.
    """
    from lilm.train.corpus import stage as corpus_stage
    from lilm.train.tokenizer import stage as tokenizer_stage
    from lilm.train.tokenizer.texts import heldout_lines

    if data is None:
        raise LilmError("no text", where="lilm bench tokenizer", remedy="give a folder with ja_text by --data")
    base = largest_base(data)
    paragraphs = list(jsquad(data))
    with temporary_folder("bench") as folder:
        corpus, base_dir, out = (folder / part for part in ("corpus", "base", "tokenizer"))
        for one in (corpus, base_dir, out):
            one.mkdir()
        shutil.copyfile(base, base_dir / "tokenizer.model")
        (base_dir / "config.json").write_text('{"max_position_embeddings": 2048}', encoding="utf-8")
        context = Context(0, 1, "ja", "en", reporter)
        config, tokenizer = _corpus(data), TokenizerConfig(pieces=NEW_PIECES, train_chars=TRAIN_CHARS)
        corpus_stage.run(config, {}, corpus, context)
        made = tokenizer_stage.run(tokenizer, {"corpus": corpus, "base": base_dir}, out, context).measurements
        lines = len(heldout_lines(corpus, "ja"))
        changed, english = _english_changed(corpus, base, out)
        before, after = (_chars_per_token(path, paragraphs) for path in (base, out / "tokenizer.model"))
    checks = made["checks"]
    apart = ("reachable pieces", "en ids = base ids")
    figures = {
        "benchmark": "tokenizer",
        "chars_per_token_ja": round(after, 4),
        "vocab_size": made["vocab_size"],
        "mismatches": sum(found["mismatches"] for name, found in checks.items() if name not in apart),
        "english_changed": changed,
        "unreachable": checks["reachable pieces"]["mismatches"],
        "target": TARGET,
        "base": base.parent.name,
        "base_vocab_size": made["base_vocab_size"],
        "base_chars_per_token_ja": round(before, 4),
        "pieces_added": made["pieces_added"],
        "vocab_size_with_llama": LLAMA_PIECES + made["vocab_size"] - made["base_vocab_size"],
        "lines_ja": min(lines, tokenizer.verify_lines),
        "lines_en": english,
        "scored": bool(config.score.trusted),
    }
    reporter.console.print(_table(figures))
    return figures


def largest_base(data: Path) -> Path:
    """The tokenizer.model below <data>/model with the most pieces that new ones can be merged into.

    Raises LilmError when there is none.
    """
    from lilm.train.tokenizer.merge import read_base

    found: list[tuple[int, Path]] = []
    for path in sorted(data.glob("model/*/tokenizer.model")):
        try:
            found.append((len(read_base(path).pieces), path))
        except LilmError:
            continue  # one of those that the stage refuses, such as a Unigram model
    if not found:
        raise LilmError(
            "no tokenizer.model of a Llama", where=str(data / "model"), remedy="put a Llama's in a folder there"
        )
    return max(found)[1]


def jsquad(data: Path) -> Iterator[str]:
    """The paragraphs of JSQuAD below <data>/eval/jglue, normalised as the corpus is. Raises LilmError without any."""
    from lilm.train.corpus.normalise import normalise

    files = sorted((data / EVALUATION).glob(JSQUAD))
    if not files:
        raise LilmError("no JSQuAD", where=str(data / EVALUATION), remedy="put JGLUE's jsquad json there")
    for path in files:
        for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
            yield from (normalise(paragraph["context"], "ja", "、。") for paragraph in article["paragraphs"])


def _corpus(data: Path) -> CorpusConfig:
    sources = [
        {"name": name, "lang": lang, "format": form, "path": str(data / pattern), "web": False}
        for lang, group in (("ja", [(n, f, f"ja_text/{p}") for n, f, p in SOURCES]), ("en", ENGLISH))
        for name, form, pattern in group
        if any(data.glob(pattern))
    ]
    if not any(source["lang"] == "ja" for source in sources):
        raise LilmError("no Japanese text", where=str(data / "ja_text"), remedy="give a folder that has ja_text/aozora")
    trusted = [name for name in TRUSTED if any(source["name"] == name for source in sources)]
    return CorpusConfig.model_validate(
        {
            "sources": sources,
            "workers": 1,
            "max_chars": 5_000,
            "heldout": 0.15,
            "score": {"trusted": trusted},
            "decontaminate": {"path": [str(data / EVALUATION / JSQUAD)]},
        }
    )


def _english_changed(corpus: Path, base: Path, merged: Path) -> tuple[int, int]:
    """(lines whose ids are not the base's, all lines) of the English text, what was trained on and what was not. Ids
    that may change are those of lines with Japanese in them."""
    from lilm.documents import read_texts
    from lilm.train.tokenizer.scripts import is_shared

    texts = [*read_texts(corpus, "en", "train"), *read_texts(corpus, "en", "heldout")]
    lines = [line for text in texts for line in text.split("\n") if line and all(map(is_shared, set(line)))]
    old, new = (processor(read_proto(path)).encode(lines) for path in (base, merged / "tokenizer.model"))
    return sum(one != other for one, other in zip(old, new, strict=True)), len(lines)


def _chars_per_token(model: Path, texts: list[str]) -> float:
    tokens = sum(map(len, processor(read_proto(model)).encode(texts)))
    return sum(map(len, texts)) / tokens


def _table(figures: dict[str, Any]) -> Table:
    table = Table(title="tokenizer", title_justify="left", show_header=False)
    for key, value in figures.items():
        table.add_row(key, str(value))
    return table
