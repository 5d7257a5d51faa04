"""How far what pairs taught is kept: as far as the answers of chats allow, by how much dearer they have become.

Weights between those before and those after a training lose little of what was known, and keep much of what was learnt
(Wortsman et al. 2022, arXiv:2109.01903; of preferences Lin et al. 2024, arXiv:2309.06256).

A few held-out chats say little: what six of them allowed cost 143 others 1.7% of their bits instead of 1%. So chats
that were learnt before the pairs are asked beside them. They have been fitted, so that any change of the weights rather
costs them more than chats that nobody learnt; the chosen answers of pairs would be no such witnesses, as they become
likelier by design, nor are chats that begin as pairs do. And the mean alone is as often too low as it is too high, so
its standard error is added, for the held-out chats alone too: six of them may be cheap by chance.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from lilm.chat import Message
from lilm.disk import replacing, require_space
from lilm.progress import Reporter
from lilm.train.finetune.heldout import HeldOutAnswers, ReadChat, Split, beginning
from lilm.train.trainer.rank import barrier, current_rank

HALVINGS = 5  # of the way: shares are found to 1/32
CHATS = 64  # that decide, where there are so many
ERRORS = 1.0  # standard errors that count on top of the mean


@dataclass(frozen=True)
class Rise:
    """By what part answers have become dearer. mean: of the bits of all chats together; error: its standard error.
    heldout, heldout_error: of those of the held-out chats alone; None where there are none."""

    mean: float
    error: float
    heldout: float | None
    heldout_error: float | None

    def __str__(self) -> str:
        apart = "" if self.heldout is None else f" (the held-out ones {self.heldout:.1%} ± {self.heldout_error:.1%})"
        return f"{self.mean:.1%} ± {self.error:.1%}{apart}"

    @property
    def upper(self) -> float:
        """What must not be above most_rise."""
        above = self.mean + ERRORS * self.error
        if self.heldout is None or self.heldout_error is None:
            return above
        return max(above, self.heldout + ERRORS * self.heldout_error)


@dataclass(frozen=True)
class Witnesses:
    """Chats whose answers tell what pairs cost. before: nats of each one's answers before pairs. heldout: so many of
    them, the first, are held out; the others were learnt."""

    answers: HeldOutAnswers
    before: list[float]
    heldout: int

    @classmethod
    def ask(
        cls, model: Any, split: Split, measured: int, asked: Sequence[Sequence[Message]], reporter: Reporter
    ) -> "Witnesses":
        """measured: so many of the held-out chats, the first, are measured anyway. asked: what the pairs' answers
        follow. The model is that before pairs."""
        heldout, learnt = witnesses(split, measured, asked)
        answers = HeldOutAnswers([*heldout, *learnt], reporter)
        return cls(answers, answers.nats(model, "chats"), len(heldout))

    def rise(self, model: Any) -> Rise:
        after = self.answers.nats(model, "chats")
        mean, error = ratio_rise(self.before, after)
        apart = self.heldout
        return Rise(mean, error, *(ratio_rise(self.before[:apart], after[:apart]) if apart else (None, None)))


def witnesses(
    split: Split, measured: int, asked: Sequence[Sequence[Message]] = ()
) -> tuple[list[ReadChat], list[ReadChat]]:
    """(held-out chats, learnt ones), CHATS together where there are so many: as many as possible are held out, and all
    are that are measured. The learnt ones stand at even distances; none two are of one conversation, and none begins
    with what is asked in pairs: its answers may stand there as chosen ones."""
    heldout = split.heldout[: max(CHATS, measured)]
    in_pairs = {beginning(messages) for messages in asked}
    first: dict[str, ReadChat] = {}
    for chat in split.learnt:
        if not in_pairs & {beginning(chat.messages), beginning(_question(chat.messages))}:
            first.setdefault(chat.conversation or beginning(chat.messages), chat)
    learnt, room = list(first.values()), min(max(CHATS - len(heldout), 0), len(first))
    return heldout, [learnt[(2 * at + 1) * len(learnt) // (2 * room)] for at in range(room)]


def _question(messages: Sequence[Message]) -> Sequence[Message]:
    """What stands before the first answer to somebody."""
    roles = [message["role"] for message in messages]
    start = roles.index("user") if "user" in roles else 0
    return messages[: roles.index("assistant", start)] if "assistant" in roles[start:] else messages


def ratio_rise(before: Sequence[float], after: Sequence[float]) -> tuple[float, float]:
    """(by what part the sum has risen, the standard error of that where others could have been drawn in their place).

    before, after: of the same chats. The error is that of a ratio of sums, from what each chat departs from it; 0 for
    one chat, of which nothing is known.
    """
    total, size = sum(before), len(before)
    ratio = sum(after) / total
    departs = sum((later - ratio * first) ** 2 for first, later in zip(before, after, strict=True))
    return ratio - 1, math.sqrt(departs * size / (size - 1)) / total if size > 1 else 0.0


def write_weights(model: Any, path: Path) -> None:
    """All processes must ask together; the first one writes. Raises LilmError when there is no room."""
    if current_rank().rank == 0:
        weights = {name: value.detach().contiguous() for name, value in model.named_parameters()}
        path.parent.mkdir(parents=True, exist_ok=True)
        needed = sum(value.numel() * value.element_size() for value in weights.values())
        remedy = "free some space and start again; it goes on from the last checkpoint"
        require_space(path.parent, needed, "the weights before pairs are learnt", remedy)
        with replacing(path) as part:
            save_file(weights, part)
    barrier()


@torch.no_grad()
def go_part_way(model: Any, begun: Path, rise: Callable[[], float], most: float) -> float:
    """Give the model weights between those in the file `begun` and its own: of the shares of this way that were tried,
    the greatest at which `rise()` is at most `most`. Returns it, from 0 to below 1.

    rise: of the model as it then is. That it grows along the way is taken for granted.
    """
    named = dict(model.named_parameters())
    first, learnt = load_file(begun), {name: value.detach().clone() for name, value in named.items()}

    def go(share: float) -> None:
        for name, value in named.items():
            value.copy_(torch.lerp(first[name].to(value.device), learnt[name], share))

    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        go(middle)
        low, high = (middle, high) if rise() <= most else (low, middle)
    go(low)
    return low


def keep_allowed(
    model: Any, begun: Path, witnesses: Witnesses, most: float, reporter: Reporter
) -> tuple[float, dict[str, Any]]:
    """Let the model go back towards the weights in the file `begun` when answers have become dearer than `most` allows,
    and say so.

    Returns (the share of the way that is kept, {"rise": {"heldout", "learnt": how many chats decide, "whole": the rise
    before it went back, "kept": after}}).
    """
    whole = left = witnesses.rise(model)
    kept, learnt = 1.0, len(witnesses.before) - witnesses.heldout
    if whole.upper > most:
        kept = go_part_way(model, begun, lambda: witnesses.rise(model).upper, most)
        left = witnesses.rise(model)
        reporter.say(
            f"  answers of {witnesses.heldout} held-out chats and {learnt} learnt ones cost {whole} more bits than "
            f"before, and finetune.preference.most_rise allows {most:.1%}: kept is {kept:.0%} of what the pairs "
            f"changed, at which they cost {left} more"
        )
    numbers = {"heldout": witnesses.heldout, "learnt": learnt}
    return kept, {"rise": {**numbers, "whole": asdict(whole), "kept": asdict(left)}}
