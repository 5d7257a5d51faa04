"""`lilm bench train`: quality on equal tokens, and speed, beside the 2023 experiment and the Trainer's defaults."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.table import Table

from lilm.devices import prepare_torch
from lilm.errors import LilmError
from lilm.progress import Reporter
from lilm.recipe import PretrainConfig
from lilm.temporary import temporary_folder
from lilm.train.pretrain.bench.data import Bed, make_bed
from lilm.train.pretrain.bench.runs import Outcome, Runs
from lilm.train.pretrain.bench.speed import TRIALS, Speed, Trial, measure_speed, ours, seed_2023

PIECES = 2_000
ROUNDS = 2  # loops are timed in turn, and each one's best round counts: a busy neighbour is not the loop's fault
THREADS = 2


def measure(
    reporter: Reporter, data: Path | None = None, steps: int = 150, seconds: float = 0.0, shape: str = "small"
) -> dict[str, Any]:
    """data: a folder with ja_text, en_text and model/stories260K-hf; None: made-up stories and a base trained on some
    of them. steps: of each quality run, 2,048 tokens each. seconds: for each round of each loop; 0: the shape's own.
    shape: of the speed test: "small" (19M parameters) or "tinyllama" (needs a GPU of 80 GB).

    Bits per UTF-8 byte on held-out text, lower is better: ja_bpb, ja_bpb_seed2023, ja_bpb_trainer; en_bpb_before
    (the base with its own tokenizer), en_bpb_after, en_bpb_after_seed2023, en_bpb_after_trainer; en_own_bpb_…: the same
    on English that the base wrote itself, where every rise is something forgotten. seconds, seconds_…: of training;
    tokens: of each run. tokens_per_s: learnt tokens, at `shape`, in our default type; tokens_per_s_seed2023: in
    the 2023 loop, in float32 on a CPU, where it cannot have its float16; tokens_per_s_same_dtype: ours in that type.
    peak_memory_mb and mfu (None where the hardware's peak is not known) of the same. settings: all that was chosen.
    Raises LilmError for missing data or an unknown shape.
    """
    if shape not in TRIALS:
        raise LilmError(f"no shape {shape!r}", where="lilm bench train", remedy="use one of " + ", ".join(TRIALS))
    device = prepare_torch(0, THREADS)
    with temporary_folder("bench") as work:
        reporter.say("text, vocabulary and base")
        bed = make_bed(reporter, data, PIECES, work)
        runs = Runs(bed, steps, device, work, reporter)
        before = runs.before()
        outcomes = {"ours": runs.ours(), "seed2023": runs.seed_2023(), "trainer": runs.trainer()}
    reporter.say("speed")
    trial = TRIALS[shape] if not seconds else replace(TRIALS[shape], seconds=seconds)
    figures = {"benchmark": "train", **_quality(before, outcomes), **_speed(_speeds(trial, bed))}
    figures |= {
        "device": str(device),
        "shape": shape,
        "settings": {
            "bed": {"vocab_size": len(bed.names), "tokens": {key: one.n_tokens for key, one in bed.stores.items()}},
            **{key: outcome.settings for key, outcome in outcomes.items()},
            "speed": asdict(trial),
        },
    }
    reporter.console.print(_table(figures))
    return figures


def _speeds(trial: Trial, bed: Bed) -> dict[str, Speed]:
    """Measures our loop in its default type, "ours", and in the other loop's, "same_dtype", and that loop,
    "seed2023"."""
    store = bed.stores["ja"]
    documents = [store.document(index).tolist() for index in range(store.n_documents)]
    loops = {
        "ours": (ours, replace(trial, dtype=PretrainConfig().dtype)),
        "same_dtype": (ours, trial),
        "seed2023": (seed_2023, trial),
    }
    best: dict[str, Speed] = {}
    for _ in range(ROUNDS):
        for name, (loop, one) in loops.items():
            if name == "same_dtype" and loops[name] == loops["ours"]:
                best[name] = best["ours"]
                continue
            found = measure_speed(loop, one, documents)
            if name not in best or found.tokens_per_s > best[name].tokens_per_s:
                best[name] = found
    return best


def _quality(before: dict[str, float], outcomes: dict[str, Outcome]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    endings = {"ours": "", "seed2023": "_seed2023", "trainer": "_trainer"}
    for key, ending in endings.items():
        figures[f"ja_bpb{ending}"] = round(outcomes[key].ja, 4)
    for name, attribute in (("en", "en"), ("en_own", "own")):
        figures[f"{name}_bpb_before"] = round(before[attribute], 4)
        for key, ending in endings.items():
            figures[f"{name}_bpb_after{ending}"] = round(getattr(outcomes[key], attribute), 4)
    for key, ending in endings.items():
        figures[f"seconds{ending}"] = round(outcomes[key].seconds, 1)
    figures["tokens"] = outcomes["ours"].tokens
    return figures


def _speed(speeds: dict[str, Speed]) -> dict[str, Any]:
    endings = {"ours": "", "same_dtype": "_same_dtype", "seed2023": "_seed2023"}
    return {
        f"{name}{ending}": getattr(speeds[key], name)
        for name in ("tokens_per_s", "peak_memory_mb", "mfu", "real_share")
        for key, ending in endings.items()
    }


def _table(figures: dict[str, Any]) -> Table:
    table = Table(title="training, equal tokens", title_justify="left")
    for name in ("", "ours", "seed-2023", "Trainer"):
        table.add_column(name, justify="right" if name else "left")

    def rise(name: str, ending: str) -> str:
        after, before = figures[f"{name}_bpb_after{ending}"], figures[f"{name}_bpb_before"]
        return f"{after:.3f} ({after / before - 1:+.1%})"

    endings = ("", "_seed2023", "_trainer")
    table.add_row("Japanese, bits per byte", *(f"{figures[f'ja_bpb{one}']:.3f}" for one in endings))
    table.add_row("English of the data", *(rise("en", one) for one in endings))
    table.add_row("English the base wrote", *(rise("en_own", one) for one in endings))
    table.add_row("seconds", *(f"{figures[f'seconds{one}']:.0f}" for one in endings))
    table.add_row(
        f"tokens/s, {figures['shape']}", *(f"{figures[f'tokens_per_s{one}']:,.0f}" for one in endings[:2]), ""
    )
    table.add_row("peak memory, MB", *(f"{figures[f'peak_memory_mb{one}']:,.0f}" for one in endings[:2]), "")
    return table
