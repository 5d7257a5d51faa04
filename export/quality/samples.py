"""What each file makes of the same beginnings, side by side."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from lilm.export.quality.opened import Measured
from lilm.export.quality.written import KINDS

OF_EACH_KIND = 2  # beginnings that are shown


def read_samples(out: Path, files: Sequence[Measured], skip: Collection[str] = ()) -> list[dict[str, Any]]:
    """[{"kind", "prompt", "texts": {quant: {"text", "ended", …}}}], the first OF_EACH_KIND beginnings of each kind of
    text, as they lie in the folder of results; none when free texts are skipped or gone. All files were given the same
    beginnings with the same seeds."""
    paths = {file.quant: out / "written" / f"{file.path.stem}.jsonl" for file in files}
    if "generations" in skip or not all(path.is_file() for path in paths.values()):
        return []
    texts = {quant: _lines(path) for quant, path in paths.items()}
    first = next(iter(texts.values()))
    chosen: list[int] = []
    for kind in dict.fromkeys(one["kind"] for one in first):
        chosen += [at for at, one in enumerate(first) if one["kind"] == kind][:OF_EACH_KIND]
    return [
        {
            "kind": first[at]["kind"],
            "prompt": first[at]["prompt"],
            "texts": {
                quant: {key: rows[at][key] for key in ("text", "ended", *KINDS)} for quant, rows in texts.items()
            },
        }
        for at in chosen
    ]


def _lines(path: Path) -> list[dict[str, Any]]:
    # by line feeds alone: what a model wrote may hold other separators, U+2028 and such, which JSON leaves as they are
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
