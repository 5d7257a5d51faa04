"""All that the report says of a tokenizer, as JSON."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from lilm.progress import Reporter
from lilm.train.tokenizer.report.curve import Shape, vocabulary_curve
from lilm.train.tokenizer.report.pieces import RARE, piece_table, usage
from lilm.train.tokenizer.report.tokenizers import (
    Cutter,
    density,
    open_tokenizer,
    piece_counts,
)
from lilm.train.tokenizer.report.vocabularies import read_vocabulary

CURVE_CHARS = 400_000  # of text for each point of the curve
SAMPLES = 4  # lines per language
SAMPLE_CHARS = (12, 70)


def tokenizer_report(
    folder: Path,
    base: Path,
    texts: Mapping[str, Sequence[str]],
    others: Sequence[Path],
    corpus: Iterable[str],
    shape: Shape,
    reporter: Reporter,
) -> dict[str, Any]:
    """Figures about a merged tokenizer.

    folder: has its files. base: the base's tokenizer.model or .json. texts: by name, the new language first, as
    the others measure it too. others: tokenizer.model or tokenizer.json files to compare with, each under its file's or
    folder's name. corpus: text in which a piece that is never used counts as dead. shape: of the base's embeddings.

    Returns vocab_size, base_vocab_size, hidden_size, tied, tokenizers [{name, vocab_size, texts: {name: {tokens,
    chars_per_token, bytes_per_token}}}], pieces (see `piece_table`) of base and new, usage (see `usage`) with the
    characters read, curve (see `vocabulary_curve`) and samples {name: [{text, splits: {tokenizer: [piece]}}]}. Raises
    LilmError when a tokenizer cannot be read, or is not merged into `base`.
    """
    vocabulary = read_vocabulary(folder, base)
    pieces, base_size, merged = vocabulary.pieces, vocabulary.base_size, vocabulary.merged
    cutters: list[Cutter] = [vocabulary.base, merged, *map(open_tokenizer, others)]
    _name_apart(cutters)
    compared = []
    with reporter.bar("compare", len(cutters) * len(texts)) as bar:
        for cutter in cutters:
            found = {}
            for name, group in texts.items():
                found[name] = density(cutter, group).as_json()
                bar.advance(note=cutter.name)
            compared.append({"name": cutter.name, "vocab_size": cutter.vocab_size, "texts": found})
    reporter.say("  reading the corpus for pieces that it never uses")
    counts, chars = np.zeros(merged.vocab_size, dtype=np.int64), 0
    documents = iter(corpus)
    while batch := list(islice(documents, 1000)):
        counts += piece_counts(merged, batch)
        chars += sum(map(len, batch))
    first = next(iter(texts.values()))
    return {
        "vocab_size": len(pieces),
        "base_vocab_size": base_size,
        "hidden_size": shape.hidden_size,
        "tied": shape.tied,
        "tokenizers": compared,
        "pieces": {"new": piece_table(pieces[base_size:]), "base": piece_table(pieces[:base_size])},
        "usage": {**usage(pieces, counts, base_size), "characters": chars, "rare_below": RARE},
        "curve": list(
            vocabulary_curve(vocabulary.sizes, vocabulary.smaller, _some(first, CURVE_CHARS), shape, reporter)
        ),
        "samples": {name: _samples(group, cutters) for name, group in texts.items()},
    }


def _name_apart(cutters: Sequence[Cutter]) -> None:
    """No two of a name: a second one gets a number."""
    seen: dict[str, int] = {}
    for cutter in cutters:
        seen[cutter.name] = seen.get(cutter.name, 0) + 1
        if seen[cutter.name] > 1:
            cutter.name += f" ({seen[cutter.name]})"


def _some(texts: Sequence[str], chars: int) -> list[str]:
    """The first texts that have so many characters together."""
    taken: list[str] = []
    for text in texts:
        if chars <= 0:
            break
        taken.append(text)
        chars -= len(text)
    return taken


def _samples(texts: Sequence[str], cutters: Sequence[Cutter]) -> list[dict[str, Any]]:
    """Lines of a readable length, spread over the texts, as each tokenizer cuts them."""
    shortest, longest = SAMPLE_CHARS
    lines = [line.strip() for line in chain.from_iterable(text.split("\n") for text in texts)]
    fitting = list(dict.fromkeys(line for line in lines if shortest <= len(line) <= longest))
    fitting = fitting or [line[:longest] for line in lines if line][:SAMPLES]
    chosen = fitting[:: max(1, len(fitting) // SAMPLES)][:SAMPLES]
    return [{"text": line, "splits": {cutter.name: cutter.split(line) for cutter in cutters}} for line in chosen]
