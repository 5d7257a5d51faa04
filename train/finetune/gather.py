"""The chats of all sources, looked at by the checks, and what became of the others."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from lilm.chat.turns import Turns
from lilm.errors import LilmError
from lilm.pipeline.stage import Context
from lilm.recipe import FinetuneConfig
from lilm.train.finetune.checks.run import check_chats
from lilm.train.finetune.messages import Chat, counted
from lilm.train.finetune.sources import open_chats, read_chats


@dataclass(frozen=True)
class Gathered:
    """chats: to learn. report: {"left_out": {what: count}, "forms": {source: form}, "misfits": [file, line and why of
    the first], "checks": figures of `lilm.train.finetune.checks.run`}."""

    chats: list[Chat]
    report: dict[str, Any]


def gather_chats(config: FinetuneConfig, turns: Turns, context: Context) -> Gathered:
    """Says in a line each what was found and what was left out. What LiLM makes itself is not checked.

    turns: of the chat format. Raises LilmError for a source that cannot be used.
    """
    made: list[Chat] = []
    read: list[Chat] = []
    left_out: Counter[str] = Counter()
    report: dict[str, Any] = {"forms": {}, "misfits": []}
    for source in config.sources:
        if source.format == "chats":
            made += read_chats(source, context.language, context.seed)
            continue
        reader = open_chats(source, context.language, turns)
        chats = list(reader)
        read += chats
        left_out.update(reader.left_out)
        report["forms"][source.name] = str(reader.form)
        report["misfits"] += [error.line() for error in reader.bad]
        context.reporter.say(f"  {reader.described()}: {len(chats)} chats of {reader.records} records")
        for error in reader.bad:
            context.reporter.say(f"  does not fit: {error.line()}")
    for line in counted(left_out):
        context.reporter.say(f"  {line}")
    report["left_out"] = dict(left_out)
    if read:
        kept, report["checks"] = check_chats(
            read, config.checks, context.language, context.base_language, context.reporter
        )
        if not kept and not made:
            raise LilmError("no chat is left", where="finetune.checks", remedy='set what dropped them to "keep"')
        return Gathered([*made, *kept], report)
    return Gathered(made, report)
