"""The importance matrix: what it says, what reads it, and which ones are refused."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM

from lilm.errors import LilmError
from lilm.export.chunk import dequantise_matrix, quantise_matrix
from lilm.export.imatrix.collect import collect
from lilm.export.imatrix.file import read_imatrix, write_imatrix
from lilm.export.imatrix.importance import Importance, check_importance
from lilm.export.matrices import matrices
from lilm.gguf_file import open_gguf
from lilm.llama.config import read_llama_config
from lilm.llama.shape import Shape
from lilm.llamacpp.engine import Engine

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def windows(model: Path) -> np.ndarray:
    vocab = read_llama_config(model)["vocab_size"]
    return np.random.default_rng(0).integers(3, vocab, (11, 24))


def collected(model: Path) -> Importance:
    llama = LlamaForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    return collect(llama, Shape.of(read_llama_config(model)), windows(model), ("ja", "en"))


@pytest.fixture(scope="module")
def importance(random_model: Path) -> Importance:
    return collected(random_model)


def test_it_is_the_mean_of_the_squares_that_llama_cpp_multiplies(
    random_model: Path, random_export: Path, importance: Importance
) -> None:
    """The inputs of layer 1's attention, of its down projection and of the output, as llama.cpp computes them."""
    steps = {"blk.1.attn_k.weight": "attn_norm-1", "blk.1.ffn_down.weight": "ffn_swiglu-1"}
    steps |= {"output.weight": "result_norm"}
    seen: dict[str, list[np.ndarray]] = {name: [] for name in steps}
    with Engine(random_export / "model-f16.gguf", n_ctx=64, threads=2, exact=True, watched=True) as engine:
        for window in windows(random_model):
            for step, values in engine.steps(window.tolist(), "^(" + "|".join(steps.values()) + ")$"):
                name = next(one for one, its in steps.items() if its == step)
                seen[name].append(values.reshape(24, -1))
    for name, inputs in seen.items():
        means = np.square(np.concatenate(inputs).astype(np.float64)).mean(0)
        assert importance.means(name) == pytest.approx(means, rel=2e-3), name
    assert (importance.chunks, importance.chunk_size, set(importance.counts.values())) == (11, 24, {11 * 24})


def test_what_multiplies_nothing_has_none_and_a_tied_embedding_has(real_model: Path, importance: Importance) -> None:
    assert "token_embd.weight" not in importance.sums
    tied = collected(real_model)
    assert "token_embd.weight" in tied.sums
    assert "output.weight" not in tied.sums
    assert len(tied.sums) == 1 + 7 * Shape.of(read_llama_config(real_model)).layers


def test_a_file_keeps_it_in_llama_cpps_format(importance: Importance, random_export: Path, tmp_path: Path) -> None:
    path = tmp_path / "imatrix.gguf"
    write_imatrix(path, importance)
    reader = gguf.GGUFReader(path)
    values = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    assert values == {
        "general.type": "imatrix",
        "imatrix.datasets": ["ja", "en"],
        "imatrix.chunk_count": 11,
        "imatrix.chunk_size": 24,
    }
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    assert tensors["blk.0.ffn_up.weight.in_sum2"].shape.tolist() == [256, 1]
    assert tensors["blk.0.ffn_up.weight.counts"].shape.tolist() == [1, 1]
    again = read_imatrix(path)
    check_importance(again, matrices(open_gguf(random_export / "model-f16.gguf")), str(path))
    assert (again.counts, again.datasets, again.chunks) == (importance.counts, importance.datasets, importance.chunks)
    for name, sums in importance.sums.items():
        assert again.sums[name] == pytest.approx(sums, rel=1e-6)
    write_imatrix(tmp_path / "again.gguf", importance)
    assert (tmp_path / "again.gguf").read_bytes() == path.read_bytes()


def changed(importance: Importance, change: Callable[[dict[str, np.ndarray]], object]) -> Importance:
    sums = {name: one.copy() for name, one in importance.sums.items()}
    change(sums)
    counts = {name: importance.counts.get(name, 1) for name in sums}
    return dataclasses.replace(importance, sums=sums, counts=counts)


Q = "blk.0.attn_q.weight"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda sums: sums.update({"blk.0.attn_kq.weight": sums.pop(Q)}), "names blk.0.attn_kq.weight, which is no"),
        (lambda sums: sums.pop(Q), f"{Q} is not in it"),
        (lambda sums: sums.update({"token_embd.weight": sums[Q]}), "names token_embd.weight"),
        (lambda sums: sums.update({Q: sums[Q][:-1]}), f"{Q} has 255 columns there and 256"),
        (lambda sums: sums[Q].__setitem__(3, np.nan), f"{Q} has values that are no numbers"),
        (lambda sums: sums[Q].__setitem__(3, -1.0), f"{Q} has values below 0"),
        (lambda sums: sums[Q].__setitem__(3, 1e38), f"{Q} has a mean square of"),
    ],
)
def test_one_that_would_not_be_used_whole_is_refused(
    importance: Importance, random_export: Path, change: Callable[[dict[str, np.ndarray]], object], said: str
) -> None:
    found = matrices(open_gguf(random_export / "model-f16.gguf"))
    with pytest.raises(LilmError) as caught:
        check_importance(changed(importance, change), found, "some.gguf")
    assert said in caught.value.what
    assert caught.value.where == "some.gguf"


@pytest.mark.parametrize("kind", ["Q6_K", "Q5_K", "Q4_K", "Q5_0", "Q4_0", "IQ4_NL", "Q3_K"])
@pytest.mark.parametrize("zeros", [32, 256, 512])
def test_weights_whose_inputs_were_at_rest_are_not_lost(kind: str, zeros: int) -> None:
    matrix = np.random.default_rng(0).normal(size=(4, 512)).astype(np.float32)
    sums = np.concatenate([np.zeros(zeros), np.full(512 - zeros, 9.0)])
    importance = Importance({Q: sums}, {Q: 3}, (), 1, 3)
    weighed, plain = (
        dequantise_matrix(quantise_matrix(matrix, kind, weights), kind)[:, :zeros] - matrix[:, :zeros]
        for weights in (importance.means(Q), None)
    )
    assert np.abs(weighed).mean() < 1.3 * np.abs(plain).mean()


def test_a_model_is_no_importance_matrix(random_export: Path) -> None:
    with pytest.raises(LilmError, match="no importance matrix"):
        read_imatrix(random_export / "model-f16.gguf")


def test_a_file_of_llama_imatrix_is_used_as_it_is(real_model: Path, real_export: Path, tmp_path: Path) -> None:
    """As tools/imatrix/imatrix.cpp writes one of a model with a tied embedding: without it, as it collects only blk.*
    and output.weight; sums and counts are matrices of one row, after the keys of the text."""
    importance = collected(real_model)
    writer = gguf.GGUFWriter(tmp_path / "theirs.gguf", "")
    writer.add_architecture = lambda: None  # type: ignore[method-assign]
    writer.add_string("general.type", "imatrix")
    writer.add_array("imatrix.datasets", ["calibration.txt"])
    writer.add_uint32("imatrix.chunk_count", 11)
    writer.add_uint32("imatrix.chunk_size", 24)
    for name in sorted(importance.sums):
        if name.startswith("blk."):
            writer.add_tensor(f"{name}.in_sum2", importance.sums[name].astype(np.float32)[None])
            writer.add_tensor(f"{name}.counts", np.array([[importance.counts[name]]], np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = read_imatrix(tmp_path / "theirs.gguf")
    check_importance(found, matrices(open_gguf(real_export / "model-f16.gguf")), "theirs.gguf")
    assert found.datasets == ("calibration.txt",)
    assert found.means("blk.0.ffn_up.weight") == pytest.approx(importance.means("blk.0.ffn_up.weight"), rel=1e-6)
