"""Records whose id stood before: counted, named, left out, also over a kill."""

import json
import os
from pathlib import Path

import pytest

from lilm.documents import count_documents, read_texts
from lilm.errors import LilmError
from lilm.pipeline.stage import Context
from lilm.recipe import CorpusConfig
from lilm.train.corpus import stage
from lilm.train.corpus.reading import shard
from tests.train.corpus.made import LOOSE, config, english_houses, hashes, japanese_houses, made, report_of


def write_records(path: Path, texts: list[str], ids: list[object]) -> Path:
    records = [{"text": text, "id": name} for text, name in zip(texts, ids, strict=True)]
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    return path


@pytest.fixture
def repeating(tmp_path: Path) -> CorpusConfig:
    """Two files of 150 Japanese records each; ids 7 and 201 come twice, the second time with another text."""
    ja = japanese_houses(300)
    ids: list[object] = list(range(300))
    ids[120], ids[250] = 7, 201
    write_records(tmp_path / "a.jsonl", ja[:150], ids[:150])
    write_records(tmp_path / "b.jsonl", ja[150:], ids[150:])
    write_records(tmp_path / "en.jsonl", english_houses(60), [None] * 60)
    return config(
        {"name": "ja", "lang": "ja", "format": "jsonl", "path": str(tmp_path / "*.jsonl").replace("*", "[ab]")},
        {"name": "en", "lang": "en", "format": "jsonl", "path": str(tmp_path / "en.jsonl")},
        rules=LOOSE,
        dedup={"near": 1},
    )


def test_a_repeated_id_is_broken_input(repeating: CorpusConfig, tmp_path: Path, context: Context) -> None:
    out = made(repeating, tmp_path / "out", context)
    bad = report_of(out)["bad"]["ja"]
    assert (bad["records"], bad["bad"]) == (300, 2)
    first, second = bad["samples"]
    a, b = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    assert first == {"where": f"{a}:121", "what": f"id_field 'id': '7' stands already at {a}:8"}
    assert second == {"where": f"{b}:101", "what": f"id_field 'id': '201' stands already at {b}:52"}
    texts = [*read_texts(out, "ja", "train"), *read_texts(out, "ja", "heldout")]
    kept = {int(text.partition("番目")[0]) for text in texts}
    assert kept == set(range(300)) - {120, 250}
    steps = report_of(out)["sources"]["ja"]
    assert (steps["normalised"]["documents"], steps["filtered"]["documents"], steps["written"]["documents"]) == (
        300, 298, 298,
    )  # fmt: skip


def test_ids_and_file_names_that_no_file_can_hold(tmp_path: Path, context: Context) -> None:
    """A name in CP932, as archives of Windows unpack to, and half a surrogate pair."""
    path = tmp_path / os.fsdecode("猫.jsonl".encode("cp932"))
    ids = ["\ud800", *range(298), "\ud800"]
    lines = [json.dumps({"text": text, "id": own}) for text, own in zip(japanese_houses(300), ids, strict=True)]
    path.write_text("\n".join([*lines, "broken"]))
    write_records(tmp_path / "en.json", english_houses(4), [None] * 4)
    recipe = config(
        {"name": "ja", "lang": "ja", "path": f"{tmp_path}/*.jsonl"},
        {"name": "en", "lang": "en", "path": str(tmp_path / "en.json")},
        rules=LOOSE,
        dedup={"near": 1},
    )
    bad = report_of(made(recipe, tmp_path / "out", context))["bad"]["ja"]
    where = str(path).encode(errors="backslashreplace").decode()
    assert bad["bad"] == 2 and [one["where"] for one in bad["samples"]] == [f"{where}:301", f"{where}:300"]
    assert "'\\\\ud800' stands already" in bad["samples"][1]["what"]


def test_a_repeated_id_may_stop_it(repeating: CorpusConfig, tmp_path: Path, context: Context) -> None:
    with pytest.raises(LilmError, match="'7' stands already at") as caught:
        made(repeating.model_copy(update={"bad_input": "stop"}), tmp_path / "out", context)
    assert caught.value.where == f"{tmp_path / 'a.jsonl'}:121"
    with pytest.raises(LilmError, match="of 300 records of source ja 2 are broken") as caught:
        made(repeating.model_copy(update={"max_bad": 0.005}), tmp_path / "strict", context)
    assert 'if ids start again in each file, set `id_field = ""`' in caught.value.remedy


def test_ids_may_be_left_alone(repeating: CorpusConfig, tmp_path: Path, context: Context) -> None:
    sources = tuple(source.model_copy(update={"id_field": ""}) for source in repeating.sources)
    out = made(repeating.model_copy(update={"sources": sources}), tmp_path / "out", context)
    assert report_of(out)["bad"]["ja"]["bad"] == 0
    assert count_documents(out, "ja", "train") + count_documents(out, "ja", "heldout") == 300


def test_blocks_without_repeated_ids_survive_a_kill(
    repeating: CorpusConfig, tmp_path: Path, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after blocks were written again and before their report was: the same corpus in the end."""
    whole = made(repeating, tmp_path / "whole", context)

    save = shard.ShardReport.save

    def killed(report: shard.ShardReport, path: Path) -> None:
        if report.rewritten is not None:
            raise KeyboardInterrupt
        save(report, path)

    out = tmp_path / "out"
    out.mkdir()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(shard.ShardReport, "save", killed)
        stage.run(repeating, {}, out, context)
    assert list((out / "checkpoints").glob("shards/rewritten/*.npy"))
    assert hashes(made(repeating, out, context)) == hashes(whole)
