"""How far one file is from the run's F16 file on each kind of text."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lilm.errors import LilmError
from lilm.export.quality.interval import DIGITS, difference_of, mean_of, quantile_of
from lilm.export.quality.passages import Passages
from lilm.llamacpp.engine import Score

Sums = Mapping[str, Sequence[float]]
"""Of each document of some passages: `tokens` that count, and the sums of their `kld`, `same` and `nats`."""
TAILS = {"kld_p99": 0.99, "kld_p999": 0.999}


class Scoring(Protocol):
    """What gives the likelihoods of one window after another: an Engine, or one whose reference is kept."""

    @property
    def model(self) -> Path: ...

    def score(self, tokens: Sequence[int]) -> Score: ...


def score(engine: Scoring, passages: Passages, on_window: Callable[[int], None]) -> dict[str, Any]:
    """{"figures", "sums"} of the engine's file. Figures against the reference are None where it has none.

    kld_mean, kld_p99, kld_p999: nats per token; same_top: share of the tokens; all with se and ci95 by documents.
    bits_per_byte: of the file itself. nats: per token. on_window(tokens) is called after each window.
    Raises LilmError when the file computes what is no number.
    """
    columns: dict[str, list[NDArray[np.float64]]] = {"nats": [], "kld": [], "same": []}
    of: list[NDArray[np.int64]] = []
    for window in passages.windows:
        found = engine.score(window.ids)
        columns["nats"].append(found.nll[window.counted])
        if found.kld is not None and found.same_top is not None:
            columns["kld"].append(found.kld[window.counted])
            columns["same"].append(found.same_top[window.counted].astype(np.float64))
        of.append(np.full(int(window.counted.sum()), window.document, np.int64))
        if not all(np.isfinite(parts[-1]).all() for parts in columns.values() if parts):
            raise LilmError(
                "it computes what is no number",
                where=f"{engine.model}, on held-out text {passages.name}",
                remedy="make the file again: `lilm run --from export`",
            )
        on_window(len(window.ids))
    document = np.concatenate(of)
    number = len(passages.documents)
    sums = {"tokens": np.bincount(document, minlength=number).tolist()}
    for name, parts in columns.items():
        if parts:
            sums[name] = np.bincount(document, np.concatenate(parts), number).tolist()
    return {"figures": _figures(columns, document, sums, passages), "sums": sums}


def _figures(
    columns: Mapping[str, Sequence[NDArray[np.float64]]],
    document: NDArray[np.int64],
    sums: Sums,
    passages: Passages,
) -> dict[str, Any]:
    tokens = np.array(sums["tokens"], np.float64)
    nats = np.array(sums["nats"])
    figures: dict[str, Any] = {"nats": mean_of(nats, tokens).as_json(), "bits_per_byte": None}
    if passages.bytes is not None:
        bits = nats / math.log(2)
        figures["bits_per_byte"] = mean_of(bits, np.array(passages.bytes, np.float64)).as_json()
    if not columns["kld"]:
        return {**figures, **dict.fromkeys(("kld_mean", *TAILS, "same_top"))}
    klds = np.concatenate(columns["kld"])
    return {
        **figures,
        "kld_mean": mean_of(np.array(sums["kld"]), tokens).as_json(),
        **{name: quantile_of(klds, document, share).as_json() for name, share in TAILS.items()},
        "same_top": mean_of(np.array(sums["same"]), tokens).as_json(),
    }


def compare(sums: Sums, others: Sums) -> dict[str, Any]:
    """The first file less the second on the same windows: difference of KLD with its interval, and by what it is
    multiplied."""
    tokens = np.array(sums["tokens"], np.float64)
    mine, theirs = (np.array(one["kld"]) for one in (sums, others))
    ratio = float(mine.sum() / theirs.sum()) if theirs.sum() else None
    return {**difference_of(mine, theirs, tokens).as_json(), "ratio": None if ratio is None else round(ratio, DIGITS)}


def rise(sums: Sums, full: Sums) -> dict[str, Any]:
    """The share by which a file's bits per byte are more than the F16 file's on the same text, with its interval: text
    that both find hard cancels."""
    mine, before = (np.array(one["nats"]) for one in (sums, full))
    return difference_of(mine, before, before).as_json()
