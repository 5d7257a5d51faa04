"""Learning pieces for a language in English's own letters, which stand beside the base's and hardly touch English.

Words are cut as the base cuts them, each piece that comes out is one symbol, and BPE (Sennrich et al. 2016) goes on
from there, in words of both languages at once. A merge is taken in order of the tokens that it saves in the language,
and left out when the English tokens that it would change are more than may still change.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lilm.train.tokenizer.english import FEW, room

RAREST = 2  # times that a merge must stand in the text
GUEST = 0.1
"""A merge that changes more than so many times its share of the language's tokens in English is a word of English's
own, a name or a term: without it the language loses next to nothing, and ten times fewer English tokens change."""
SPACES = "▁Ġ"  # before a word, as the two kinds of vocabularies write it
CAUTION = (0.0, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)
"""Times that a name in plain letters is taken to stand in English beside those that were seen there: the first one is
used with which other English, which was not learnt from, stays within the bound."""
UNSEEN = 4  # every so many documents of English are that other English


@dataclass(frozen=True)
class Text:
    """Words of one language. cut: each as the base cuts it. counts: how often each stands in the text."""

    cut: Mapping[str, Sequence[str]]
    counts: Mapping[str, int]

    def tokens(self) -> int:
        return sum(len(symbols) * self.counts[word] for word, symbols in self.cut.items())


@dataclass(frozen=True)
class Beside:
    """names: new ones, in the order learnt. merges: of two names each, best first; some make what the base has.
    left_out: merges that English had no room for. english_changed: of the base's tokens in the English text."""

    names: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]
    left_out: int
    english_changed: int


@dataclass(frozen=True)
class Wish:
    """What may be learnt. pieces: how many. may_be: whether a piece may have this name. share: of the English tokens,
    how many may change; spent: of them, how many do already."""

    pieces: int
    may_be: Callable[[str], bool]
    share: float
    spent: int = 0


def apart(english: Sequence[str]) -> tuple[list[str], list[str]]:
    """(documents that are learnt from, those that then tell whether others stay as they are)."""
    return [text for at, text in enumerate(english, 1) if at % UNSEEN], list(english[UNSEEN - 1 :: UNSEEN])


class _Words:
    """Words as lists of symbols, and for each name that two neighbours would make how often and where they stand."""

    def __init__(self, text: Text) -> None:
        words = sorted(word for word, symbols in text.cut.items() if len(symbols) > 1)
        self.symbols = [list(text.cut[word]) for word in words]
        self._counts = [text.counts[word] for word in words]
        self.often: Counter[str] = Counter()
        self._where: defaultdict[str, set[int]] = defaultdict(set)
        for index in range(len(words)):
            self._count(index, 1)

    def _count(self, index: int, sign: int) -> set[str]:
        symbols = self.symbols[index]
        names = [left + right for left, right in pairwise(symbols)]
        for name in names:
            self.often[name] += sign * self._counts[index]
            if sign > 0:
                self._where[name].add(index)
        return set(names)

    def pairs(self, name: str) -> Counter[tuple[str, str]]:
        """How often each pair of neighbours stands that would make `name`."""
        found: Counter[tuple[str, str]] = Counter()
        for index in sorted(self._where.get(name, ())):
            symbols = self.symbols[index]
            for pair in pairwise(symbols):
                if pair[0] + pair[1] == name:
                    found[pair] += self._counts[index]
        return found

    def merge(self, name: str) -> set[str]:
        """Makes one symbol of all neighbours that make `name`, from the left; answers the names that stand more often
        now, or for the first time."""
        new: set[str] = set()
        for index in sorted(self._where.pop(name, ())):
            before = self._count(index, -1)
            old, made = self.symbols[index], []
            at = 0
            while at < len(old):
                if at + 1 < len(old) and old[at] + old[at + 1] == name:
                    made.append(name)
                    at += 2
                else:
                    made.append(old[at])
                    at += 1
            self.symbols[index] = made
            new |= self._count(index, 1) - before
        return new


def learn_beside(language: Text, english: Text, unseen: Text, have: frozenset[str], wish: Wish) -> Beside:
    """Learn at most `wish.pieces` names that are not in `have`, the base's; fewer when the text has no more to give.

    english, unseen: what `apart` answers, of which the second decides how cautious it is.
    """
    most = max(FEW // 2, room(wish.share, unseen.tokens()))
    for caution in CAUTION:
        found, changed = _learn(language, english, unseen, have, wish, caution)
        if changed <= most:
            break
    return found


def _learn(
    language: Text, english: Text, unseen: Text, have: frozenset[str], wish: Wish, caution: float
) -> tuple[Beside, int]:
    """(what is learnt, tokens of `unseen` that it changes)."""
    words, seen, other = _Words(language), _Words(english), _Words(unseen)
    tokens, most = language.tokens() / max(1, english.tokens()), room(wish.share, english.tokens())
    names: dict[str, None] = {}
    merges: list[tuple[str, str]] = []
    taken: set[str] = set()
    refused: set[str] = set()
    changed, changed_unseen = wish.spent, 0

    def changes(pairs: Counter[tuple[str, str]]) -> int:
        return sum(count * sum(side not in taken for side in pair) for pair, count in pairs.items())

    waiting = [(-count, name) for name, count in words.often.items() if count >= RAREST and wish.may_be(name)]
    heapq.heapify(waiting)
    while waiting and len(names) < wish.pieces:
        negative, name = heapq.heappop(waiting)
        if name in refused or words.often[name] < RAREST:
            continue
        if words.often[name] != -negative:
            heapq.heappush(waiting, (-words.often[name], name))
            continue
        pairs = seen.pairs(name)
        change = changes(pairs)
        expected = change + (caution if name.lstrip(SPACES).isascii() else 0)
        if expected * tokens > GUEST * words.often[name] or changed + change > most:
            refused.add(name)
            continue
        changed += change
        changed_unseen += changes(other.pairs(name))
        both = words.pairs(name) + pairs
        merges += sorted(both, key=lambda pair: (-both[pair], pair))
        taken.add(name)
        if name not in have:
            names[name] = None
        for found in words.merge(name):
            if words.often[found] >= RAREST and wish.may_be(found):
                heapq.heappush(waiting, (-words.often[found], found))
        seen.merge(name)
        other.merge(name)
    return Beside(tuple(names), tuple(merges), len(refused), changed), changed_unseen
