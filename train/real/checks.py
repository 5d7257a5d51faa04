"""What must hold whatever is learnt: all runtimes cut text alike."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lilm.documents import Split, read_texts
from lilm.train.real.bed import LANGUAGES
from lilm.train.real.contender import Trial
from lilm.train.tokenizer.kinds import open_base
from lilm.train.tokenizer.texts import sample_evenly
from lilm.train.tokenizer.verify import Candidate

APART = ("reachable pieces",)  # no comparison of ids
SPLITS: tuple[Split, ...] = ("heldout", "train")


def compare_ids(trial: Trial, lines: int) -> dict[str, Any]:
    """Ids of `lines` different lines of each language, or all there are: by the tokenizer as it was trained with, by
    Hugging Face and by llama.cpp, and of English by the base.

    Returns token_mismatches, lines_compared by language, and both chars_per_token of Japanese.
    """
    chosen = {lang: _lines(trial.folder / "corpus", lang, lines) for lang in LANGUAGES}
    gguf = trial.bed.root / "vocabulary.gguf"
    base = open_base(trial.folder / "base")
    with trial.bed.reporter.bar("compare ids", len(chosen) + 1) as bar:
        tokenizer, english = trial.folder / "tokenizer", trial.recipe.base_language
        made = Candidate(tokenizer, chosen, english, gguf, on_done=lambda name: bar.advance(1, name))
        report = base.verify(made)
    gguf.unlink()
    japanese = report.figures[trial.recipe.language]
    return {
        "token_mismatches": sum(one.mismatches for name, one in report.checks.items() if name not in APART),
        "lines_compared": {lang: len(found) for lang, found in chosen.items()},
        "chars_per_token_before": japanese["base_chars_per_token"],
        "chars_per_token_after": japanese["merged_chars_per_token"],
    }


def _lines(corpus: Path, lang: str, count: int) -> list[str]:
    found = list(dict.fromkeys(_all_lines(corpus, lang)))
    return list(sample_evenly(found, count / len(found)))


def _all_lines(corpus: Path, lang: str) -> Iterator[str]:
    for split in SPLITS:
        for text in read_texts(corpus, lang, split):
            yield from (line for line in text.split("\n") if line.strip())
