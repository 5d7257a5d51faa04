"""Learning pieces for a byte-level BPE: characters first, then BPE that goes on where the base's merges end.

Text is cut as the base cuts it, by its own pre-tokenizer and merges, and each piece that comes out is one symbol for
the trainer (Sennrich et al. 2016). So each merge that is learnt has its place after all of the base's, and is reached.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lilm.errors import LilmError
from lilm.recipe import TokenizerConfig
from lilm.train.tokenizer.byte_characters import EnglishBytes, Merge, character_merges
from lilm.train.tokenizer.scripts import count_characters, learnable_pattern
from lilm.train.tokenizer.train import CHARACTER_SHARE, covered_characters, runs
from lilm.vocabulary.byte_level import ByteLevel, bare_model, piece_bytes, written

FIRST_SYMBOL = 0x10000  # a plane without spaces; there is room for a million symbols
RAREST = 2  # times that a merge must stand in the text
SPARE = (
    0.1,
    1.0,
    3.0,
)  # share of merges learnt beside those wanted, as some lead nowhere; the next where it was too few
BATCH = 1000  # runs cut at once


@dataclass(frozen=True)
class ByteLearnt:
    """pieces: new names in the order of their merges, parts of characters and characters first; bytes that the base
    lacks are not among them. merges: all new ones, best first; some make what the base has. characters: whole ones
    among the pieces. skipped: characters left to bytes by coverage, and their share of the learnable text."""

    pieces: tuple[str, ...]
    merges: tuple[Merge, ...]
    characters: int
    skipped: int
    skipped_share: float

    @classmethod
    def nothing(cls) -> "ByteLearnt":
        """Returns what stands for a merged vocabulary that is the base's own."""
        return cls((), (), 0, 0, 0.0)


def check_config(config: TokenizerConfig) -> None:
    """Raises LilmError for keys that only SentencePiece knows."""
    if config.model_type != "bpe":
        raise LilmError(
            f"the base's tokenizer is a byte-level BPE, which {config.model_type!r} cannot add to",
            where="tokenizer.model_type",
            remedy='leave it out, or set it to "bpe"',
        )
    if config.split_by_unicode_script:
        raise LilmError(
            "the base's tokenizer is a byte-level BPE, whose own pre-tokenizer splits text",
            where="tokenizer.split_by_unicode_script",
            remedy="leave it out",
        )


def learn_byte_level(
    texts: Sequence[str], config: TokenizerConfig, base: ByteLevel, pre_tokenizer: Any, language: str = "ja"
) -> ByteLearnt:
    """Learn about `config.pieces` pieces that `base` has not; fewer when the text has no more to give.

    texts: documents, newlines allowed. pre_tokenizer: the base's, of `tokenizers`. New pieces hold characters of the
    language's own scripts, or are parts of such. Raises LilmError when the text has none of those characters.
    """
    every = count_characters(texts)
    pattern = learnable_pattern(every, language)
    counts = Counter({char: count for char, count in every.items() if pattern.match(char)})
    old = (*base.names, *base.missing)
    model = bare_model(base.merges, old)
    known = frozenset(char for char in counts if len(model.tokenize(written(char))) == 1)
    most = max(1, int(config.pieces * CHARACTER_SHARE))
    characters = covered_characters(counts, config.character_coverage, known, most)
    new = [char for char in characters if char not in known]
    english = EnglishBytes.beside(pattern)
    pieces, merges, lost = character_merges(new, model, english)
    characters = [char for char in characters if char not in set(lost)]
    made = sum(_whole(name) is not None for name in pieces)

    model = bare_model([*base.merges, *merges], [*old, *pieces])
    words = _words(runs(texts, characters), pre_tokenizer)
    allowed = Allowed(pattern, english, config.max_piece_length)
    for merge in _merges(words, model, config, {*old, *pieces}, allowed, config.pieces - len(pieces)):
        merges[merge] = None
        if model.token_to_id("".join(merge)) is None:
            pieces["".join(merge)] = None
    missing = counts.total() - sum(counts[char] for char in characters)
    return ByteLearnt(
        tuple(pieces),
        tuple(merges),
        characters=made,
        skipped=len(counts) - len(characters),
        skipped_share=missing / counts.total(),
    )


def _words(stretches: Iterable[str], pre_tokenizer: Any) -> Counter[str]:
    """How often each word stands in the text, written in the byte alphabet."""
    words: Counter[str] = Counter()
    for stretch in stretches:
        words.update(word for word, _ in pre_tokenizer.pre_tokenize_str(stretch))
    return words


def _merges(
    words: Counter[str], model: Any, config: TokenizerConfig, have: set[str], allowed: "Allowed", wanted: int
) -> list[Merge]:
    """Merges that make `wanted` new pieces; fewer when the text has no more. The first syllable of a Korean word, of
    which the base has the space and a byte as one piece, needs two."""
    for spare in SPARE:
        most = int(config.pieces * (1 + spare)) + 64
        learnt = _train(words, model, config, most)
        found = _useful(learnt, have, allowed, wanted)
        if len({"".join(merge) for merge in found} - have) >= wanted or len(learnt) < most // 2:
            break
    return found


def _train(words: Counter[str], model: Any, config: TokenizerConfig, most: int) -> list[Merge]:
    """At most `most` merges of pieces that `model` leaves apart, most frequent first."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    cut = {word: [token.value for token in model.tokenize(word)] for word in sorted(words)}
    names = sorted({name for parts in cut.values() for name in parts})
    symbol = {name: chr(FIRST_SYMBOL + index) for index, name in enumerate(names)}

    def lines() -> Iterator[str]:
        for word, parts in cut.items():
            yield f"{''.join(symbol[name] for name in parts)} " * words[word]

    trainer = trainers.BpeTrainer(
        vocab_size=len(names) + most,
        min_frequency=RAREST,
        max_token_length=config.max_piece_length,
        show_progress=False,
    )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.train_from_iterator(lines(), trainer)
    found = json.loads(tokenizer.to_str())["model"]["merges"]

    def spelt(symbols: str) -> str:
        return "".join(names[ord(one) - FIRST_SYMBOL] for one in symbols)

    return list(dict.fromkeys((spelt(left), spelt(right)) for left, right in found))


_BEGINNING = re.compile(rb" ?([\xc2-\xf4][\x80-\xbf]*)")


@dataclass(frozen=True)
class Allowed:
    """Which pieces may be made. pattern: of characters that new pieces may hold. longest: characters of one."""

    pattern: Any
    english: EnglishBytes
    longest: int

    def holds(self, name: str) -> bool:
        """Whether English cannot hold it, and it is not too long. The beginning of a character may stand behind a
        space, where no character of English begins so."""
        data = piece_bytes(name)
        if self.pattern.search(data.decode(errors="ignore")):
            return len(_whole(name) or "") <= self.longest
        begins = _BEGINNING.fullmatch(data)
        return begins is not None and len(begins[1]) > 1 and not self.english.may_hold(begins[1])


def _useful(learnt: Sequence[Merge], have: set[str], allowed: Allowed, wanted: int) -> list[Merge]:
    """The merges, in order, that make at most `wanted` new pieces, of whole characters where they can be.

    have: names that there are before. A piece with a part of a character (as the base may have them across characters)
    comes in only with the first one of whole characters that is made of it.
    """
    have = set(have)
    waiting: dict[str, list[int]] = {}
    taken: set[int] = set()

    def needed(name: str) -> set[int] | None:
        """Merges to take first for `name` to be there; None when none lead to it."""
        if name in have:
            return set()
        found: set[int] = set()
        for index in waiting.get(name, ()):
            sides = [needed(side) for side in learnt[index]]
            if all(side is not None for side in sides):
                found = found.union({index}, *[side for side in sides if side])
        return found or None

    for index, merge in enumerate(learnt):
        name = "".join(merge)
        text = _whole(name)
        if not allowed.holds(name):
            continue
        if text is None:
            waiting.setdefault(name, []).append(index)
            continue
        before = [needed(side) for side in merge]
        if any(one is None for one in before):
            continue
        group = {index}.union(*[one for one in before if one])
        new = {"".join(learnt[one]) for one in group} - have
        if len(new) > wanted:
            continue
        wanted -= len(new)
        have |= new
        taken |= group
    return [learnt[index] for index in sorted(taken)]


def _whole(name: str) -> str | None:
    """The text of a name, or None where it has part of a character."""
    try:
        return piece_bytes(name).decode()
    except UnicodeDecodeError:
        return None
