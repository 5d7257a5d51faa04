"""What the model counts: the characters of a line, white space as one visible symbol, rare ones as unknown."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lilm.train.corpus.ngrams import Codes, code_points

SPACE = "▁"  # an ARPA file splits at spaces
UNKNOWN, BEGIN, END = 0, 1, 2  # symbols that are no characters
NAMES = ("<unk>", "<s>", "</s>")
RARE = 2  # characters that stand less often are unknown
_NEWLINE = ord("\n")
_ALL = 0x110000

Symbols = np.ndarray[tuple[int], np.dtype[np.uint32]]


def lines(text: str) -> list[str]:
    """Lines of a text as the model reads them: white space inside is one ▁, around it nothing; no empty ones. NUL,
    which some toolkits end at, is U+FFFD.

    >>> lines(" 一　行目 \\n\\nline  two")
    ['一▁行目', 'line▁two']
    """
    return [line for line in map(SPACE.join, map(str.split, text.replace("\0", "\ufffd").split("\n"))) if line]


def collect(texts: Iterable[str], most: int) -> Codes:
    """Code points of the first `most` characters of the texts, each line ended by a newline (which counts)."""
    parts = [np.empty(0, dtype=np.uint32)]
    left = most
    for text in texts:
        codes = code_points("".join(line + "\n" for line in lines(text)))
        if len(codes) > left:
            codes = codes[:left].copy()
            codes[-1] = _NEWLINE
        parts.append(codes)
        left -= len(codes)
        if left <= 0:
            break
    return np.concatenate(parts)


@dataclass(frozen=True)
class Alphabet:
    """names: of the symbols, by number: <unk>, <s>, </s>, then characters in the order of their code points."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, codes: Codes) -> "Alphabet":
        """The characters that stand RARE times or more; control characters and surrogates are unknown."""
        counts = np.bincount(codes, minlength=_ALL)
        counts[:0x20] = counts[0x7F:0xA0] = counts[0xD800:0xE000] = 0
        return cls(NAMES + tuple(map(chr, np.flatnonzero(counts >= RARE).tolist())))

    def encode(self, codes: Codes, lead: int) -> Symbols:
        """Symbols of all lines (each ended by a newline) end to end, each led by `lead` <s> and ended by </s>."""
        table = np.zeros(_ALL, dtype=np.uint32)
        table[[ord(name) for name in self.names[len(NAMES) :]]] = np.arange(len(NAMES), len(self.names))
        table[_NEWLINE] = END
        ends = np.flatnonzero(codes == _NEWLINE)
        lengths = np.full(2 * len(ends), lead)
        lengths[1::2] = np.diff(ends, prepend=-1)
        is_text = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
        symbols = np.full(len(is_text), BEGIN, dtype=np.uint32)
        symbols[is_text] = table[codes]
        return symbols
