"""What the table says in single numbers: KL divergences of one file by those of another. Below 1, ours is better."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from lilm.export.quality.opened import BY_CHANCE, BY_ERROR, BY_RELATIVE_ERROR, LEARNT, SEARCH, STOCK, STOCK_IMATRIX

Row = Mapping[str, Any]
DIGITS = 4
KEYS = (
    "search_vs_stock",
    "search_vs_proxy",
    "search_vs_random",
    "learnt_vs_imatrix_ja",
    "learnt_vs_imatrix_en",
    "learnt_vs_imatrix_chat",
    "q4_0_learnt_vs_imatrix",
    "mb_at_equal_kld",
    "three_bit_vs_q3",
    "smollm2_learnt_vs_q4_0",
    "smollm2_49_vs_637",
)
SAME_SIZE = 0.01  # files this much apart in size are of one
FOUR_NINE = 4.9  # bits per weight, at most, of a file held against SmolLM2's Q4_K_M, which has 6.37: 576 is no 256
THREE_BITS = 4.0
FOUR_BIT_BLOCKS = ("Q4_0", "IQ4_NL")


def ratios(models: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """KEYS for the report's models, None where a file is absent; of other languages than Japanese and English keys with
    their names. Where several models have a ratio, the first counts;
    of a SmolLM2 only its own two, where another model has the others: in rows of 576 types mean other sizes.

    Of text in the language learnt unless the name says another; short windows.
    search_vs_stock: the file of the budget by what llama.cpp's plain files have at its size, between two of them by a
    straight line over megabytes and the logarithm of KLD. search_vs_proxy, search_vs_random: by types chosen by the
    error of the weights (the nearer of both ways), and by chance, of the same bytes and importance matrix.
    learnt_vs_imatrix_…: the learnt file that is not larger than Q4_K_M, that of the budget before the nearest of the
    others, by Q4_K_M with an importance matrix. q4_0_learnt_vs_imatrix: learnt Q4_0 by the same.
    mb_at_equal_kld: megabytes of our smallest file that is as near as that one, by its megabytes.
    three_bit_vs_q3: our best file of less than 4 bits per weight by Q3_K_M with an importance matrix.
    smollm2_learnt_vs_q4_0: of a SmolLM2, the nearer of learnt Q4_0 and IQ4_NL (else the nearest of ours) that is not
    larger than Q4_0, by Q4_0 with an importance matrix.
    smollm2_49_vs_637: of a SmolLM2, our nearest file of at most 4.9 bits per weight by plain Q4_K_M.
    """
    found: dict[str, float | None] = dict.fromkeys(KEYS)
    for model in sorted(models, key=lambda model: bool(model["smollm2"])):
        for key, value in _of(model).items():
            if found.get(key) is None:
                found[key] = None if value is None else round(value, DIGITS)
    return found


def _of(model: Mapping[str, Any]) -> dict[str, float | None]:
    rows: Sequence[Row] = model["files"]
    learnt, base = model["languages"]
    main = f"kld_{learnt}"
    plain = [row for row in rows if row["method"] == STOCK]
    mine = [row for row in rows if row["method"] in (SEARCH, LEARNT)]
    search = _first(rows, lambda row: row["method"] == SEARCH)
    q4_k_m, q3_k_m = (_with_imatrix(rows, quant) for quant in ("Q4_K_M", "Q3_K_M"))
    q4_0 = _first(mine, lambda row: row["method"] == LEARNT and row["based_on"] == "Q4_0")
    best = None if q4_k_m is None else _learnt_at(rows, q4_k_m["mb"], main)
    proxies = [row[main] for row in rows if row["method"] in (BY_ERROR, BY_RELATIVE_ERROR)]
    found: dict[str, float | None] = {
        "search_vs_stock": _by(search, main, None if search is None else at_size(plain, search["mb"], main)),
        "search_vs_proxy": _by(search, main, min(proxies, default=None)),
        "search_vs_random": _by(search, main, _value(_first(rows, lambda row: row["method"] == BY_CHANCE), main)),
        "q4_0_learnt_vs_imatrix": _by(q4_0, main, _value(q4_k_m, main)),
        "mb_at_equal_kld": None,
    }
    if q4_k_m is not None:
        as_near = [row for row in mine if row[main] <= q4_k_m[main]]
        found["mb_at_equal_kld"] = _by(min(as_near, key=lambda row: row["mb"], default=None), "mb", q4_k_m["mb"])
    for kind in (learnt, base, "chat"):
        found[f"learnt_vs_imatrix_{kind}"] = _by(best, f"kld_{kind}", _value(q4_k_m, f"kld_{kind}"))
    three = min((row for row in mine if row["bpw"] < THREE_BITS), key=lambda row: row[main], default=None)
    found["three_bit_vs_q3"] = _by(three, main, _value(q3_k_m, main))
    if model["smollm2"]:
        found |= _smollm2(rows, mine, main)
    return found


def _smollm2(rows: Sequence[Row], mine: Sequence[Row], main: str) -> dict[str, float | None]:
    q4_0 = _with_imatrix(rows, "Q4_0")
    fitting = [row for row in mine if q4_0 is not None and row["mb"] <= q4_0["mb"]]
    blocks = [row for row in fitting if row["method"] == LEARNT and row["based_on"] in FOUR_BIT_BLOCKS]
    ours = min(blocks or fitting, key=lambda row: row[main], default=None)
    small = min((row for row in mine if row["bpw"] <= FOUR_NINE), key=lambda row: row[main], default=None)
    q4_k_m = _first(rows, lambda row: row["method"] == STOCK and row["quant"] == "Q4_K_M")
    return {
        "smollm2_learnt_vs_q4_0": _by(ours, main, _value(q4_0, main)),
        "smollm2_49_vs_637": _by(small, main, _value(q4_k_m, main)),
    }


def _with_imatrix(rows: Sequence[Row], quant: str) -> Row | None:
    return _first(rows, lambda row: row["method"] == STOCK_IMATRIX and row["based_on"] == quant)


def _learnt_at(rows: Sequence[Row], mb: float, main: str) -> Row | None:
    """The learnt file that is not larger than `mb`: of the budget where there is one, else the nearest."""
    searched = {row["quant"] for row in rows if row["method"] == SEARCH}
    fitting = [row for row in rows if row["method"] == LEARNT and row["mb"] <= mb * (1 + SAME_SIZE)]
    mixed = [row for row in fitting if row["based_on"] in searched]
    return min(mixed or fitting, key=lambda row: row[main], default=None)


def learnt_pairs(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """(learnt file, file of its very types rounded with an importance matrix); what learning began with, where that is
    the file of a budget, which has one."""
    bases = {row["based_on"]: row for row in rows if row["method"] == STOCK_IMATRIX}
    bases |= {row["quant"]: row for row in rows if row["method"] == SEARCH}
    learnt = [row for row in rows if row["method"] == LEARNT]
    return [(row, bases[row["based_on"]]) for row in learnt if row["based_on"] in bases]


def at_size(rows: Sequence[Row], mb: float, key: str) -> float | None:
    """The `key` that `rows` have at `mb` megabytes; None outside of their sizes."""
    found = _between([(row["mb"], math.log(row[key])) for row in rows if row[key]], mb, SAME_SIZE * mb)
    return None if found is None else math.exp(found)


def _between(points: Sequence[tuple[float, float]], at: float, near: float = 0.0) -> float | None:
    """y at x = `at`: of the point that is `near`, else of the line between its neighbours."""
    ordered = sorted(points)
    closest = min(ordered, key=lambda point: abs(point[0] - at), default=None)
    if closest is not None and abs(closest[0] - at) <= near:
        return closest[1]
    for (low, one), (high, other) in pairwise(ordered):
        if low <= at <= high:
            return one + (other - one) * (at - low) / (high - low)
    return None


def _first(rows: Sequence[Row], wanted: Callable[[Row], bool]) -> Row | None:
    return next((row for row in rows if wanted(row)), None)


def _value(row: Row | None, key: str) -> float | None:
    return None if row is None else row[key]


def _by(row: Row | None, key: str, other: float | None) -> float | None:
    return None if row is None or row[key] is None or not other else row[key] / other
