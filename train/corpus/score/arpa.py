"""The ARPA format of n-gram models: text, log10 probabilities, read by KenLM and every other toolkit."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from lilm.disk import replacing
from lilm.train.corpus.score.counts import Ngrams
from lilm.train.corpus.score.smoothing import Floats
from lilm.train.corpus.score.symbols import BEGIN, Symbols

ROWS = 250_000  # written at a time
DIGITS = 5  # after the point, of a logarithm
_NEVER = 1e-99  # probability of <s>, by custom


def write_arpa(
    path: Path,
    names: Sequence[str],
    symbols: Symbols,
    tables: Sequence[Ngrams],
    model: Iterable[tuple[Floats, Floats]],
) -> list[int]:
    """Writes the model, whole or not at all; returns how many n-grams of each order are in it.

    names: of the symbols. symbols: the text that the tables point into. model: probabilities and backoffs of each
    order. Orders at the top that pruning left empty are left out.
    """
    counts = [len(table.adjusted) for table in tables]
    while len(counts) > 2 and not counts[-1]:
        counts.pop()
    words = pl.Series(names, dtype=pl.String)
    with replacing(path, sync=True) as part, part.open("wb") as file:
        file.write(b"\\data\\\n")
        file.writelines(b"ngram %d=%d\n" % (order, count) for order, count in enumerate(counts, 1))
        for order, (count, table, (probability, backoff)) in enumerate(zip(counts, tables, model, strict=False), 1):
            if order == 1:
                probability[BEGIN] = _NEVER
            file.write(b"\n\\%d-grams:\n" % order)
            for rows in (slice(start, start + ROWS) for start in range(0, count, ROWS)):
                columns = {
                    "probability": np.log10(probability[rows]),
                    "words": _words(words, symbols, table, order, rows),
                }
                if order < len(counts):
                    columns["backoff"] = np.log10(backoff[rows])
                pl.DataFrame(columns).write_csv(
                    file, include_header=False, separator="\t", quote_style="never", float_precision=DIGITS
                )
        file.write(b"\n\\end\\\n")
    return counts


def _words(words: pl.Series, symbols: Symbols, table: Ngrams, order: int, rows: slice) -> pl.Series:
    """The n-grams of `rows`, their symbols with spaces between."""
    if order == 1:
        return words[rows]
    columns = (words.gather(symbols[table.last[rows] - back]) for back in reversed(range(order)))
    return pl.select(pl.concat_str(list(columns), separator=" ")).to_series()
