"""All chats of a recipe as token ids: those to learn, and those that are kept apart."""

from collections import Counter
from dataclasses import dataclass

from lilm.chat.tokens import ChatVocabulary
from lilm.chat.turns import Turns
from lilm.pipeline.stage import Context
from lilm.recipe import FinetuneConfig
from lilm.report.units import count, size
from lilm.train.finetune.heldout import HeldOutAnswers, ReadChat, Split, keep_apart, some_of
from lilm.train.finetune.masking import tokenise_chat
from lilm.train.finetune.sources import read_chats


@dataclass(frozen=True)
class Lessons:
    """left_out: chats that teach nothing, by what they lack. measured: None where nothing is held out."""

    split: Split
    left_out: dict[str, int]
    measured: HeldOutAnswers | None


def read_lessons(
    config: FinetuneConfig, turns: Turns, vocabulary: ChatVocabulary, window: int, context: Context
) -> Lessons:
    """Says what is left out and what is held out. Raises LilmError for what is wrong in a source."""
    left_out: Counter[str] = Counter()
    chats = [
        ReadChat(chat.messages, tokenise_chat(chat.messages, turns, vocabulary), number)
        for number, source in enumerate(config.sources)
        for chat in read_chats(source, context.language, context.seed, left_out)
    ]
    for what, number in left_out.items():
        context.reporter.say(f"  left out: {number} {what}")
    split = keep_apart(chats, config.heldout, window)
    measured = HeldOutAnswers(some_of(split.heldout, config.eval_bytes), context.reporter) if split.heldout else None
    if measured is not None:
        parts = f"{count(len(split.heldout))} of {count(len(chats))} chats"
        context.reporter.say(f"  held out: {parts}; measured are {size(measured.n_bytes)} of their answers")
    elif config.heldout:
        context.reporter.say("  nothing is held out: there are too few chats, or they all begin alike")
    return Lessons(split, dict(left_out), measured)
