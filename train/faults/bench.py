"""`lilm bench faults`: how many spoilt inputs are neither read nor refused in one line."""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.table import Table

from lilm.errors import LilmError
from lilm.progress import Reporter
from lilm.temporary import temporary_folder
from lilm.train.faults.case import Case, Outcome, spoilt_case
from lilm.train.faults.kinds import KINDS, Kind
from lilm.train.faults.pool import Pool
from lilm.train.faults.seeds import seeds_in
from lilm.train.faults.worker import write_input

FAULTS = {"traceback": "tracebacks", "hang": "hangs", "over_memory": "over_memory", "half_written": "half_written"}
TRIES = 60  # to make a faulty input smaller
Found = dict[tuple[str, str, str], tuple[Case, Outcome]]
"""The smallest input of each fault, by kind, what came of it, and place."""


def measure(reporter: Reporter, inputs: int = 5_000, seed: int = 0, kinds: str = "") -> dict[str, Any]:
    """Spoil `inputs` files, as many of each kind, and have each read by a process with a limit of time and memory.

    kinds: some of KINDS, with commas; all when not given. The smallest input of each fault is kept in a new folder.
    Returns {"benchmark", "seed", "inputs", "tracebacks", "hangs", "over_memory", "half_written", "kinds": {name: the
    same figures}, "faults": [{"kind", "what", "place", "inputs", "file"}]}. Raises LilmError for an unknown
    kind.
    """
    chosen = _chosen(kinds)
    counts: dict[str, Counter[str]] = {kind.name: Counter() for kind in chosen}
    seen: Counter[tuple[str, str, str]] = Counter()
    found: Found = {}
    with temporary_folder("faults") as made:
        folders = _seeds(chosen, made / "seeds")
        (made / "work").mkdir()
        with Pool(os.cpu_count() or 1, made / "work") as pool:
            with reporter.bar("spoilt inputs", inputs) as bar:
                for case, outcome in pool.run(_cases(chosen, folders, inputs, seed)):
                    counts[case.kind][outcome.what] += 1
                    if outcome.is_fault:
                        key = (case.kind, outcome.what, outcome.signature)
                        seen[key] += 1
                        if key not in found or len(case.data) < len(found[key][0].data):
                            found[key] = (case, outcome)
                    bar.advance(1, f"{case.kind}; {sum(seen.values())} faults")
            kept = Path(tempfile.mkdtemp(prefix="lilm-faults-kept-")) if found else None
            files = _keep(found, kept) if kept is not None else {}
            with reporter.bar(f"faults made smaller, in {kept}", len(found)) as bar:
                for fault, (case, outcome) in found.items():
                    found[fault] = smaller(pool, case, outcome)
                    bar.advance(1)
            if kept is not None:
                _keep(found, kept)
    rows = [
        {"kind": kind, "what": what, "place": place, "inputs": seen[kind, what, place], "file": str(file)}
        for (kind, what, place), file in files.items()
    ]
    figures = {name: _figures(count) for name, count in counts.items()}
    reporter.console.print(_table(figures))
    for row in rows:
        reporter.say(f"  {row['what']}, {row['inputs']} of {row['kind']}: {row['place']}\n    {row['file']}")
    total = {key: sum(one[key] for one in figures.values()) for key in ("inputs", *FAULTS.values())}
    return {"benchmark": "faults", "seed": seed, **total, "kinds": figures, "faults": rows}


def _chosen(names: str) -> list[Kind]:
    wanted = [name.strip() for name in names.split(",")] if names else list(KINDS)
    unknown = [name for name in wanted if name not in KINDS]
    if unknown:
        raise LilmError(f"no kind {unknown[0]!r}", where="--kinds", remedy="use some of: " + ", ".join(KINDS))
    return [KINDS[name] for name in wanted]


def _seeds(kinds: list[Kind], folder: Path) -> dict[str, list[Path]]:
    for kind in kinds:
        (folder / kind.name).mkdir(parents=True)
        kind.write(folder / kind.name)
    return {kind.name: list(seeds_in(folder / kind.name)) for kind in kinds}


def _cases(kinds: list[Kind], folders: dict[str, list[Path]], inputs: int, seed: int) -> Iterator[Case]:
    """Kind after kind, so that each library is loaded once; what is left over goes to the first kinds."""
    for at, kind in enumerate(kinds):
        for number in range(inputs // len(kinds) + (at < inputs % len(kinds))):
            yield spoilt_case(kind, folders[kind.name], seed, number)


def smaller(pool: Pool, case: Case, outcome: Outcome) -> tuple[Case, Outcome]:
    """A part of the input that gives the same fault, by leaving out halves, quarters and so on; not for what takes long
    each time."""
    if outcome.what in ("hang", "over_memory"):
        return case, outcome
    tries, parts = TRIES, 2
    while tries and parts <= len(case.data):
        size = -(-len(case.data) // parts)
        for begin in range(0, len(case.data), size):
            if not tries:
                break
            tries -= 1
            tried = replace(case, data=case.data[:begin] + case.data[begin + size :])
            ((_, now),) = pool.run([tried])
            if (now.what, now.signature) == (outcome.what, outcome.signature):
                case, outcome = tried, now
                break
        else:
            parts *= 2
    return case, outcome


def _keep(found: Found, folder: Path) -> dict[tuple[str, str, str], Path]:
    """Write the inputs, each a folder with what was said of it beside; by the same keys, the spoilt file."""
    files = {}
    for number, (key, (case, outcome)) in enumerate(sorted(found.items(), key=lambda one: one[0]), start=1):
        place = folder / f"{number:02d}-{case.kind}-{outcome.what}"
        shutil.rmtree(place, ignore_errors=True)
        write_input(case, place / case.seed.name)
        (place / "said.txt").write_text(f"{outcome.signature}\n{outcome.text}\n", encoding="utf-8", errors="replace")
        files[key] = place / case.seed.name / (case.file or "")
    return files


def _figures(count: Counter[str]) -> dict[str, int]:
    faults = {name: count[what] for what, name in FAULTS.items()}
    return {"inputs": count.total(), "refused": count["refused"], **faults}


def _table(figures: dict[str, dict[str, int]]) -> Table:
    table = Table(title="spoilt inputs", title_justify="left")
    columns = ("inputs", "refused", *FAULTS.values())
    table.add_column("kind")
    for name in columns:
        table.add_column(name.replace("_", " "), justify="right")
    for kind, one in figures.items():
        table.add_row(kind, *(str(one[name]) for name in columns))
    return table
