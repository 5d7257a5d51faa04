"""`lilm bench quant`: each file of finished runs against its own F16 file, on text that was held out."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lilm.devices import processor
from lilm.disk import write_atomic
from lilm.errors import LilmError
from lilm.export.quality.apart import add_reader, prove_apart
from lilm.export.quality.file_measures import FileMeasures
from lilm.export.quality.harness import ChoiceTask, open_tasks
from lilm.export.quality.opened import Controls, Measured, OpenedRun, check_run, open_run
from lilm.export.quality.page.html import quant_page
from lilm.export.quality.places import where_they_fit
from lilm.export.quality.plan import Plan
from lilm.export.quality.questions import Question, read_questions
from lilm.export.quality.ratios import ratios
from lilm.export.quality.reference import Reference
from lilm.export.quality.report import model_report
from lilm.export.quality.samples import read_samples
from lilm.export.quality.speed import why_no_page
from lilm.export.quality.table import choices_table, quality_table
from lilm.export.quality.texts import Texts, find_texts
from lilm.pipeline.hashing import write_json
from lilm.pipeline.runner import locked
from lilm.progress import Reporter
from lilm.report.narrow import Narrowed

FOLDER = "quant"  # in the run's own folder
REPORT, PAGE = "report.json", "report.html"


def measure(
    reporter: Reporter,
    runs: Sequence[Path] = (),
    run_dir: Path | None = None,
    out: Path | None = None,
    eval_tokens: int = 100_000,
    n_ctx: int = 1024,
    generations: int = 200,
    n_predict: int = 0,
    controls: bool = False,
    questions: Path | None = None,
    tasks: str = "",
    limit: int = 1_000,
    skip: str = "",
) -> dict[str, Any]:
    """runs: folders of finished runs, which stay as they are; run_dir: one more. out: for results, RUN/quant when not
    given; of several runs, OUT/NAME. The others: as Plan; skip with commas.

    Each file is measured in processes of its own; what is measured is kept in the folder of results, and a bench that
    was stopped goes on. REPORT there has the run's figures as they are returned here: {"models": [{"name", "files"
    (see report.file_row), "measured_on", "apart", "pairs", …}], "ratios" (see ratios.ratios), "size_bytes_off",
    "blocks_exact", "fit_error", …}. The last three are the worst of all runs: bytes by which the file of the budget is
    not what its types foretell; the share of learnt blocks that are in their file as learnt, where the export's report
    says so; and by what share `lilm fit` reckons too much (or too little) memory for the file that it knows worst.

    Raises LilmError for what is no finished run, for too little text, for a document that was read by what made the
    files, and for a file that does not load or computes what is no number.
    """
    folders = [*runs, *([run_dir] if run_dir else [])]
    if not folders:
        raise LilmError("no run", where="lilm bench quant", remedy="give the folder of a finished run")
    names = frozenset(name.strip() for name in skip.split(",") if name.strip())
    plan = Plan(eval_tokens, n_ctx, generations, n_predict, controls, names, questions, tasks, limit)
    recipes = [check_run(folder)[0] for folder in folders]
    asked = read_questions(questions) if questions is not None else []
    targets = [_target(folder, out, len(folders) > 1) for folder in folders]
    places = [target.resolve() for target in targets]
    if twice := next((target for target, place in zip(targets, places, strict=True) if places.count(place) > 1), None):
        remedy = "name each run once" if out is None else "leave --out out"
        raise LilmError("two runs would have their results in one folder", where=str(twice), remedy=remedy)
    chosen = [open_tasks(tasks, limit, recipe.language) if tasks else [] for recipe in recipes]
    started = time.monotonic()
    found = [
        measure_run(folder, target, plan, asked, choices, reporter)
        for folder, target, choices in zip(folders, targets, chosen, strict=True)
    ]
    figures = {**_together(found), "seconds": round(time.monotonic() - started, 1)}
    for one in found:
        reporter.console.print(Narrowed(quality_table(one["models"][0])))
        if (choices := choices_table(one["models"][0])) is not None:
            reporter.console.print(Narrowed(choices))
    for target in targets:
        reporter.say(f"  everything: {target / REPORT}")
        reporter.say(f"  to read: {target / PAGE}")
    return figures


def _target(folder: Path, out: Path | None, several: bool) -> Path:
    if out is None:
        return folder / FOLDER
    return out / folder.resolve().name if several else out


def measure_run(
    folder: Path,
    out: Path,
    plan: Plan,
    questions: Sequence[Question],
    tasks: Sequence[ChoiceTask],
    reporter: Reporter,
) -> dict[str, Any]:
    """One run's figures, which are written to `out` too; see `measure`."""
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        run = open_run(folder, out, reporter)
        reporter.say(f"{run.recipe.name}: {len(run.files)} files against {run.full.name}")
        texts = find_texts(run, plan, reporter.say)
        proof = prove_apart(run, texts.documents)
        if proof["unknown"]:
            reporter.say(f"  not proved: what {run.recipe.export.imatrix_file} was measured on is not known to LiLM")
        made = Controls((), {})
        if plan.controls:
            from lilm.export.quality.controls import make_controls

            made = make_controls(run, out / "files", reporter)
        if made.imatrix_documents:
            held_out = [one for lang in run.languages for one in texts.documents[lang]]
            add_reader(run, proof, held_out, "importance of the controls", made.imatrix_documents)
        files = [run.full, *run.files, *made.files]
        why = "it was skipped" if "browser" in plan.skip else why_no_page(run)
        if why and "browser" not in plan.skip:
            reporter.say(f"  not measured in Chromium: {why}")
        reference = Reference(run.full, out / "kept", texts.passages, run.recipe.threads)
        measures = FileMeasures(run, texts, plan, questions, tasks, out, why, reference)
        if not all(measures.is_scored(file) for file in files[1:]):
            measures = replace(measures, reference=_kept(reference, reporter))
        found = _measured(measures, files, reporter)
        reference.remove()
        about = {"n_predict": measures.n_predict, **_about(run, texts, plan, proof, made, why)}
        shipped = (run.full, *run.files)
        about |= {"fits": where_they_fit(run, shipped), "samples": read_samples(out, shipped, plan.skip)}
        model = model_report(run, files, found, about)
        own = _own(run, model["files"])
        figures = _together([{"models": [model], **own}])
        write_json(out / REPORT, figures)
        write_atomic(out / PAGE, quant_page(model, own))
    return figures


def _kept(reference: Reference, reporter: Reporter) -> Reference:
    """The same with its states kept, where they can be."""
    reference.folder.mkdir(parents=True, exist_ok=True)
    if why := reference.why_not():
        reporter.say(f"  {reference.full.name} is decoded again for each file: {why}")
        return reference
    return replace(reference, keeps=True)


def _measured(measures: FileMeasures, files: Sequence[Measured], reporter: Reporter) -> list[dict[str, Any]]:
    """What was measured of each file, the F16 one first."""
    reference = measures.reference
    costs = [sum(part.cost for part in measures.parts(file)) for file in files]
    left = [measures.left(file) for file in files]
    again = reference.keeps and measures.is_scored(files[0]) and not reference.path.is_file()
    more = reference.tokens if again else 0  # a stopped measurement has its figures, but perhaps not its states
    with reporter.bar("quant", sum(costs) + more, sum(costs) - sum(left)) as bar:
        if again:
            reference.make(lambda tokens: bar.advance(tokens, f"{files[0].quant}: states"))
        return [measures.measure(file, bar.advance) for file in files]


def _about(
    run: OpenedRun, texts: Texts, plan: Plan, proof: dict[str, Any], made: Controls, no_page: str
) -> dict[str, Any]:
    chats = texts.chats
    learns = chats.seen and any(one.chats for one in run.recipe.export.learned)
    return {
        "settings": {**plan.as_json(), "n_ctx": texts.n_ctx, "sampling": run.recipe.site.sampling.model_dump()},
        "measured_on": texts.as_json(),
        "not_measured_on": texts.missing,
        "chats_read_by": {"training": chats.seen, "learning": learns, "why": chats.why},
        "apart": proof,
        "controls_missing": dict(made.missing),
        "no_page": no_page,
        "threads": run.recipe.threads,
        "cpu": processor(),
    }


def _own(run: OpenedRun, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the run says of itself, and the fit_error of the file for which it is farthest from 0."""
    learnt = [row["learned"] for row in run.report["files"] if "learned" in row]
    return _worst(
        {"size_bytes_off": run.size_bytes_off()},
        *({"blocks_exact": one.get("blocks_exact")} for one in learnt),
        *({"fit_error": row["fit_error"]} for row in rows),
    )


def _worst(*found: Mapping[str, Any]) -> dict[str, Any]:
    """Of each key the value of those that is farthest from what it should be, None where none has it."""

    def known(key: str) -> list[Any]:
        return [one[key] for one in found if one.get(key) is not None]

    return {
        "size_bytes_off": max(known("size_bytes_off"), default=None),
        "blocks_exact": min(known("blocks_exact"), default=None),
        "fit_error": max(known("fit_error"), key=abs, default=None),
    }


def _together(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    models = [model for one in found for model in one["models"]]
    return {"benchmark": "quant", "models": models, "ratios": ratios(models), **_worst(*found)}
