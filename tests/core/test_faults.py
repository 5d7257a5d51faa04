"""Spoilt files of every kind are read or refused in one line; and the suite that says so finds faults."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lilm.cli.benchmarks import run_benchmark
from lilm.errors import LilmError
from lilm.progress import Reporter
from lilm.train.faults.bench import FAULTS, smaller
from lilm.train.faults.case import Case, Outcome, spoilt_case
from lilm.train.faults.kinds import KINDS
from lilm.train.faults.pool import Pool
from lilm.train.faults.seeds import seeds_in, write_jsonl
from tests.core import faulty_kinds

TEXTS = ("recipe", "chats", "text", "jsonl", "csv", "auto", "parquet", "aozora", "html", "warc", "mediawiki", "squad")
BESIDE = ("evaluation", "choices", "questions", "pairs", "translator", "imatrix", "adapter", "recipe.json")
MODELS = ("config", "safetensors", "tokenizer.json", "tokenizer.model", "gguf", "manifest")


@pytest.mark.parametrize(("kinds", "inputs"), [(TEXTS, 200), (MODELS, 72), (BESIDE, 120), (("http",), 60)])
def test_what_is_spoilt_is_read_or_refused(kinds: tuple[str, ...], inputs: int, reporter: Reporter) -> None:
    figures = run_benchmark("faults", reporter, inputs=inputs, seed=7, kinds=",".join(kinds))
    assert figures["faults"] == []
    assert figures["inputs"] == inputs and not any(figures[name] for name in FAULTS.values())
    assert list(figures["kinds"]) == list(kinds)


def test_an_unknown_kind(reporter: Reporter) -> None:
    with pytest.raises(LilmError, match="use some of: recipe, chats"):
        run_benchmark("faults", reporter, kinds="recipe,nothing")


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    # Its processes get this path and import the tests' kinds by it. Last, for the LiLM to test may be installed.
    monkeypatch.setattr(sys, "path", [*sys.path, str(Path(__file__).parents[2])])
    (tmp_path / "work").mkdir()
    with Pool(1, tmp_path / "work", "tests.core.faulty_kinds", seconds=2, memory=500_000_000, wait=2) as made:
        yield made


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    faulty_kinds.write(tmp_path / "seeds")
    return tmp_path / "seeds" / "one"


def test_each_fault_is_told_from_a_refusal_and_ended(pool: Pool, seed: Path) -> None:
    wanted = {
        "read it": "read",
        "refuse": "refused",
        "raise": "traceback",
        "die": "traceback",
        "panic": "traceback",
        "compute": "hang",
        "wait": "hang",
        "be stopped": "read",
        "eat": "over_memory",
        "leave": "half_written",
        "leave a temporary file": "half_written",
        "read again": "read",
    }
    found = {
        case.data.decode(): one for case, one in pool.run(Case("odd", seed, "input", word.encode()) for word in wanted)
    }
    assert {word: one.what for word, one in found.items()} == wanted
    assert found["raise"].signature == "KeyError in faulty_kinds.py, read" and "Traceback" in found["raise"].text
    assert "(3)" in found["die"].signature and "a.rs:1" in found["panic"].signature


def test_a_whole_seed_that_is_refused_is_a_mistake_of_the_suite(pool: Pool, seed: Path) -> None:
    (seed / "input").write_text("refuse", encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"the whole .* is not read"):
        list(pool.run([Case("odd", seed, "input", b"read")]))


def test_a_faulty_input_is_made_smaller(pool: Pool, seed: Path) -> None:
    case = Case("odd", seed, "input", b"a" * 300 + b"raise" + b"b" * 700)
    ((case, outcome),) = pool.run([case])
    small, same = smaller(pool, case, outcome)
    assert b"raise" in small.data and len(small.data) < 40
    assert isinstance(same, Outcome) and same.signature == outcome.signature


def test_the_same_seed_gives_the_same_inputs(tmp_path: Path) -> None:
    write_jsonl(tmp_path)
    folders = list(seeds_in(tmp_path))

    def inputs(seed: int) -> list[Case]:
        return [spoilt_case(KINDS["jsonl"], folders, seed, number) for number in range(60)]

    def texts(cases: list[Case]) -> list[tuple[str | None, bytes]]:
        return [(case.file, case.data) for case in cases if case.file == "a.jsonl"]  # gzip's have the time in them

    assert texts(inputs(1)) == texts(inputs(1)) != texts(inputs(2))
    assert {case.seed.name for case in inputs(1)} >= {"plain", "gz", "zst"}
