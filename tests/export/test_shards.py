"""A file in parts is llama.cpp's, says the same, and can be made whole again."""

import json
import shutil
from pathlib import Path

import gguf
import numpy as np
import pytest

from lilm.errors import LilmError
from lilm.export.shards import join_parts, split_file
from lilm.export.stage import run
from lilm.fit.model import read_model
from lilm.gguf_file import open_gguf
from lilm.gguf_parts import model_at, parts_of
from lilm.gguf_split import whole_bytes
from lilm.llamacpp.engine import Engine
from lilm.pipeline.hashing import sha256_file
from lilm.pipeline.stage import Context
from lilm.recipe import ExportConfig

MOST = 300_000


@pytest.fixture
def whole(random_export: Path, tmp_path: Path) -> Path:
    path = tmp_path / "model-Q8_0.gguf"
    shutil.copyfile(random_export / path.name, path)
    return path


def logits(model: Path) -> np.ndarray:
    with Engine(model, n_ctx=64, threads=1) as engine:
        return engine.logits(engine.tokenize("The cat sat on the mat.")).copy()


def test_the_parts_are_llama_cpps_and_say_the_same(whole: Path) -> None:
    said, tensors, size = logits(whole), list(open_gguf(whole).tensors), whole.stat().st_size
    read = read_model(whole)
    parts = split_file(whole, MOST)
    assert [part.name for part in parts] == [
        f"model-Q8_0-{number:05d}-of-{len(parts):05d}.gguf" for number in range(1, len(parts) + 1)
    ]
    assert len(parts) > 3 and not whole.exists()
    assert all(part.stat().st_size <= MOST for part in parts)
    readers = [gguf.GGUFReader(part) for part in parts]
    for number, reader in enumerate(readers):
        values = [reader.fields[f"split.{key}"].contents() for key in ("no", "count", "tensors.count")]
        assert values == [number, len(parts), len(tensors)]
        assert ("tokenizer.ggml.tokens" in reader.fields) == (number == 0)
    assert [tensor.name for reader in readers for tensor in reader.tensors] == tensors
    assert (logits(parts[0]) == said).all()
    assert whole_bytes(parts[0]) == size
    assert read_model(parts[0]) == read
    with pytest.raises(LilmError, match="one part of a GGUF"):
        open_gguf(parts[1])


def test_parts_joined_are_the_file_that_was_split(random_export: Path, tmp_path: Path) -> None:
    for name in ("model-f16.gguf", "model-Q4_K_M.gguf"):
        shutil.copyfile(random_export / name, tmp_path / name)
        first, *_ = split_file(tmp_path / name, MOST)
        join_parts(first, tmp_path / "again.gguf")
        assert sha256_file(tmp_path / "again.gguf") == sha256_file(random_export / name)


def test_a_small_file_stays_and_a_large_tensor_is_not_divided(whole: Path) -> None:
    size = whole.stat().st_size
    assert split_file(whole, size) == (whole,)
    count = len(open_gguf(whole).tensors)
    parts = split_file(whole, 1)
    assert len(parts) == count
    assert whole_bytes(parts[0]) == size


def test_missing_and_foreign_parts_are_named(whole: Path) -> None:
    parts = split_file(whole, MOST)
    parts[1].rename(whole.with_name("kept"))
    with pytest.raises(LilmError, match="a part of the model is not there") as caught:
        parts_of(parts[0])
    assert caught.value.where == str(parts[1])
    shutil.copyfile(parts[2], parts[1])
    with pytest.raises(LilmError, match=f"does not say that it is part 2 of {len(parts)}"):
        join_parts(parts[0], whole)
    assert not whole.exists()


def test_without_room_the_whole_file_stays(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(LilmError, match=r"no space: splitting model-Q8_0\.gguf"):
        split_file(whole, MOST)
    assert list(whole.parent.iterdir()) == [whole]


def test_the_stage_splits_what_is_larger(random_model: Path, session_context: Context, tmp_path: Path) -> None:
    for out in (tmp_path / "one", tmp_path / "two"):
        out.mkdir()
        (out / "model-Q4_0-00001-of-00009.gguf").write_bytes(b"of a killed try")
        config = ExportConfig(quants=("Q8_0", "Q4_0"), shard_mb=1.6)
        run(config, {"finetune": random_model}, out, session_context)
    hashes = [{path.name: sha256_file(path) for path in folder.iterdir()} for folder in (tmp_path / "one", out)]
    assert hashes[0] == hashes[1]
    rows = json.loads((out / "report.json").read_text())["files"]
    assert [(row["quant"], len(row.get("parts", ()))) for row in rows] == [("F16", 3), ("Q8_0", 2), ("Q4_0", 0)]
    for row in rows:
        first = model_at(out, f"model-{'f16' if row['quant'] == 'F16' else row['quant']}")
        assert row["name"] == first.name
        assert row["bytes"] == sum(part.stat().st_size for part in parts_of(first))
        assert row["tensors"].keys() == rows[0]["tensors"].keys()
    assert sorted(path.name for path in out.glob("*.gguf")) == sorted(
        name for row in rows for name in row.get("parts", [row["name"]])
    )
