"""Codes whose errors cancel out, before anything is learnt; and what learning needs before it starts."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from lilm.errors import LilmError
from lilm.export.chunk import dequantise_matrix, quantise_matrix
from lilm.export.learned.compensate import compensated, spread
from lilm.export.learned.divergence import summed_divergence
from lilm.export.learned.formats import decode, encode
from lilm.export.learned.kinds import KINDS, Kind
from lilm.export.learned.learn import learn
from lilm.export.learned.matrix import LearntMatrix
from lilm.export.learned.memory import needed
from lilm.export.matrices import read_matrix
from lilm.export.retyped import write_retyped
from lilm.export.stage import check_base
from lilm.export.stage import run as run_export
from lilm.gguf_file import open_gguf
from lilm.llama.shape import Shape
from lilm.recipe import ExportConfig, LearnedConfig
from tests.export.test_learned import (
    N_CTX,
    config,
    divergence,
    one_thread,
    random_pack,
    real_pack,
    shakespeare,
    write_pack,
)

pytestmark = pytest.mark.usefixtures("one_torch_thread")
__all__ = ["random_pack", "real_pack"]  # fixtures

TINYLLAMA = Shape(51_520, 2048, 5632, 22, 32, 4, 64, tied=False, context=2048)


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_errors_cancel_out_on_the_inputs(kind: Kind) -> None:
    """Half the squared error of llama.cpp's rounding, where inputs go together as a model's do."""
    torch.manual_seed(0)
    inputs = torch.randn(2048, 64) @ torch.randn(64, 512) + 0.3 * torch.randn(2048, 512)
    weight = torch.randn(48, 512)
    products = inputs.T @ inputs
    latent, parts = compensated(weight, products, spread(products), kind, 1)
    ours = torch.from_numpy(parts.weights(kind)).view(48, 512)
    plain = torch.from_numpy(dequantise_matrix(quantise_matrix(weight.numpy(), kind.name), kind.name))

    def error(rounded: torch.Tensor) -> float:
        return float((inputs @ (rounded - weight).T).square().mean())

    assert error(ours) < 0.5 * error(plain)
    blocks = encode(parts, kind.name, 48)
    assert np.array_equal(dequantise_matrix(blocks, kind.name), ours.numpy())
    assert np.array_equal(decode(blocks, kind.name).codes, parts.codes)
    begun = LearntMatrix(latent, parts, kind).parts().codes.astype(int)
    assert np.abs(begun - parts.codes).max() <= 1 and (begun != parts.codes).mean() < 1e-3  # halves fall either way


def test_inputs_that_never_move_are_no_trouble() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(100, 256)
    inputs[:, 7:] = 0
    products = inputs.T @ inputs
    for seen in (products, torch.zeros(256, 256)):
        _, parts = compensated(torch.randn(4, 256), seen, spread(seen), KINDS["Q4_K"], 1)
        assert np.isfinite(parts.weights(KINDS["Q4_K"])).all()


def test_rounding_alone_makes_a_nearer_file(
    real_model: Path, real_pack: Path, real_export: Path, shared_data: Path, tmp_path: Path
) -> None:
    learned = config("Q4_0", steps=0, rounding_tokens=4096).model_dump()
    export = ExportConfig.model_validate({"quants": ["Q4_0"], "learned": [learned]})
    artifact = run_export(export, {"finetune": real_model, "pack": real_pack}, tmp_path, one_thread())
    ids = [1, *(piece for line in shakespeare(shared_data, real_model, 200_000, 210_000) for piece in line)]
    windows = [ids[at : at + N_CTX] for at in range(0, 8 * N_CTX, N_CTX)]
    full, stock, ours = (tmp_path / f"model-{name}.gguf" for name in ("f16", "Q4_0", "Q4_0-learned"))
    assert divergence(ours, full, windows) < 0.8 * divergence(stock, full, windows)
    assert {name: tensor.type for name, tensor in open_gguf(ours).tensors.items()} == {
        name: tensor.type for name, tensor in open_gguf(stock).tensors.items()
    }
    row = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["files"][-1]
    assert "rounded so that errors cancel out on 4,096 tokens, from the F16 file" in row["note"]
    assert row["learned"]["after"]["kld"] < 0.8 * row["learned"]["stock"]["kld"]
    assert artifact.volatile == ()


def test_too_little_memory_or_text_is_refused_before_any_file(
    real_model: Path, real_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = ExportConfig.model_validate({"quants": ["Q4_0"], "learned": [config("Q4_0").model_dump()]})
    inputs = {"finetune": real_model, "pack": write_pack(tmp_path / "pack", 512, {"ja": [[5]], "en": [[5]]})}
    out_dir = tmp_path / "out"
    out_dir.mkdir()
    with pytest.raises(LilmError, match="training text of ja fills 1 sequence"):
        run_export(export, inputs, out_dir, one_thread())
    monkeypatch.setattr("lilm.export.memory.free_memory", lambda: 500_000_000)
    with pytest.raises(LilmError, match=r"learning Q4_0 wants about 0\.\d GB of memory .* 0\.5 GB are free") as caught:
        run_export(export, {"finetune": real_model, "pack": real_pack}, out_dir, one_thread())
    assert caught.value.where == "export.learned" and "set steps = 0" in (caught.value.remedy or "")
    assert not list(out_dir.iterdir())
    with pytest.raises(LilmError, match="learning Q4_0 wants about"):  # hours earlier: as soon as the base is there
        check_base(export, real_model, one_thread())
    with pytest.raises(LilmError, match="measuring the types of a budget wants about"):
        check_base(ExportConfig(bits_per_weight=8.7), real_model, one_thread())


def test_what_fits_eight_gigabytes_at_tinyllamas_size() -> None:
    def gigabytes(**changed: object) -> float:
        return needed(TINYLLAMA, LearnedConfig.model_validate({"quant": "Q4_0", **changed})) / 1e9

    assert 24 < gigabytes() < 34
    assert gigabytes(steps=0) < 8


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_nothing_stays_on_the_cpu(kind: Kind) -> None:
    """Torch's meta device computes nothing, but refuses to mix with another."""
    parts = decode(quantise_matrix(np.ones((8, 512), np.float32), kind.name), kind.name)
    weight = torch.empty(8, 512, device="meta")
    for codes_learn in (True, False):
        matrix = LearntMatrix(weight, parts, kind, codes_learn)
        target = torch.empty(8, 512, device="meta")
        matrix.give(target)
        matrix.pull(target, torch.ones((), device="meta"))
        found = {one.grad.device.type for one in matrix.parameters() if one.requires_grad and one.grad is not None}
        assert found == {"meta"}
    hidden = torch.empty(5, 512, device="meta", requires_grad=True)
    loss = summed_divergence(hidden, weight, torch.empty(5, 512, device="meta"), weight)  # takes the gradient too
    assert loss.device.type == "meta"


def test_a_file_of_types_whose_blocks_are_not_learnt_is_refused(
    random_model: Path, random_pack: Path, random_export: Path, tmp_path: Path
) -> None:
    """As a budget may choose them, or llama.cpp for rows that 256 does not divide."""
    full = open_gguf(random_export / "model-f16.gguf")
    names = [name for name, tensor in full.tensors.items() if len(tensor.shape) > 1]
    start, target = tmp_path / "start.gguf", tmp_path / "learnt.gguf"

    def try_it(vocabulary: str, steps: int) -> str:
        types = {name: "Q5_1" if name.startswith("blk.") else vocabulary for name in names}
        write_retyped(full, start, types, lambda tensor, kind: quantise_matrix(read_matrix(full, tensor), kind))
        wanted = config("Q4_0", steps=steps, rounding_tokens=256)
        return learn(wanted, random_model, random_pack, start, target, tmp_path / f"log-{steps}", one_thread()).note

    for vocabulary, steps, what in (("Q8_0", 0, "no matrix of its layers"), ("Q5_1", 2, "no matrix")):
        with pytest.raises(LilmError, match=f"{what} has a type whose blocks are learnt") as caught:
            try_it(vocabulary, steps)
        assert caught.value.where == str(start) and "Q4_K" in (caught.value.remedy or "")
        assert not target.exists()
    assert try_it("Q8_0", 2).startswith("blocks learnt in 2 steps"), "embedding and output learn, and none is rounded"
