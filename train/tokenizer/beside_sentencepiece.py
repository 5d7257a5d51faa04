"""Pieces in Latin letters for a SentencePiece base: its missing letters first, then merges of what it cuts."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import regex

from lilm.errors import LilmError
from lilm.recipe import TokenizerConfig
from lilm.train.tokenizer.beside import Text, Wish, apart, learn_beside
from lilm.train.tokenizer.english import room
from lilm.train.tokenizer.merge import normal_pieces, with_pieces
from lilm.train.tokenizer.scripts import LATIN_LETTERS, count_characters
from lilm.train.tokenizer.train import CHARACTER_SHARE, MAX_RUN, SPACE, Learnt, covered_characters
from lilm.vocabulary.sentencepiece import processor

SPARE = 0.05  # share of pieces learnt beside those wanted, as merges by score will not reach all


def learn_pieces(
    texts: Sequence[str], english: Sequence[str], config: TokenizerConfig, base: Any, language: str
) -> tuple[Learnt, int]:
    """(about `config.pieces` pieces that `base` has not, how many were left out for English's sake).

    texts, english: documents of both languages, newlines allowed. base: its ModelProto. Raises LilmError when the text
    has no Latin letters, or there is no English.
    """
    counts = Counter({char: n for char, n in count_characters(texts).items() if regex.match(LATIN_LETTERS, char)})
    if not counts:
        raise LilmError(
            f"the text of language {language!r} has no letters", where="tokenizer", remedy="check its sources"
        )
    known = normal_pieces(base)
    most = max(1, int(config.pieces * CHARACTER_SHARE))
    covered = covered_characters(counts, config.character_coverage, known, most)
    learnt_from, others = apart(english)
    seen, unseen = _words(learnt_from), _words(others)
    in_english = count_characters(learnt_from)
    most, spent = room(config.max_english_changed, _cut(base, seen).tokens()), 0
    letters = []
    for char in covered:
        changes = in_english[char] * len(char.encode())
        if char not in known and spent + changes <= most:
            spent += changes
            letters.append(char)

    proto, _ = with_pieces(base, letters)
    name = regex.compile(rf"{SPACE}?{LATIN_LETTERS}{{1,{config.max_piece_length}}}")
    wanted = int(config.pieces * (1 + SPARE)) - len(letters) + 16
    wish = Wish(wanted, lambda text: name.fullmatch(text) is not None, config.max_english_changed, spent)
    texts_cut, seen_cut, unseen_cut = (_cut(proto, words) for words in (_words(texts), seen, unseen))
    found = learn_beside(texts_cut, seen_cut, unseen_cut, known.union(letters), wish)
    have = {char for char in covered if char in known or char in letters}
    lost = counts.total() - sum(counts[char] for char in have)
    learnt = Learnt((*found.names, *letters), frozenset(have), len(counts) - len(have), lost / counts.total())
    return learnt, found.left_out + len(covered) - len(have)


def _words(texts: Iterable[str]) -> Counter[str]:
    """How often each word stands in the text, with ▁ for the space before it, or before its line."""
    words: Counter[str] = Counter()
    for text in texts:
        for line in text.split("\n"):
            words.update(SPACE + word[:MAX_RUN] for word in line.split(" ") if word)
    return words


def _cut(proto: Any, counts: Mapping[str, int]) -> Text:
    words = sorted(counts)
    cut = processor(proto, add_dummy_prefix=False).encode([word.replace(SPACE, " ") for word in words], out_type=str)
    return Text(dict(zip(words, cut, strict=True)), counts)
