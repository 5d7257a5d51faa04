"""n-grams of symbols and their adjusted counts, by sorting all places of the text.

Places are sorted by the n-gram that ends there, its last symbol first. So all n-grams with a common ending stand
together, and those of every lower order are runs of one list (the suffix order of Heafield et al. 2013, "Scalable
Modified Kneser-Ney Language Model Estimation").
"""

from dataclasses import dataclass

import numpy as np

from lilm.train.corpus.ngrams import Hashes
from lilm.train.corpus.score.symbols import BEGIN, UNKNOWN, Symbols

Counts = np.ndarray[tuple[int], np.dtype[np.int64]]
Indices = np.ndarray[tuple[int], np.dtype[np.int32]]
Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True)
class Ngrams:
    """The n-grams of one order n that the model keeps, each once, [kept]. Those of n = 1 are all symbols in order.

    last: where in the text it ends, for one of its places (n = 1: empty).
    adjusted: its adjusted count: how many different symbols stand before it; for the highest order and for what
        begins with <s>, how often it stands; for <s> and <unk> alone 0.
    context, suffix: what it is without its last, its first symbol, as an index of order n - 1.
    total, lost: sums of adjusted counts by context, [kept of order n - 1]: of all that follow it, of those not kept.
    frequencies: how many n-grams, kept or not, have the adjusted counts 1, 2, 3 and 4.
    """

    last: Indices
    adjusted: Indices
    context: Indices
    suffix: Indices
    total: Counts
    lost: Counts
    frequencies: tuple[int, int, int, int]


def count_ngrams(symbols: Symbols, size: int, order: int, prune: int) -> list[Ngrams]:
    """Tables of the orders 1 … `order`, which is 2 at least. Takes about 45 bytes a symbol.

    symbols: lines, each led by `order` - 1 <s>. size: of the alphabet. prune: n-grams of three and more symbols that
    stand so often or less are not kept (lmplz --prune 0 0 `prune`), nor is any n-gram that holds <unk>.
    """
    suffixes = _Suffixes(symbols, size, order)
    tables = [suffixes.unigrams(size)]
    index: Indices = np.arange(size, dtype=np.int32)
    for n in range(2, order + 1):
        table, index = suffixes.ngrams(n, prune, index, len(tables[-1].adjusted))
        tables.append(table)
    return tables


class _Suffixes:
    """The distinct n-grams of the highest order, sorted by last symbol, then last but one, …

    last: where one ends. stands: how often it stands. entry: place in the text -> n-gram that ends there.
    depth: order from which on it differs from the one before. begin, unknown: how far from its end the nearest
    <s>, <unk> is; the order if there is none. An n-gram with <s> behind its first symbol is none.
    """

    def __init__(self, symbols: Symbols, size: int, order: int) -> None:
        self.symbols, self.order = symbols, order
        sorting, new = _sort(_keys(symbols, size, order))
        self.entry: Indices = np.empty(len(symbols), dtype=np.int32)
        self.entry[sorting] = _numbers(new)
        starts = np.flatnonzero(new)
        self.last: Indices = sorting[starts].astype(np.int32)
        del sorting, new
        self.stands: Indices = np.diff(starts, append=len(symbols)).astype(np.int32)
        self.depth, self.begin, self.unknown = (np.full(len(starts), order, dtype=np.uint8) for _ in range(3))
        for back in range(order - 1, -1, -1):
            symbol = symbols[np.maximum(self.last - back, 0)]  # the text begins with <s>, and so does what is before
            self.depth[1:][symbol[1:] != symbol[:-1]] = back + 1
            self.begin[symbol == BEGIN] = back
            self.unknown[symbol == UNKNOWN] = back
        self.depth[0] = 1

    def unigrams(self, size: int) -> Ngrams:
        starts = np.flatnonzero(self.depth == 1)
        counts = np.zeros(size, dtype=np.int32)
        counts[self.symbols[self.last[starts]]] = np.add.reduceat(self.depth <= 2, starts, dtype=np.int32)
        counts[BEGIN] = 0
        adjusted = counts.copy()
        adjusted[UNKNOWN] = 0
        one = np.zeros(size, dtype=np.int32)  # all have the same context and suffix: nothing
        total, lost = (_sums(one, some, 1) for some in (counts, counts - adjusted))
        return Ngrams(np.empty(0, dtype=np.int32), adjusted, one, one, total, lost, _frequencies(counts))

    def ngrams(self, n: int, prune: int, index: Indices, contexts: int) -> tuple[Ngrams, Indices]:
        """The table of order `n` and the index in it of each run of order `n`, -1 for what is not kept.

        index, contexts: the same of order `n` - 1, and the size of its table.
        """
        starts = np.flatnonzero(self.depth <= n)
        last, begin = self.last[starts], self.begin[starts]
        stands = np.add.reduceat(self.stands, starts, dtype=np.int32)
        kept = (begin >= n - 1) & (self.unknown[starts] >= n)
        if n > 2:
            kept &= stands > prune
        adjusted = stands
        if n < self.order:
            before = np.add.reduceat(self.depth <= n + 1, starts, dtype=np.int32)
            adjusted = np.where(begin == n - 1, stands, before)
        adjusted[begin < n - 1] = 0
        suffix, context = self._links(n, index, starts, last)
        del starts, begin, stands
        total, lost = (_sums(context, np.where(which, adjusted, 0), contexts) for which in (True, ~kept))
        table = Ngrams(last[kept], adjusted[kept], context[kept], suffix[kept], total, lost, _frequencies(adjusted))
        return table, np.where(kept, _numbers(kept), np.int32(-1))

    def _links(self, n: int, index: Indices, starts: Counts, last: Indices) -> tuple[Indices, Indices]:
        """Suffix and context of the n-grams that begin runs at `starts` and end at `last`."""
        if n == 2:
            return self.symbols[last].astype(np.int32), self.symbols[last - 1].astype(np.int32)
        lower = index[_numbers(self.depth <= n - 1)]
        return lower[starts], lower[self.entry[last - 1]]


def _numbers(new: Mask) -> Indices:
    """0, 1, 2, … from each True to the next."""
    numbers = np.cumsum(new, dtype=np.int32)
    numbers -= np.int32(1)
    return numbers


def _sums(context: Indices, counts: Indices, contexts: int) -> Counts:
    """Sums of counts by context; -1 is a context that is not kept."""
    return np.bincount(context + 1, counts, contexts + 1)[1:].astype(np.int64)


def _frequencies(adjusted: Indices) -> tuple[int, int, int, int]:
    _, n1, n2, n3, n4, _ = np.bincount(np.minimum(adjusted, 5), minlength=6).tolist()
    return n1, n2, n3, n4


def _keys(symbols: Symbols, size: int, order: int) -> Hashes:
    """Returns for each place a number that sorts as the n-gram that ends there, read from its end."""
    width = (size - 1).bit_length()
    keys, used = np.zeros(len(symbols), dtype=np.uint64), 0
    for back in range(order):
        if used + width > 64:  # the rank among the distinct ones sorts the same in fewer bits
            sorting, new = _sort(keys)
            keys[sorting] = np.cumsum(new, dtype=np.uint32)
            used = int(np.count_nonzero(new)).bit_length()
        keys <<= np.uint64(width)
        keys[back:] |= symbols[: len(symbols) - back]
        keys[:back] |= np.uint64(BEGIN)
        used += width
    return keys


def _sort(keys: Hashes) -> tuple[Counts, Mask]:
    """(indices that sort the keys, where in sorted order a new key begins); sorts the keys in place, too."""
    sorting = np.argsort(keys)
    keys.sort()
    new = np.ones(len(keys), dtype=bool)
    np.not_equal(keys[1:], keys[:-1], out=new[1:])
    return sorting, new
