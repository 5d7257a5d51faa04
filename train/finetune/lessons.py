"""All chats of a recipe as token ids: those to learn, and those that are kept apart."""

from dataclasses import dataclass
from typing import Any

from lilm.chat.tokens import ChatVocabulary
from lilm.chat.turns import Turns
from lilm.pipeline.stage import Context
from lilm.recipe import FinetuneConfig
from lilm.report.units import count, size
from lilm.train.finetune.cutting import CutChats
from lilm.train.finetune.gather import gather_chats
from lilm.train.finetune.heldout import HeldOutAnswers, ReadChat, Split, conversations, keep_apart, some_of


@dataclass(frozen=True)
class Lessons:
    """report: what was found, cut and left out, see `gather_chats` and `CutChats`. measured: None where nothing is held
    out."""

    split: Split
    report: dict[str, Any]
    measured: HeldOutAnswers | None


def read_lessons(
    config: FinetuneConfig, turns: Turns, vocabulary: ChatVocabulary, window: int, context: Context
) -> Lessons:
    """Says what is left out and what is held out. Raises LilmError for what is wrong in a source."""
    gathered = gather_chats(config, turns, context)
    sources = {source.name: number for number, source in enumerate(config.sources)}
    cut = CutChats()
    chats = [
        ReadChat(part.messages, part.tokens, sources[part.source], conversation)
        for chat, conversation in zip(gathered.chats, conversations(gathered.chats), strict=True)
        for part in cut.add(chat, turns, vocabulary, window)
    ]
    for line in cut.told(window):
        context.reporter.say(f"  {line}")
    split = keep_apart(chats, config.heldout, window)
    measured = HeldOutAnswers(some_of(split.heldout, config.eval_bytes), context.reporter) if split.heldout else None
    if measured is not None:
        parts = f"{count(len(split.heldout))} of {count(len(chats))} chats"
        context.reporter.say(f"  held out: {parts}; measured are {size(measured.n_bytes)} of their answers")
    elif config.heldout:
        context.reporter.say("  nothing is held out: there are too few chats, or they all begin alike")
    report = {"chats": len(gathered.chats), **cut.figures(), **gathered.report}
    return Lessons(split, report, measured)
