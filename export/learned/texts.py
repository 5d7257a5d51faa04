"""The text that blocks learn from, and what of it is kept apart to measure with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lilm.errors import LilmError
from lilm.llama.shape import Shape
from lilm.pipeline.stage import Context
from lilm.recipe import LearnedConfig
from lilm.train.finetune.store import open_chats
from lilm.train.pack.packing import PackedSequences
from lilm.train.pack.token_store import TokenStore
from lilm.train.pretrain.inputs import open_sequences
from lilm.train.trainer.batches import Batch, BatchAt, Blend, Sequences, TrainingSequence, mixed, stack

KEPT_TOKENS = 4096  # of each language, for measuring: nothing is learnt from them
KEPT_SHARE = 10  # at most one sequence in so many


@dataclass(frozen=True)
class Stretch:
    """Sequences `begin` to before `end` of the first epoch, over and over."""

    source: Sequences
    begin: int
    end: int

    def sequence(self, index: int) -> TrainingSequence:
        return self.source.sequence(self.begin + index % (self.end - self.begin))


@dataclass(frozen=True)
class Texts:
    """window: tokens of a sequence. kept: to measure with, by language, a sequence each. learnt: text of both
    languages, and count: how many sequences it has before it begins anew. chats: of the model's own, if it learnt any
    and the recipe wants some."""

    window: int
    kept: Mapping[str, Sequence[Batch]]
    learnt: Blend
    count: int
    chats: Sequences | None

    def first(self, tokens: int) -> list[Batch]:
        """So many of them, if there are as many, and what fills the last sequence."""
        return [stack([self.learnt.sequence(index)]) for index in range(min(self.count, -(-tokens // self.window)))]

    def batches(self, config: LearnedConfig) -> BatchAt:
        return mixed(self.learnt, self.chats, config.chats if self.chats else 0.0, config.batch_size)


def open_texts(config: LearnedConfig, source: Path, pack: Path, shape: Shape, context: Context) -> Texts:
    """source: the model's folder; pack: the pack stage's. Raises LilmError for text that is too little or of pieces
    that the model lacks."""
    pieces = TokenStore.vocab_size(pack)
    if pieces > shape.vocab:
        what = f"packed with {pieces} pieces, the model has {shape.vocab} rows"
        raise LilmError(what, where=str(pack), remedy="run the pack stage again")
    window = min(config.sequence_length, shape.context)
    texts = {
        language: open_sequences(pack, language, None, window, context.seed)
        for language in (context.language, context.base_language)
    }
    apart = {language: _apart(sequences, window, language, pack) for language, sequences in texts.items()}
    main, other = (Stretch(texts[language], 0, len(texts[language]) - count) for language, count in apart.items())
    kept = {language: _last(texts[language], count) for language, count in apart.items()}
    store = open_chats(source) if config.chats else None
    chats = None if store is None else PackedSequences(store, window, context.seed)
    return Texts(window, kept, Blend(main, other, config.replay), main.end + other.end, chats)


def _apart(sequences: PackedSequences, window: int, language: str, pack: Path) -> int:
    """How many sequences are kept to measure with."""
    if len(sequences) < 2:
        raise LilmError(
            f"the training text of {language} fills {len(sequences)} sequence of {window} tokens; learning blocks "
            "wants two or more, one of them to measure with",
            where=str(pack),
            remedy="give the corpus more text of that language, or lower sequence_length in export.learned",
        )
    return min(max(1, len(sequences) // KEPT_SHARE), -(-KEPT_TOKENS // window))


def _last(sequences: PackedSequences, count: int) -> list[Batch]:
    chosen = [sequences.sequence(index) for index in range(len(sequences) - count, len(sequences))]
    return [stack([one]) for one in chosen]
