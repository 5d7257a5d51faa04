"""A run that is lost goes back to its last sound checkpoint and tries again at half the rate, before it gives up: who
lets a model learn overnight finds one that learnt more slowly, and not a message of two o'clock."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from lilm.progress import Reporter
from lilm.train.trainer.checkpoint import Checkpoint, is_whole, open_checkpoint
from lilm.train.trainer.health import Lost
from lilm.train.trainer.rank import all_sum, current_rank

MOST = 3  # times in one run; then its rate is an eighth, and something else is wrong
KEY = "went_back"  # of the entry after which it went on anew: {"from": the step that was lost, "why": in words}


def rate_scale(metrics: Sequence[Mapping[str, Any]]) -> float:
    """What rates are multiplied by from here on."""
    return float(0.5 ** sum(len(entry.get(KEY, ())) for entry in metrics))


def later(entry: Mapping[str, Any], steps: int) -> dict[str, Any]:
    """The entry with its steps counted on."""
    back = [{**once, "from": once["from"] + steps} for once in entry.get(KEY, ())]
    return {**entry, "step": entry["step"] + steps, **({KEY: back} if back else {})}


def told(metrics: Sequence[Mapping[str, Any]]) -> str:
    """What a reader of the metrics should know of it; "" where nothing was lost."""
    each = [
        f"At step {once['from']} it went back to step {entry['step']}, to go on at half the rate: {once['why']}"
        for entry in metrics
        for once in entry.get(KEY, ())
    ]
    return ". ".join(each)


def before(
    lost: Lost,
    at: int,
    sound_step: int,
    folder: Path,
    named: dict[str, torch.nn.Parameter],
    tokenizer_sha256: str,
    reporter: Reporter,
) -> Checkpoint:
    """The checkpoint of `sound_step` in `folder`, whose metrics say that step `at` was lost. All processes ask.

    Raises `lost` when there is no such checkpoint, or it was gone back to often enough.
    """
    there = sound_step > 0 and (current_rank().rank > 0 or is_whole(folder, sound_step))
    if all_sum([int(not there)])[0]:
        raise lost
    found = open_checkpoint(folder, sound_step, named, tokenizer_sha256)
    times = sum(len(entry.get(KEY, ())) for entry in found.extra)
    if times >= MOST:
        raise lost
    last = found.extra[-1]
    last[KEY] = [*last.get(KEY, ()), {"from": at, "why": lost.what.removeprefix("diverged: ")}]
    reporter.say(f"  {lost.what}: back to step {sound_step}, from there at half the rate")
    return found
