"""What multiple choice says of a file: how often it is right, and how often it is where the F16 file is not."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lilm.export.quality.interval import Estimate, change_of, difference_of, mean_of, share_of

Answers = Mapping[str, Sequence[float]]
"""Of one task, of each question: "acc", "acc_norm" (see harness.ask_choices), "margin"."""


def choice_figures(found: Mapping[str, Answers], full: Mapping[str, Answers]) -> dict[str, dict[str, Any]]:
    """found, full: answers of the file and of the F16 one to the same questions, by task.

    By task: "questions"; "metric": acc_norm where the task has it, else acc; "accuracy": of that metric, with Wilson's
    interval; "change": its difference from F16's, with the interval of pairs; "lost", "won": questions that F16 alone
    has right, that the file alone has right; "margin": nats by which the right choice is likelier than the best wrong
    one, a mean, and "margin_change" from F16's. Accuracy of small models is near chance; margins say more.
    """
    return {task: _one(answers, full[task]) for task, answers in found.items()}


def _one(found: Answers, full: Answers) -> dict[str, Any]:
    metric = "acc_norm" if "acc_norm" in found else "acc"
    mine, theirs = np.array(found[metric]), np.array(full[metric])
    margins, before = np.array(found["margin"]), np.array(full["margin"])
    each = np.ones(len(mine))
    lost, won = (int(((one == 1) & (other == 0)).sum()) for one, other in ((theirs, mine), (mine, theirs)))
    return {
        "questions": len(mine),
        "metric": metric,
        "accuracy": share_of(int(mine.sum()), len(mine)),
        "change": (Estimate(0, 0, 0, 0) if found is full else change_of(lost, won, len(mine))).as_json(),
        "lost": lost,
        "won": won,
        "margin": mean_of(margins, each).as_json(),
        "margin_change": difference_of(margins, before, each).as_json(),
    }
