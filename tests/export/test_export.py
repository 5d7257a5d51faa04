"""What the export stage writes, and what it says about bad input."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from safetensors.torch import load_file, save_file

from lilm.errors import LilmError
from lilm.export.gguf_info import read_tensors
from lilm.export.gguf_writer import write_gguf
from lilm.export.quantise import QUANTS, verify_types
from lilm.export.stage import check
from lilm.export.stage import run as run_export
from lilm.llama.config import read_llama_config
from lilm.llama.shape import Shape
from lilm.pipeline.hashing import sha256_file
from lilm.pipeline.stage import Context
from lilm.recipe import ExportConfig
from lilm.train.plan.memory import file_bytes
from tests.export.conftest import export


def report(folder: Path) -> dict[str, dict[str, Any]]:
    files = json.loads((folder / "report.json").read_text(encoding="utf-8"))["files"]
    return {file["quant"]: file for file in files}


@pytest.mark.parametrize(
    ("quant", "middle", "widest"),
    [
        ("Q8_0", "Q8_0", "Q8_0"),
        ("Q6_K", "Q6_K", "Q6_K"),
        ("Q5_K_M", "Q5_K", "Q6_K"),
        ("Q4_K_M", "Q4_K", "Q6_K"),
        ("Q4_0", "Q4_0", "Q6_K"),
        ("IQ4_NL", "IQ4_NL", "Q6_K"),
    ],
)
def test_a_fitting_shape_gets_the_types_asked_for(random_export: Path, quant: str, middle: str, widest: str) -> None:
    row = report(random_export)[quant]
    assert row["note"] == ""
    assert row["tensors"]["blk.1.attn_q.weight"] == middle
    assert row["tensors"]["output.weight"] == widest
    assert row["tensors"]["blk.1.attn_norm.weight"] == "F32"
    in_file = {tensor.name: tensor.tensor_type.name for tensor in gguf.GGUFReader(random_export / row["name"]).tensors}
    assert row["tensors"] == in_file


def test_bits_per_weight_are_of_the_whole_file(random_export: Path) -> None:
    rows = report(random_export)
    parameters = json.loads((random_export / "report.json").read_text())["parameters"]
    for row in rows.values():
        size = (random_export / row["name"]).stat().st_size
        assert row["bytes"] == size
        assert row["bits_per_weight"] == pytest.approx(size * 8 / parameters, abs=1e-3)
    assert rows["Q4_0"]["tensor_types"]["Q4_0"]["bits_per_weight"] == 4.5
    assert rows["Q6_K"]["tensor_types"]["Q6_K"]["bits_per_weight"] == 6.5625
    assert rows["F16"]["bytes"] > rows["Q8_0"]["bytes"] > rows["Q6_K"]["bytes"] > rows["Q4_K_M"]["bytes"]


@pytest.mark.parametrize("model", ["random", "real"])
def test_sizes_foretold_by_compare_sizes_are_those_of_the_files(model: str, request: pytest.FixtureRequest) -> None:
    files = report(request.getfixturevalue(f"{model}_export"))
    shape = Shape.of(read_llama_config(request.getfixturevalue(f"{model}_model")))
    for file_type in ("Q4_0", "Q8_0", "F16"):
        assert file_bytes(shape, file_type) == pytest.approx(files[file_type]["bytes"], rel=0.05, abs=12_000)


def test_rows_that_blocks_do_not_divide_are_reported(real_export: Path) -> None:
    row = report(real_export)["Q4_K_M"]
    assert "not a true Q4_K_M" in row["note"]
    assert "36 of 36 matrices" in row["note"]
    assert row["bits_per_weight"] > 8
    assert "Q4_K" not in row["tensor_types"]


def test_a_type_nobody_asked_for_is_an_error(random_export: Path) -> None:
    with pytest.raises(RuntimeError, match="written as Q8_0"):
        verify_types(read_tensors(random_export / "model-Q8_0.gguf"), "Q4_K_M")


def test_numbers_of_the_file_types_are_llama_cpps() -> None:
    import llama_cpp

    for name, quant in QUANTS.items():
        assert quant.ftype == getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{name}")


def test_metadata(random_export: Path) -> None:
    fields = gguf.GGUFReader(random_export / "model-Q4_K_M.gguf").fields
    values = {name: fields[name].contents() for name in fields if name != "tokenizer.ggml.tokens"}
    assert values["general.architecture"] == "llama"
    assert values["general.languages"] == ["ja", "en"]
    assert values["general.file_type"] == 15
    assert values["llama.attention.head_count_kv"] == 2
    assert values["llama.rope.freq_base"] == 50_000
    assert values["tokenizer.chat_template"] == "{{ messages[0].content }}"


def test_the_same_bytes_again_also_over_leftovers(
    random_model: Path, random_export: Path, session_context: Context, tmp_path: Path
) -> None:
    (tmp_path / "model-Q4_0.gguf.part").write_bytes(b"half")
    (tmp_path / "model-f16.gguf").write_bytes(b"stale")
    export(random_model, tmp_path, session_context)
    hashes = {path.name: sha256_file(path) for path in sorted(random_export.iterdir())}
    assert {path.name: sha256_file(path) for path in sorted(tmp_path.iterdir())} == hashes


def test_one_file_of_weights_gives_the_same_gguf_as_shards(
    random_model: Path, random_export: Path, tmp_path: Path
) -> None:
    folder = copy_of(random_model, tmp_path)
    tensors: dict[str, torch.Tensor] = {}
    for shard in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(shard)
        shard.unlink()
    (folder / "model.safetensors.index.json").unlink()
    save_file(tensors, folder / "model.safetensors")
    write_gguf(folder, tmp_path / "one.gguf", ("ja", "en"))
    assert sha256_file(tmp_path / "one.gguf") == sha256_file(random_export / "model-f16.gguf")


def copy_of(model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model, tmp_path / "copy"))


def refused(folder: Path, tmp_path: Path) -> LilmError:
    with pytest.raises(LilmError) as caught:
        write_gguf(folder, tmp_path / "bad.gguf", ("ja",))
    assert not (tmp_path / "bad.gguf").exists()
    return caught.value


def test_truncated_safetensors_are_named(random_model: Path, tmp_path: Path) -> None:
    folder = copy_of(random_model, tmp_path)
    shard = sorted(folder.glob("*.safetensors"))[1]
    os.truncate(shard, shard.stat().st_size // 2)
    error = refused(folder, tmp_path)
    assert error.where == str(shard)
    assert "truncated" in error.what
    assert error.remedy


def test_a_missing_shard_is_named(random_model: Path, tmp_path: Path) -> None:
    folder = copy_of(random_model, tmp_path)
    shard = sorted(folder.glob("*.safetensors"))[0]
    shard.unlink()
    assert refused(folder, tmp_path).where == str(shard)


def test_weights_that_are_not_numbers_are_named(random_model: Path, tmp_path: Path) -> None:
    folder = copy_of(random_model, tmp_path)
    shard = sorted(folder.glob("*.safetensors"))[0]
    tensors = load_file(shard)
    name = sorted(tensors)[0]
    tensors[name][0] = float("nan")
    save_file(tensors, shard, {"format": "pt"})
    assert name in refused(folder, tmp_path).what


def test_a_tokenizer_of_another_size_is_refused(random_model: Path, real_model: Path, tmp_path: Path) -> None:
    folder = copy_of(random_model, tmp_path)
    shutil.copyfile(real_model / "tokenizer.model", folder / "tokenizer.model")
    assert "512 pieces" in refused(folder, tmp_path).what


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "qwen2"}, "qwen2"),
        ({"attention_bias": True}, "self_attn.q_proj.bias"),
        ({"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 8.0}}, "dynamic"),
        ({"hidden_size": 128}, "has shape"),
    ],
)  # fmt: skip
def test_models_that_gguf_would_misread_are_refused(
    random_model: Path, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    folder = copy_of(random_model, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    assert said in refused(folder, tmp_path).what


def test_no_space(
    random_model: Path, session_context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(LilmError, match="no space: the export needs"):
        run_export(ExportConfig(), {"finetune": random_model}, tmp_path, session_context)
    assert list(tmp_path.iterdir()) == []


def test_the_space_asked_for_is_enough(random_export: Path) -> None:
    from lilm.export.space import bytes_needed

    written = sum(path.stat().st_size for path in random_export.glob("*.gguf"))
    parameters = json.loads((random_export / "report.json").read_text())["parameters"]
    needed = bytes_needed(parameters, 384, tuple(QUANTS), whole_rows=True)
    assert written <= needed < written * 1.5 + 20e6


def test_a_type_named_twice_is_refused(session_context: Context) -> None:
    with pytest.raises(LilmError, match="Q4_0 stands there twice"):
        check(ExportConfig(quants=("Q4_0", "Q4_0")), session_context)


def test_a_learnt_budget_of_types_that_are_not_learnt_is_refused_before_anything_starts(
    session_context: Context,
) -> None:
    keys = {"bits_per_weight": 7, "learned": [{"quant": "mix"}]}
    with pytest.raises(LilmError, match="Q5_1, Q4_1: of none of them blocks are learnt") as caught:
        check(ExportConfig.model_validate({**keys, "mix_types": ["Q5_1", "Q4_1"]}), session_context)
    assert caught.value.where == "export.mix_types"
    check(ExportConfig.model_validate({**keys, "mix_types": ["Q5_1", "Q4_0"]}), session_context)
