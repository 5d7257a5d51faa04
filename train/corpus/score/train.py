"""A character n-gram model of trusted text: what lmplz would make of it, without lmplz."""

from collections.abc import Iterable
from pathlib import Path

from lilm.errors import LilmError
from lilm.train.corpus.score.arpa import write_arpa
from lilm.train.corpus.score.counts import count_ngrams
from lilm.train.corpus.score.smoothing import smoothed
from lilm.train.corpus.score.symbols import Alphabet, collect

PRUNE = 1  # n-grams of three and more characters that stand once tell little and take most of the room
LEAST_CHARS = 1_000


def train_model(texts: Iterable[str], path: Path, order: int, train_chars: int, prune: int = PRUNE) -> list[int]:
    """Trains on the first `train_chars` characters of `texts`, writes the ARPA file `path`; returns its number of
    n-grams by order.

    order: characters of the longest n-gram, 2 … 6. prune: see `count_ngrams`; 0: keep all. The same texts in the same
    order give the same bytes. Memory: about 45 bytes a character.
    Raises LilmError when there is hardly any text.
    """
    codes = collect(texts, train_chars)
    if len(codes) < LEAST_CHARS:
        raise LilmError(
            f"{len(codes)} characters of trusted text are too few to score by ({LEAST_CHARS} are needed)",
            where="corpus.score.trusted",
            remedy="name a source with more text, or leave `trusted` empty to have no scores",
        )
    alphabet = Alphabet.of(codes)
    symbols = alphabet.encode(codes, order - 1)
    del codes
    tables = count_ngrams(symbols, len(alphabet.names), order, prune)
    return write_arpa(path, alphabet.names, symbols, tables, smoothed(tables))
