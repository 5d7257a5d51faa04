"""`lilm bench chat`: are chats the same in training, natively, in node and in Chromium, whatever is typed?"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.table import Table

from lilm.errors import LilmError
from lilm.export.quality.opened import check_run
from lilm.export.talk.answers import measure_answers
from lilm.export.talk.borders import asked, compare
from lilm.export.talk.conversations import conversations
from lilm.export.talk.forged import attacks, succeeded
from lilm.export.talk.models import MODELS, ChatModel, make_model
from lilm.export.talk.runtimes import NAMES, Runtime, runtimes
from lilm.progress import Reporter

CONVERSATIONS, INJECTIONS, ANSWERS = 1_000, 500, 200


def measure(
    reporter: Reporter,
    runs: Sequence[Path] = (),
    inputs: int = CONVERSATIONS,
    injections: int = INJECTIONS,
    generations: int = ANSWERS,
    seed: int = 0,
    skip: str = "",
) -> dict[str, Any]:
    """inputs: conversations; injections: chats with forged marks. Each goes through every runtime in every format.
    seed: of both. skip: of the runtimes, with commas. runs: folders of finished runs, which answer `generations`
    questions each.

    Returns {"benchmark", "conversations", "differing_tokens", "differing_masks", "injections",
    "injections_succeeded", "formats": {name: {runtime: {"prompts", "differing_tokens", "differing_masks",
    "injections_succeeded"}}}, "seed", "answers": [see answers.measure_answers], "seconds"}.
    differing_tokens: prompts whose tokens are not those of training, of each runtime and format; differing_masks:
    conversations whose labels are not on what the runtime writes (see borders.same_mask); injections_succeeded: see
    forged.succeeded. Training is measured too: by what it forges, and by whether its own prompts end where its labels
    begin.

    Raises LilmError when Emscripten, node or Chromium is missing and not skipped, and for what is no finished run.
    """
    left_out = [name.strip() for name in skip.split(",") if name.strip()]
    unknown = sorted(set(left_out) - set(NAMES))
    if unknown:
        what = f"no runtime {unknown[0]!r}"
        raise LilmError(what, where="lilm bench chat --skip", remedy=f"use some of {', '.join(NAMES)}")
    few = next((n for n in (inputs, injections, generations) if n < 1), None)
    if few is not None:
        raise LilmError(f"{few} of what is measured", where="lilm bench chat", remedy="ask for one or more")
    for folder in runs:
        check_run(folder)
    found = _runtimes(left_out, reporter)
    started = time.monotonic()
    answers = [measure_answers(folder, generations, reporter) for folder in runs]
    talk = list(conversations(inputs, seed))
    rows: dict[str, dict[str, dict[str, int]]] = {}
    with TemporaryDirectory(prefix="lilm-talk-") as made:
        for name in MODELS:
            reporter.say(f"  {name}: {inputs} conversations and {injections} injections")
            model = make_model(name, Path(made) / name)
            rows[name] = measure_format(model, talk, attacks(model, injections, seed), found)
    reporter.console.print(_table(rows))
    for one in answers:
        shares = ", ".join(f"{key} {one[key]['value']:.1%}" for key in ("ends_by_eos", "in_language", "loops"))
        reporter.say(f"  {one['run']}, {one['file']}, {one['answers']} answers: {shares}")
    return {
        "benchmark": "chat",
        "conversations": inputs,
        **{key: _sum(rows, key) for key in ("differing_tokens", "differing_masks")},
        "injections": injections,
        "injections_succeeded": _sum(rows, "injections_succeeded"),
        "formats": rows,
        "seed": seed,
        "answers": answers,
        "seconds": round(time.monotonic() - started, 1),
    }


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
