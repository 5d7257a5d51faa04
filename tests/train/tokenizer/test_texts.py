"""What the vocabulary is learnt from: the best-scored documents, evenly; on which lines it is verified."""

import json
from pathlib import Path

import polars as pl
import pytest

from lilm.documents import write_documents
from lilm.errors import LilmError
from lilm.train.tokenizer.texts import heldout_lines, learning_texts

SIZE = 100  # characters of a document


def corpus(folder: Path, buckets: list[list[str]], scored: bool = True) -> Path:
    """Documents that say which bucket they are of; a report as the corpus stage writes it."""
    for number, names in enumerate(buckets):
        texts = [name.ljust(SIZE, "。") for name in names]
        frame = pl.DataFrame({"id": names, "source": "made", "text": texts})
        write_documents(folder, "ja", "train", frame, f"{number:02d}-{number}")
    figures = [{"documents": len(names), "characters": SIZE * len(names)} for names in buckets]
    total = {key: sum(one[key] for one in figures) for key in ("documents", "characters")}
    score = {"buckets": figures} if scored else None
    report = {"languages": {"ja": {"score": score, "train": total}}}
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    return folder


def names(folder: Path, chars: int) -> list[str]:
    return [text.rstrip("。") for text in learning_texts(folder, "ja", chars)]


BUCKETS = [[f"best{n}" for n in range(10)], [f"middle{n}" for n in range(10)], [f"tail{n}" for n in range(10)]]


def test_the_best_bucket_first_and_the_last_one_needed_evenly(tmp_path: Path) -> None:
    folder = corpus(tmp_path, BUCKETS)
    assert names(folder, 500) == ["best1", "best3", "best5", "best7", "best9"]
    assert names(folder, 1000) == BUCKETS[0]
    assert names(folder, 1200) == [*BUCKETS[0], "middle4", "middle9"]
    assert names(folder, 10**6) == [name for bucket in BUCKETS for name in bucket]


def test_the_last_bucket_need_not_be_listed(tmp_path: Path) -> None:
    folder = corpus(tmp_path, BUCKETS)
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    report["languages"]["ja"]["score"]["buckets"].pop()
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    assert len(names(folder, 10**6)) == 30
    assert names(folder, 2500)[20:] == ["tail1", "tail3", "tail5", "tail7", "tail9"]


def test_text_without_scores_is_one_bucket(tmp_path: Path) -> None:
    folder = corpus(tmp_path, BUCKETS, scored=False)
    assert len(names(folder, 600)) == 6
    assert {name.rstrip("0123456789") for name in names(folder, 600)} == {"best", "middle", "tail"}


def test_a_corpus_without_figures_is_named(tmp_path: Path) -> None:
    folder = corpus(tmp_path, BUCKETS)
    (folder / "report.json").write_text("{}")
    with pytest.raises(LilmError, match="run the corpus stage again"):
        names(folder, 100)


def test_heldout_lines_are_spread_or_all(tmp_path: Path) -> None:
    texts = [f"{n}a\n\n  \n{n}b" for n in range(50)]
    frame = pl.DataFrame({"id": texts, "source": "made", "text": texts})
    write_documents(tmp_path, "en", "heldout", frame)
    assert len(heldout_lines(tmp_path, "en")) == 100
    some = heldout_lines(tmp_path, "en", 10)
    assert len(some) == 10 and some[-1] == "49b"
    write_documents(tmp_path, "de", "heldout", frame.with_columns(text=pl.lit(" ")))
    with pytest.raises(LilmError, match="no lines to verify"):
        heldout_lines(tmp_path, "de", 10)
