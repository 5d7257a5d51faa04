"""Blocks made one matrix at a time are llama.cpp's own; a file that is put together of them is one that it reads."""

from pathlib import Path
from typing import get_args

import gguf
import numpy as np
import pytest

from lilm.export.block_types import FAST, PLAIN, block_type, fitting
from lilm.export.chunk import dequantise_matrix, quantise_matrix
from lilm.export.matrices import matrices, read_matrix
from lilm.export.retyped import retyped_bytes, write_retyped
from lilm.gguf_file import GGUFFile, open_gguf
from lilm.recipe import ExportConfig
from lilm.recipe.export import BlockName

# At most so much of the weights' power is lost with so many bits.
LOST = {2: 0.2, 3: 0.05, 4: 0.012, 5: 0.004, 6: 0.001, 8: 0.0001}
QUANTS = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "IQ4_NL")


@pytest.fixture(scope="module")
def full(random_export: Path) -> GGUFFile:
    return open_gguf(random_export / "model-f16.gguf")


@pytest.mark.parametrize("quant", QUANTS)
def test_without_importance_every_tensor_has_the_bytes_of_llama_cpps_file(
    random_export: Path, full: GGUFFile, quant: str
) -> None:
    theirs = open_gguf(random_export / f"model-{quant}.gguf")
    for name, tensor in matrices(theirs).items():
        blocks = quantise_matrix(read_matrix(full, full.tensors[name]), tensor.type.name, threads=2)
        assert (blocks == theirs.rows(tensor)).all(), name


@pytest.mark.parametrize("quant", QUANTS)
def test_a_file_put_together_of_blocks_is_llama_cpps_file_but_for_its_keys(
    random_export: Path, full: GGUFFile, quant: str, tmp_path: Path
) -> None:
    theirs = open_gguf(random_export / f"model-{quant}.gguf")
    types = {name: tensor.type.name for name, tensor in matrices(theirs).items()}
    path = tmp_path / "ours.gguf"
    foretold = retyped_bytes(full, types)
    written = write_retyped(
        full, path, types, lambda tensor, kind: quantise_matrix(read_matrix(full, tensor), kind, None, 2)
    )
    ours = open_gguf(path)
    assert written == foretold == path.stat().st_size
    assert list(ours.tensors) == list(full.tensors)
    assert ours.keys | {"general.file_type": 0} == full.keys | {"general.file_type": 0}
    assert ours.keys["general.file_type"] == theirs.keys["general.file_type"]
    for name, tensor in ours.tensors.items():
        assert (ours.rows(tensor) == theirs.rows(theirs.tensors[name])).all(), name


@pytest.mark.parametrize("kind", [*FAST, *PLAIN])
def test_more_bits_lose_less_and_importance_says_where(full: GGUFFile, kind: str) -> None:
    matrix = read_matrix(full, full.tensors["blk.1.ffn_down.weight"])
    importance = np.where(np.arange(matrix.shape[1]) % 2, 1.0, 0.01).astype(np.float32)
    plain, weighed = (dequantise_matrix(quantise_matrix(matrix, kind, one), kind) for one in (None, importance))
    errors = [float((np.square(one - matrix) * importance).sum()) for one in (plain, weighed)]
    bound = LOST[int(kind.split("_")[0][-1])] * float((np.square(matrix) * importance).sum())
    assert 0 < errors[0] < bound
    assert errors[1] <= errors[0] if kind == "Q8_0" else errors[1] < errors[0]


def test_the_number_of_threads_changes_no_byte(full: GGUFFile) -> None:
    matrix = read_matrix(full, full.tensors["token_embd.weight"])
    importance = np.linspace(0.1, 2, matrix.shape[1], dtype=np.float32)
    assert (quantise_matrix(matrix, "Q4_K", importance, 1) == quantise_matrix(matrix, "Q4_K", importance, 3)).all()


def test_types_are_offered_where_they_divide_the_rows() -> None:
    assert [one.name for one in fitting(FAST, 576)] == ["IQ4_NL", "Q4_0", "Q8_0"]
    assert [one.name for one in fitting(FAST, 1536)] == ["IQ4_NL", "Q4_0", "Q4_K", "Q5_K", "Q6_K", "Q8_0"]
    assert [one.name for one in fitting(FAST, 172)] == ["F16"]
    assert block_type("Q6_K").matrix_bytes(3, 512) == 3 * 2 * 210
    for name in (*FAST, *PLAIN):
        assert (block_type(name).block, block_type(name).bytes) == gguf.GGML_QUANT_SIZES[
            gguf.GGMLQuantizationType[name]
        ]


def test_a_recipe_may_name_all_and_names_the_fast_ones_by_default() -> None:
    assert ExportConfig().mix_types == FAST
    assert get_args(BlockName) == FAST + PLAIN
    assert all(block_type(name).fast for name in (*FAST, "F16"))
    assert not any(block_type(name).fast for name in PLAIN)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="do not divide rows of 96"):
        quantise_matrix(np.zeros((4, 96), np.float32), "Q4_K")
    with pytest.raises(ValueError, match="for 64 columns"):
        quantise_matrix(np.zeros((4, 64), np.float32), "Q4_0", np.ones(32, np.float32))
