"""Which of the files that fit a device to ship: the rule, without its words."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lilm.export.quality.opened import REFERENCE

Row = Mapping[str, Any]
BOUND = 0.005  # by which bits per byte may be more than F16's, in each language


@dataclass(frozen=True)
class Choice:
    """file: the row of the file to ship, None where none fits. within: whether it keeps BOUND; else it is the nearest
    to F16 of those that fit. smaller: the largest file that fits, is smaller and not beaten, None where there is none.
    unsure: the files, by name, of which the text is too little to tell on which side of BOUND they are; where none
    keeps it, those that cannot be told from the nearest."""

    file: Row | None
    within: bool = False
    smaller: Row | None = None
    unsure: tuple[str, ...] = ()


def choose(model: Mapping[str, Any], fitting: Collection[str]) -> Choice:
    """The smallest file of those that fit whose bits per byte are at most BOUND more than F16's, in each language;
    where there is none, of those that fit the one of least KL divergence.

    A smaller file that is nearer in the language learnt, but costs too much in the other, does not stand in its way.
    model: of the report. fitting: names of files. What was made only to compare with is never chosen.
    """
    learnt = model["languages"][0]
    files = [row for row in model["files"] if row["name"] in fitting and not row["control"]]
    candidates = front(files, learnt)
    if not candidates:
        return Choice(None)
    keeping = sorted((row for row in files if _keeps(row, model)), key=lambda row: _order(row, learnt))
    chosen = keeping[0] if keeping else candidates[-1]
    below = [row for row in candidates if row["mb"] < chosen["mb"]]
    smaller = below[-1] if below else None
    if keeping:
        unsure = [row for row in (*below, chosen) if _is_unsure(row, model)]
    else:
        unsure = [row for row in below if _are_alike(chosen, row, model)]
    return Choice(chosen, bool(keeping), smaller, tuple(row["quant"] for row in unsure))


def front(files: Sequence[Row], kind: str) -> list[Row]:
    """The files that no other one beats in both megabytes and KL divergence on that kind of text, smallest first."""
    found: list[Row] = []
    for row in sorted(files, key=lambda row: _order(row, kind)):
        if not found or divergence(row, kind) < divergence(found[-1], kind):
            found.append(row)
    return found


def _order(row: Row, kind: str) -> tuple[float, float, str]:
    return row["mb"], divergence(row, kind), row["quant"]


def divergence(row: Row, kind: str) -> float:
    """Returns the KL divergence from F16 in nats per token: 0 for F16 itself, infinite for what was not measured."""
    if row["method"] == REFERENCE:
        return 0.0
    value: float | None = row[f"kld_{kind}"]
    return float("inf") if value is None else value


def rises(row: Row, languages: Sequence[str]) -> list[Mapping[str, Any]]:
    """Returns how much more bits per byte are than F16's in each language, {"value", "se", "ci95"} as shares."""
    if row["method"] == REFERENCE:
        return [{"value": 0.0, "se": 0.0, "ci95": [0.0, 0.0]} for _ in languages]
    return [row["texts"][lang]["short"]["more_bits"] for lang in languages]


def _keeps(row: Row, model: Mapping[str, Any]) -> bool:
    return all(one["value"] <= BOUND for one in rises(row, model["languages"]))


def _is_unsure(row: Row, model: Mapping[str, Any]) -> bool:
    """Whether the interval of the language that rises most holds files on either side of BOUND."""
    lows, highs = zip(*(one["ci95"] for one in rises(row, model["languages"])), strict=True)
    return bool(max(lows) <= BOUND < max(highs))


def _are_alike(one: Row, other: Row, model: Mapping[str, Any]) -> bool:
    """Whether the interval of what their divergences differ by has 0 in it."""
    name = f"{model['languages'][0]} short"
    for pair in model["pairs"]:
        if {pair["file"], pair["other"]} == {one["quant"], other["quant"]}:
            low, high = pair[name]["ci95"]
            return bool(low <= 0 <= high)
    return False
