"""Learning pieces: SentencePiece over the language's own characters, and a Llama-like model for a scratch base."""

import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.recipe import TokenizerConfig
from lilm.train.tokenizer.scripts import count_characters, learnable_counts
from lilm.vocabulary.sentencepiece import BYTE, NORMAL, empty_proto

SPACE = "▁"
MAX_SENTENCE_BYTES = 1 << 16  # SentencePiece skips longer sentences without a word
MAX_RUN = 4_000  # characters of one training sentence
CHARACTER_SHARE = 0.5
SPARE = {"bpe": 0.1, "unigram": 0.5}  # share of pieces learnt beside those wanted, as merges will not reach all


@dataclass(frozen=True)
class Learnt:
    """pieces: longer ones first, in the order learnt (bpe) or likeliest first (unigram), then single characters, most
    frequent first.

    characters: the single ones. skipped: characters left to byte fallback by coverage, and their share of
    the learnable text.
    """

    pieces: tuple[str, ...]
    characters: frozenset[str]
    skipped: int
    skipped_share: float

    @classmethod
    def nothing(cls) -> "Learnt":
        """Returns what stands for a merged vocabulary that is the base's own."""
        return cls((), frozenset(), 0, 0.0)


def _train(sentences: Iterator[str], **settings: Any) -> Any:
    """The trained ModelProto. One thread: the order of counting is part of the result."""
    import sentencepiece

    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=sentences,
        model_writer=out,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        split_digits=True,
        hard_vocab_limit=False,
        max_sentence_length=MAX_SENTENCE_BYTES,
        num_threads=1,
        minloglevel=2,
        **settings,
    )
    proto = empty_proto()
    proto.ParseFromString(out.getvalue())
    return proto


def covered_characters(counts: Counter[str], coverage: float, known: frozenset[str], most: int) -> list[str]:
    """The most frequent characters until they make up `coverage` of the text, at most `most` not in `known`."""
    total, seen, new = counts.total(), 0, 0
    covered = []
    for char, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if seen >= coverage * total or (char not in known and new >= most):
            break
        covered.append(char)
        seen += count
        new += char not in known
    return covered


def runs(texts: Iterable[str], characters: Iterable[str]) -> Iterator[str]:
    """Stretches of text made of `characters` only; single spaces between or before them stay.

    >>> list(runs(["日本 語 in English、です"], "日本語、です"))
    ['日本 語', '、です']
    """
    allowed = "".join(sorted(characters))
    if not allowed:
        return  # as where each character of a byte-level base would need a piece that English may hold
    one = f"[{re.escape(allowed)}]"
    pattern = re.compile(f"(?: ?{one}){{1,{MAX_RUN}}}")
    for text in texts:
        yield from pattern.findall(text)


def train_sentencepiece(
    texts: Sequence[str], config: TokenizerConfig, known: frozenset[str], language: str = "ja"
) -> Learnt:
    """Learn about `config.pieces` pieces that are not in `known` (the base's), more when some may prove unreachable.

    texts: documents to learn from, newlines allowed. Fewer pieces come back when the text has no more to give.
    New pieces hold characters of the language's own scripts only, so SentencePiece sees nothing else; it puts
    no ▁ before a line, which Japanese does not write. Byte fallback has no effect on what is learnt and is
    left to the merged model. BPE (Sennrich et al. 2016) or Unigram (Kudo 2018), as `config.model_type` says.
    Raises LilmError when the text has none of those characters.
    """
    counts = learnable_counts(count_characters(texts), language)
    most = max(1, int(config.pieces * CHARACTER_SHARE))
    characters = covered_characters(counts, config.character_coverage, known, most)
    overlap = sum(1 for piece in known if set(piece) - {SPACE} <= set(characters))
    spare = 64 + int(config.pieces * SPARE[config.model_type])
    proto = _train(
        runs(texts, characters),
        model_type=config.model_type,
        vocab_size=len(characters) + config.pieces + overlap + spare,
        character_coverage=1.0,
        split_by_unicode_script=config.split_by_unicode_script,
        max_sentencepiece_length=config.max_piece_length,
        add_dummy_prefix=False,
    )
    found = [piece.piece for piece in proto.pieces if piece.type == NORMAL and piece.piece != SPACE]
    pieces = tuple(sorted(found, key=lambda piece: len(piece) == 1))  # Unigram has characters among the others
    lost = counts.total() - sum(counts[char] for char in characters)
    return Learnt(pieces, frozenset(characters), len(counts) - len(characters), lost / counts.total())


def train_base_tokenizer(texts: Iterable[str], vocab_size: int, out: Path) -> None:
    """Write `out` (tokenizer.model): a SentencePiece BPE of exactly `vocab_size` pieces with Llama's settings.

    Ids 0, 1, 2 are <unk>, <s>, </s>, then 256 bytes; identity normalisation, ▁ before the first word, digits
    split. Raises LilmError when the text has too little for that many pieces.
    """
    lines = (line[i : i + MAX_RUN] for text in texts for line in text.split("\n") for i in range(0, len(line), MAX_RUN))
    try:
        proto = _train(
            lines,
            model_type="bpe",
            vocab_size=vocab_size,
            character_coverage=0.99995,
            byte_fallback=True,
            add_dummy_prefix=True,
            allow_whitespace_only_pieces=True,
            unk_surface=" \u2047 ",
        )
    except RuntimeError as error:
        raise LilmError(
            f"cannot learn {vocab_size} pieces from the base's text ({error})",
            where="base.scratch.vocab_size",
            remedy="give more text or another size",
        ) from error
    got = len(proto.pieces)
    if got != vocab_size:
        raise LilmError(
            f"the base's text has enough for {got} pieces, not {vocab_size}",
            where="base.scratch.vocab_size",
            remedy=f"give more text, or set it to {got} or less",
        )
    if sum(piece.type == BYTE for piece in proto.pieces) != 256:
        raise RuntimeError("SentencePiece made a model without its 256 byte pieces")
    out.write_bytes(proto.SerializeToString(deterministic=True))
