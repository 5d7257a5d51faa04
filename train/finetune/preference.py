"""Teaching which of two answers is preferred, and watching what it costs."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lilm.chat.tokens import ChatVocabulary
from lilm.chat.turns import Turns
from lilm.errors import LilmError
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import FinetuneConfig
from lilm.report.units import count
from lilm.train.finetune.checks.run import check_pairs
from lilm.train.finetune.heldout import ReadChat
from lilm.train.finetune.messages import counted
from lilm.train.finetune.pair_loss import PairBatch, PairEngine, PairLoss
from lilm.train.finetune.pairs import PairReader
from lilm.train.finetune.token_pairs import TokenPair, rows, split_pairs, tokenise_pair
from lilm.train.pack.packing import IGNORE
from lilm.train.trainer.batches import BatchAt
from lilm.train.trainer.engine import Engine
from lilm.train.trainer.heldout import BITS
from lilm.train.trainer.measure import Window, text_nats
from lilm.train.trainer.optimizer import adamw
from lilm.train.trainer.rank import current_rank

PREFERRED, IN_ALL, CHOSEN, REJECTED = "preferred", "preferred_in_all", f"{BITS}chosen", f"{BITS}rejected"
DEAR = 0.01  # of the held-out answers' bits per byte; what costs more is told


@dataclass(frozen=True)
class Lesson:
    """report: {"left_out", "misfits": as of `gather_chats`, "checks": of `check_pairs`, "too_long": pairs that fit into
    no window, "repeated": such as ask what a held-out pair asks}."""

    learnt: list[TokenPair]
    heldout: list[TokenPair]
    report: dict[str, Any]


def read_preferences(
    config: FinetuneConfig,
    heldout_chats: Sequence[ReadChat],
    turns: Turns,
    vocabulary: ChatVocabulary,
    window: int,
    context: Context,
) -> Lesson:
    """Says what is left out and held out. Raises LilmError for what is wrong in the file."""
    taught = config.preference
    reader = PairReader(Path(taught.path), taught.max_bad, turns)
    read = list(reader)
    misfits = [error.line() for error in reader.bad]
    for line in (*(f"does not fit: {misfit}" for misfit in misfits), *counted(reader.left_out)):
        context.reporter.say(f"  {line}")
    kept, checks = check_pairs(read, [chat.messages for chat in heldout_chats], config.checks, context.reporter)
    pairs = [tokenise_pair(pair, turns, vocabulary) for pair in kept]
    fitting = [pair for pair in pairs if pair.longest <= window]
    learnt, heldout = split_pairs(fitting, taught.heldout)
    if not learnt:
        raise LilmError(
            f"none of {len(read)} pairs is left to learn: {len(read) - len(kept)} ask what is held out, "
            f"{len(pairs) - len(fitting)} fit into no window",
            where=f"finetune.preference.path {taught.path}",
            remedy="raise finetune.sequence_length, or give more pairs",
        )
    lengths = [
        sum(len(chat[-1]["content"].encode()) for chat in chats) / len(learnt)
        for chats in zip(*((pair.pair.chosen, pair.pair.rejected) for pair in learnt), strict=True)
    ]
    context.reporter.say(
        f"  {count(len(learnt))} pairs to learn, {count(len(heldout))} held out; chosen answers have {lengths[0]:.0f} "
        f"bytes, rejected ones {lengths[1]:.0f}"
    )
    report = {
        "left_out": dict(reader.left_out),
        "misfits": misfits,
        "checks": checks,
        "too_long": len(pairs) - len(fitting),
        "repeated": len(fitting) - len(learnt) - len(heldout),
    }
    return Lesson(learnt, heldout, report)


def answer_nats(model: Any, pairs: Sequence[TokenPair], dtype: str, reporter: Reporter) -> list[tuple[float, float]]:
    """Nats of each pair's (chosen, rejected) answer."""
    chats = [chat for pair in pairs for chat in (pair.chosen, pair.rejected)]
    windows = [Window(number, chat.ids, chat.labels[:-1]) for number, chat in enumerate(chats)]
    with (
        reporter.bar("measure", sum(len(window.ids) - 1 for window in windows)) as bar,
        torch.autocast(model.device.type, torch.bfloat16, enabled=dtype == "bfloat16"),
    ):
        nats = text_nats(model, windows, len(windows), on_tokens=lambda tokens: bar.advance(tokens, "tokens, pairs"))
    return list(zip(nats[::2], nats[1::2], strict=True))


def likelier(pair: TokenPair, chosen: float, rejected: float) -> tuple[bool, bool]:
    """Whether the chosen answer is the likelier one (by token, in all). In all, the shorter one mostly is; what a model
    says follows the former (Meng et al. 2024, arXiv:2405.14734). chosen, rejected: nats of the answers."""
    counts = [sum(label != IGNORE for label in chat.labels) for chat in (pair.chosen, pair.rejected)]
    return chosen / counts[0] < rejected / counts[1], chosen < rejected


def pair_figures(model: Any, pairs: Sequence[TokenPair], reporter: Reporter) -> dict[str, float]:
    """Of held-out pairs: the shares of those whose chosen answer is the likelier one, by token and in all, and the bits
    per UTF-8 byte of the answers of either kind. Nothing where there are no pairs."""
    if not pairs:
        return {}
    nats = answer_nats(model, pairs, "float32", reporter)
    wins = [likelier(pair, *both) for pair, both in zip(pairs, nats, strict=True)]
    figures = {name: sum(won[at] for won in wins) / len(wins) for at, name in enumerate((PREFERRED, IN_ALL))}
    for at, name in enumerate((CHOSEN, REJECTED)):
        said = [(pair.pair.chosen, pair.pair.rejected)[at][-1]["content"] for pair in pairs]
        figures[name] = sum(pair[at] for pair in nats) / math.log(2) / sum(len(text.encode()) for text in said)
    return figures


def pair_batches(pairs: Sequence[TokenPair], reference: Sequence[float], batch_size: int, seed: int) -> BatchAt:
    """Batches of whole pairs, each once an epoch, in another order every time. reference: see PairBatch."""
    mine = current_rank().share(batch_size, "batch_size")

    def pair_at(index: int) -> int:
        epoch, place = divmod(index, len(pairs))
        return int(np.random.default_rng([seed, 2, epoch]).permutation(len(pairs))[place])

    def at(step: int) -> PairBatch:
        numbers = [pair_at(step * batch_size + index) for index in mine]
        chats = [chat for number in numbers for chat in (pairs[number].chosen, pairs[number].rejected)]
        return PairBatch(*rows(chats), reference=torch.tensor([reference[number] for number in numbers]))

    return at


def pair_engine(
    model: torch.nn.Module, config: FinetuneConfig, kept_rows: int, scale: float
) -> Callable[[int], Engine]:
    """Makes what runs the steps. scale: the rate of the vocabulary's matrices, as a part of the rest's."""

    def engine(micro_batch_size: int) -> Engine:
        taught = config.preference
        named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        loss = PairLoss(model, config.dtype, kept_rows, taught)
        optimizer = adamw(model, taught.optim, kept_rows, scale)
        return PairEngine(loss, optimizer, named, micro_batch_size, taught.optim.max_grad_norm)

    return engine


def answer_lengths(
    before: Sequence[tuple[str, bool]], after: Sequence[tuple[str, bool]], longest: int
) -> tuple[dict[str, Any], str]:
    """(figures, what is said of them) of the model's own answers to held-out questions, each with whether it ended;
    the others were cut after `longest` tokens, so that the share of those that ended tells of longer ones."""
    sizes, ended = (
        dict(
            zip(("before", "after"), (sum(map(of, answers)) / len(answers) for answers in (before, after)), strict=True)
        )
        for of in (lambda answer: len(answer[0].encode()), lambda answer: answer[1])
    )
    line = (
        f"  its own answers, of at most {longest} tokens, have {sizes['before']:.0f} bytes before, "
        f"{sizes['after']:.0f} after; {ended['before']:.0%} ended by themselves before, {ended['after']:.0%} after"
    )
    return {"answer_bytes": sizes, "answers_ended": ended, "answer_tokens": longest}, line


def outcome(before: Mapping[str, Any], after: Mapping[str, Any], answers: str) -> tuple[dict[str, Any], list[str]]:
    """(figures before and after, what is said of them). answers: name of the held-out answers' bits per byte."""
    names = [name for name in (PREFERRED, IN_ALL, CHOSEN, REJECTED, answers) if name in before]
    report: dict[str, Any] = {name: {"before": before[name], "after": after[name]} for name in names}
    said = []
    if PREFERRED in report:
        said.append(
            f"  the chosen answer is the likelier one, by token: {before[PREFERRED]:.0%} before, "
            f"{after[PREFERRED]:.0%} after; in all: {before[IN_ALL]:.0%} before, {after[IN_ALL]:.0%} after"
        )
        dearer = after[CHOSEN] / before[CHOSEN] - 1
        if dearer > 0:
            said.append(f"  chosen answers have become less likely too: {dearer:.1%} more bits")
    if answers in report:
        report["heldout_rise"] = rise = after[answers] / before[answers] - 1
        if rise > DEAR:
            said.append(
                f"  held-out answers cost {rise:.1%} more bits than before: lower finetune.preference.optim.lr, or "
                "raise its chosen_weight"
            )
    return report, said
