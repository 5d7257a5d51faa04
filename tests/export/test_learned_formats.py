"""Blocks of llama.cpp's own files, taken apart and put together."""

from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np
import pytest

from lilm.export.learned.formats import decode, encode
from lilm.export.learned.kinds import KINDS, Kind
from lilm.gguf_file import open_gguf

FILES = ("Q4_0", "IQ4_NL", "Q5_0", "Q8_0", "Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K")


@pytest.mark.parametrize("name", FILES)
def test_parts_are_the_files_weights_and_make_its_bytes(stock_files: Mapping[str, Path], name: str) -> None:
    file = open_gguf(stock_files[name])
    met = set()
    for tensor in file.tensors.values():
        kind = KINDS.get(tensor.type.name)
        if kind is None:
            assert tensor.type.name == "F32"
            continue
        met.add(kind.name)
        rows = np.array(file.rows(tensor))
        parts = decode(rows, kind.name)
        assert parts.codes.min() >= kind.lowest and parts.codes.max() <= kind.highest
        weights = parts.weights(kind).reshape(tensor.shape)
        assert weights.tobytes() == gguf.dequantize(rows, tensor.type).tobytes()
        assert np.array_equal(encode(parts, kind.name, len(rows)), rows)
    assert name.removesuffix("_M") in met


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_code_and_group_scale_survives(kind: Kind) -> None:
    """Real weights leave out some codes: any bytes, but for scales that are no numbers."""
    random = np.random.default_rng(0)
    block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind.name]]
    rows = random.integers(0, 256, (64, 4 * size), dtype=np.uint8)
    blocks = rows.reshape(-1, size)
    for at in (size - 2,) if kind.name in ("Q3_K", "Q6_K") else (0, 2) if kind.has_mins else (0,):
        blocks[:, at : at + 2] = random.normal(0, 0.1, len(blocks)).astype("<f2").view(np.uint8).reshape(-1, 2)
    parts = decode(rows, kind.name)
    assert block == kind.block
    assert set(np.unique(parts.codes)) == set(range(kind.lowest, kind.highest + 1))
    wanted = gguf.dequantize(rows, gguf.GGMLQuantizationType[kind.name])
    assert parts.weights(kind).tobytes() == wanted.tobytes()
    assert np.array_equal(encode(parts, kind.name, len(rows)), rows)
