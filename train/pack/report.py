"""The corpus's report once more, when its tokens are known."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lilm.disk import write_atomic
from lilm.pipeline.hashing import write_json
from lilm.train.corpus.report.page import report_page

FIGURES, PAGE = "report.json", "report.html"


def write_report_with_tokens(
    corpus: Path, stores: Mapping[str, Mapping[str, Any]], seconds: float, out_dir: Path
) -> None:
    """Write report.json and report.html to `out_dir`: what the corpus stage reported, and per language the tokens to
    train on, characters a token and bytes a token. stores: "<lang>-<split>" -> tokens, characters, bytes."""
    report = json.loads((corpus / FIGURES).read_text(encoding="utf-8"))
    report["tokens"] = {
        name.removesuffix("-train"): {
            "tokens": store["tokens"],
            "characters_per_token": round(store["characters"] / store["tokens"], 4),
            "bytes_per_token": round(store["bytes"] / store["tokens"], 4),
        }
        for name, store in stores.items()
        if name.endswith("-train")
    }
    write_json(out_dir / FIGURES, report)
    megabytes = sum(store["bytes"] for store in stores.values()) / 1e6
    spent = {"seconds": round(seconds, 3), "mb": round(megabytes, 3), "mb_s": round(megabytes / seconds, 1)}
    timing = {"steps": {"pack": spent}, "predicted": None, "actual": None}
    write_atomic(out_dir / PAGE, report_page(report, timing))
