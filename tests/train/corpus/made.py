"""What tests of the whole stage are made of: text, recipes, and what came out."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl

from lilm.pipeline.hashing import sha256_file
from lilm.pipeline.stage import Context
from lilm.recipe import CorpusConfig
from lilm.train.corpus import stage


def config(*sources: dict[str, Any], **keys: Any) -> CorpusConfig:
    return CorpusConfig.model_validate({"sources": sources, "workers": 1, **keys})


def hashes(folder: Path) -> dict[str, str]:
    """Of everything that is the same each time."""
    volatile = {"timing.json", "report.html"}
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in volatile]
    return {name: sha256_file(folder / name) for name in (path.relative_to(folder).as_posix() for path in files)
            if not name.startswith("checkpoints/")}  # fmt: skip


def made(recipe: CorpusConfig, out: Path, context: Context) -> Path:
    """The stage's folder, without its checkpoints."""
    out.mkdir(parents=True, exist_ok=True)
    stage.run(recipe, {}, out, context)
    shutil.rmtree(out / "checkpoints")
    return out


def report_of(out: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((out / "report.json").read_text())
    return report


def drops_of(out: Path) -> dict[str, tuple[str, str]]:
    """id -> (rule, reason)."""
    drops = pl.concat([pl.read_parquet(path) for path in sorted((out / "drops").glob("*.parquet"))])
    return {name: (rule, reason) for name, rule, reason in drops.select("id", "rule", "reason").iter_rows()}


def japanese_houses(count: int) -> list[str]:
    return [
        "".join(
            f"{number}番目の家の{room}号室には、{number * room % 97}匹の猫と{number + room * 7}冊の本がある。\n"
            for room in range(1, 9)
        )
        for number in range(count)
    ]


def english_houses(count: int) -> list[str]:
    return [
        "".join(
            f"In house {number}, room {room} of the tower has {number * room % 97} cats "
            f"and {number + room * 7} old books.\n"
            for room in range(1, 9)
        )
        for number in range(count)
    ]


# the houses repeat themselves
LOOSE = {
    "max_top_ngrams": [1, 1, 1],
    "max_duplicate_ngrams": [1] * 6,
    "min_compression": 0,
    "min_alphabetic_words": 0,
    "min_word_chars": 0,
}
