"""`lilm bench chat`: are chats the same in training, natively, in node and in Chromium, whatever is typed? And what is
the tuning worth?"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from lilm.devices import processor
from lilm.errors import LilmError
from lilm.export.quality.interval import value_of
from lilm.export.quality.opened import check_run
from lilm.export.talk.answers import measure_answers, offered_file
from lilm.export.talk.borders import asked, compare
from lilm.export.talk.conversations import conversations
from lilm.export.talk.crowd import CLIENTS, SECONDS, measure_crowd
from lilm.export.talk.forged import attacks, succeeded
from lilm.export.talk.models import MODELS, ChatModel, make_model
from lilm.export.talk.page import crowd_lines, preferred_lines, tuning_table, write_page
from lilm.export.talk.runtimes import NAMES, Runtime, runtimes
from lilm.progress import Reporter
from lilm.recipe import load_recipe
from lilm.report.narrow import Narrowed
from lilm.temporary import temporary_folder

CONVERSATIONS, INJECTIONS, ANSWERS = 1_000, 500, 200
CROWD = "crowd"  # what can be skipped beside the runtimes
FOLDER = "chat"  # in the run's own folder


def measure(
    reporter: Reporter,
    runs: Sequence[Path] = (),
    inputs: int = CONVERSATIONS,
    injections: int = INJECTIONS,
    generations: int = ANSWERS,
    seed: int = 0,
    skip: str = "",
    data: Path | None = None,
    out: Path | None = None,
    markdown: Path | None = None,
    clients: int = CLIENTS,
    minutes: float = SECONDS / 60,
    plain_base: Path | None = None,
) -> dict[str, Any]:
    """inputs: conversations; injections: chats with forged marks. Each goes through every runtime in every format.
    seed: of both. skip: some of the runtimes, and "crowd", with commas. runs: folders of finished runs, which answer
    `generations` questions each. data: a folder that has bed.CHATS, on which the one run's pretrained model is tuned
    in several ways; out: what is kept of that, RUN/chat when not given; markdown: file for it as a page of text.
    plain_base: what the run's base, an instruct model, was tuned from: its chat vector is one way more. clients,
    minutes: of the crowd that visits `lilm chat` with the first run's file.

    Returns {"benchmark", "conversations", "differing_tokens", "differing_masks", "injections",
    "injections_succeeded", "formats": {name: {runtime: {"prompts", "differing_tokens", "differing_masks",
    "injections_succeeded"}}}, "runtimes": [what was compared], "seed", "answers": [see answers.measure_answers],
    "seconds"}, with runs "crowd" (see crowd.measure_crowd) and of it "clients", "lost", "mixed" and "freed_s", and with
    `data` "run", "cpu", "threads" and what tuning.measure_tuning answers.
    differing_tokens: prompts whose tokens are not those of training, of each runtime and format; differing_masks:
    conversations whose labels are not on what the runtime writes (see borders.same_mask); injections_succeeded: see
    forged.succeeded. Training is measured too: by what it forges, and by whether its own prompts end where its labels
    begin.

    Raises LilmError when Emscripten, node or Chromium is missing and not skipped, for what is no finished run, and with
    `data` for chats that are none and for another number of runs than one.
    """
    left_out = [name.strip() for name in skip.split(",") if name.strip()]
    unknown = sorted(set(left_out) - {*NAMES, CROWD})
    if unknown:
        what, some = f"no runtime {unknown[0]!r}", ", ".join((*NAMES, CROWD))
        raise LilmError(what, where="lilm bench chat --skip", remedy=f"use some of {some}")
    few = next((n for n in (inputs, injections, generations) if n < 1), None)
    if few is not None:
        raise LilmError(f"{few} of what is measured", where="lilm bench chat", remedy="ask for one or more")
    for folder in runs:
        check_run(folder)
    if data is None and (out or markdown or plain_base):
        raise LilmError(
            "--out, --markdown and --plain-base are of the tuning", where="lilm bench chat", remedy="give --data too"
        )
    found = _runtimes(left_out, reporter)
    started = time.monotonic()
    tuned = {} if data is None else _tuning(runs, data, out, plain_base, generations, reporter)
    crowd = _crowd(runs, left_out, clients, minutes * 60, reporter)
    answers = [measure_answers(folder, generations, reporter) for folder in runs]
    talk = list(conversations(inputs, seed))
    rows: dict[str, dict[str, dict[str, int]]] = {}
    with temporary_folder("talk") as made:
        for name in MODELS:
            reporter.say(f"  {name}: {inputs} conversations and {injections} injections")
            model = make_model(name, made / name)
            rows[name] = measure_format(model, talk, attacks(model, injections, seed), found)
    reporter.console.print(Narrowed(_table(rows)))
    for one in answers:
        known = {key: value_of(one[key]) for key in ("ends_by_eos", "in_language", "loops", "empty")}
        shares = ", ".join(f"{key} {'–' if value is None else f'{value:.1%}'}" for key, value in known.items())
        reporter.say(f"  {one['run']}, {one['file']}, {one['answers']} answers: {shares}")
    if tuned:
        reporter.console.print(Narrowed(tuning_table(tuned)))
        for line in preferred_lines(tuned):
            reporter.say(f"  {line}")
    if crowd:
        for line in crowd_lines(crowd["crowd"]):
            reporter.say(f"  {line}")
    if markdown is not None:
        write_page(markdown, {**tuned, **crowd})
    return {
        "benchmark": "chat",
        **tuned,
        **crowd,
        "conversations": inputs,
        **{key: _sum(rows, key) for key in ("differing_tokens", "differing_masks")},
        "injections": injections,
        "injections_succeeded": _sum(rows, "injections_succeeded"),
        "runtimes": ["training", *found],
        "formats": rows,
        "seed": seed,
        "answers": answers,
        "seconds": round(time.monotonic() - started, 1),
    }


def _tuning(
    runs: Sequence[Path], data: Path, out: Path | None, plain: Path | None, generations: int, reporter: Reporter
) -> dict[str, Any]:
    from lilm.export.talk.bed import CHATS, open_bed, run_folders
    from lilm.export.talk.tuning import measure_tuning

    if len(runs) != 1:
        what = f"{len(runs)} runs, and --data tunes the model of one"
        raise LilmError(what, where="lilm bench chat", remedy="give the folder of one finished run")
    (run,) = runs
    recipe = load_recipe(str(run / "lilm.toml"))
    bed = open_bed(run_folders(run), recipe, data / CHATS, out or run / FOLDER, reporter)
    about = {"run": recipe.name, "cpu": processor(), "threads": recipe.threads}
    return {**about, **measure_tuning(bed, generations, plain)}


def _crowd(
    runs: Sequence[Path], skip: Sequence[str], clients: int, seconds: float, reporter: Reporter
) -> dict[str, Any]:
    """Nothing without runs."""
    if not runs or CROWD in skip:
        return {}
    found = measure_crowd(offered_file(runs[0]), reporter, clients, seconds)
    return {**{key: found[key] for key in ("clients", "lost", "mixed", "freed_s")}, "crowd": found}


def measure_format(
    model: ChatModel,
    talk: Sequence[list[dict[str, str]]],
    tries: Sequence[list[dict[str, str]]],
    found: Mapping[str, Runtime],
) -> dict[str, dict[str, int]]:
    """By runtime, training first: what `measure` says of each."""
    asking = [asked(model, chat) for chat in talk]
    expected = [ids for one in asking for ids in one.expected]
    by_training = [*expected, *(model.prompt(chat) for chat in tries)]
    chats = [*(chat for one in asking for chat in one.chats), *tries]
    rows = {}
    for name, ids in {"training": by_training, **{name: run(model.gguf, chats) for name, run in found.items()}}.items():
        forged = zip(tries, ids[len(expected) :], strict=True)
        rows[name] = compare(model, asking, ids[: len(expected)])
        rows[name]["injections_succeeded"] = sum(succeeded(model, chat, one) for chat, one in forged)
    return rows


def _runtimes(skip: Sequence[str], reporter: Reporter) -> dict[str, Runtime]:
    if {"node", "chromium"} <= set(skip):
        return runtimes(None, skip)
    from lilm.wasm.build import build_variant
    from lilm.wasm.verify.chromium import find_chromium

    if "chromium" not in skip:
        find_chromium()
    return runtimes(build_variant("threads", reporter), skip)


def _sum(rows: Mapping[str, Mapping[str, Mapping[str, int]]], key: str) -> int:
    return sum(row[key] for by_runtime in rows.values() for row in by_runtime.values())


def _table(rows: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Table:
    table = Table(title="chat", title_justify="left")
    table.add_column("format")
    table.add_column("runtime")
    for heading in ("prompts", "other tokens", "other masks", "injections\nthat succeeded"):
        table.add_column(heading, justify="right")
    for name, by_runtime in rows.items():
        for runtime, row in by_runtime.items():
            keys = ("prompts", "differing_tokens", "differing_masks", "injections_succeeded")
            table.add_row(name, runtime, *(str(row[key]) for key in keys))
    return table
