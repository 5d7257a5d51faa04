"""What a document must be like to be kept: small rules, each answering (keep, reason)."""

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lilm.recipe import CorpusConfig
from lilm.train.corpus.ngrams import Codes, code_points, ngram_hashes

REPEATED = 10  # characters of the n-gram of the repetition rule
EXCERPT = 16_384  # bytes that the compression rule looks at
LEVEL_6_GAIN = 0.7  # zlib's level 6 makes of level 1's size not less (0.77 at least on 4,000 real texts)
FEW = 3  # an n-gram that stands less often is no repetition: a name may stand twice in a short text


class Subject:
    """A text and what several rules want to know of it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.codes: Codes = code_points(text)


Rule = Callable[[Subject, CorpusConfig], tuple[bool, str]]


@dataclass(frozen=True)
class NamedRule:
    name: str
    rule: Rule
    languages: frozenset[str] | None = None  # None: all


def min_chars(subject: Subject, config: CorpusConfig) -> tuple[bool, str]:
    return len(subject.text) >= config.min_chars, f"{len(subject.text)} characters < {config.min_chars}"


def hiragana(subject: Subject, config: CorpusConfig) -> tuple[bool, str]:
    """Swallow's rule: too little hiragana is no Japanese prose (lists, Chinese, Latin text)."""
    share = _share(subject.codes, 0x3041, 0x309F)
    return share >= config.min_hiragana, f"{share:.2f} of the characters < {config.min_hiragana}"


def katakana(subject: Subject, config: CorpusConfig) -> tuple[bool, str]:
    """Swallow's rule: advertisements and lists of products."""
    share = _share(subject.codes, 0x30A0, 0x30FF)
    return share <= config.max_katakana, f"{share:.2f} of the characters > {config.max_katakana}"


def duplicate_lines(subject: Subject, config: CorpusConfig) -> tuple[bool, str]:
    """Share of characters in lines that stood before (Gopher's duplicate-line character fraction)."""
    lines = [line for line in (line.strip() for line in subject.text.split("\n")) if line]
    total = sum(map(len, lines))
    repeated = total - sum(map(len, set(lines)))
    share = repeated / max(1, total)
    return share <= config.max_duplicate_lines, f"{share:.2f} in repeated lines > {config.max_duplicate_lines}"


def repetition(subject: Subject, config: CorpusConfig) -> tuple[bool, str]:
    """Share of characters inside the most frequent 10-gram, if it stands three times or more."""
    share = top_ngram_share(subject.codes, config.max_repetition)
    return share <= config.max_repetition, f"{share:.2f} in one {REPEATED}-gram > {config.max_repetition}"


def compression(subject: Subject, config: CorpusConfig) -> tuple[bool, str]:
    """llm-jp's rule: zlib (level 6) makes repetitive text very small."""
    data = _excerpt(subject.text.encode("utf-8", errors="surrogatepass"))
    ratio = len(zlib.compress(data, 1)) / max(1, len(data))
    if ratio * LEVEL_6_GAIN < config.min_compression:  # only near the limit is the slow level run
        ratio = len(zlib.compress(data, 6)) / max(1, len(data))
    return ratio >= config.min_compression, f"zlib ratio {ratio:.2f} < {config.min_compression}"


def _excerpt(data: bytes) -> bytes:
    """Beginning, middle and end of long data: the ratio falls with length, and the limit was set on web pages."""
    if len(data) <= EXCERPT:
        return data
    third, middle = EXCERPT // 3, len(data) // 2
    return data[:third] + data[middle - third // 2 : middle + third // 2] + data[-third:]


RULES: tuple[NamedRule, ...] = (
    NamedRule("min_chars", min_chars),
    NamedRule("hiragana", hiragana, frozenset({"ja"})),
    NamedRule("katakana", katakana, frozenset({"ja"})),
    NamedRule("duplicate_lines", duplicate_lines),
    NamedRule("repetition", repetition),
    NamedRule("compression", compression),
)


def refused_by(text: str, lang: str, config: CorpusConfig) -> tuple[str, str] | None:
    """(rule, reason) of the first rule that refuses the text, or None when it is kept."""
    subject = Subject(text)
    for named in RULES:
        if named.languages is None or lang in named.languages:
            keep, reason = named.rule(subject, config)
            if not keep:
                return named.name, reason
    return None


def _share(codes: Codes, first: int, last: int) -> float:
    """Share of code points in [first, last] among those that are not white space."""
    visible = int(np.count_nonzero(codes > 0x20))
    return int(np.count_nonzero((codes >= first) & (codes <= last))) / max(1, visible)


def top_ngram_share(codes: Codes, limit: float) -> float:
    """Share of characters that the most frequent 10-gram covers, or 0 when it is surely not above `limit`."""
    if len(codes) < REPEATED:
        return 0.0
    hashes = ngram_hashes(codes, REPEATED)
    # Counting in buckets is cheap and never counts too low: most texts are done here.
    bits = max(8, len(hashes).bit_length() + 2)
    top = int(np.bincount((hashes >> np.uint64(64 - bits)).astype(np.int64)).max())
    if top < FEW or top * REPEATED <= limit * len(codes):
        return 0.0
    values, counts = np.unique(hashes, return_counts=True)
    best = int(counts.max())
    if best < FEW:
        return 0.0
    shares = []
    for value in values[counts == best][:REPEATED]:  # those of one phrase stand equally often
        at = np.flatnonzero(hashes == value)
        shares.append(int(np.minimum(np.diff(at), REPEATED).sum()) + REPEATED)
    return max(shares) / len(codes)


_SPACE = re.compile(r"\s+")


def sample(text: str, size: int = 200) -> str:
    """The beginning of a text on one line, for reports."""
    return _SPACE.sub(" ", text[: size * 2])[:size]
