"""A build that computes something else than native llama.cpp is found, and where it begins is named."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import polars as pl
import pytest

from lilm.documents import write_documents
from lilm.errors import LilmError
from lilm.export.gguf_writer import write_gguf
from lilm.export.quantise import quantise
from lilm.fit.model import read_model
from lilm.llamacpp.engine import Engine
from lilm.progress import Reporter
from lilm.wasm.verify.first_difference import first_difference
from lilm.wasm.verify.gate import Gate

TEXT = "Once upon a time, there was a little girl named Lily. She loved to play with her red ball in the park. " * 4


@pytest.fixture(scope="module")
def stories(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """stories260K, a real model of five layers, as Q8_0 and Q4_0."""
    folder = tmp_path_factory.mktemp("stories")
    shutil.copytree(shared_data / "model" / "stories260K-hf", folder / "hf", copy_function=shutil.copyfile)
    write_gguf(folder / "hf", folder / "f16.gguf", ("en",))
    files = {kind: folder / f"{kind}.gguf" for kind in ("Q8_0", "Q4_0")}
    for kind, path in files.items():
        quantise(folder / "f16.gguf", path, kind, 1, lambda done, total: None)  # type: ignore[arg-type]
    return files


def spoilt(path: Path, tensor: str, target: Path) -> Path:
    """A copy of the file in which every row of `tensor` is its neighbour."""
    shutil.copyfile(path, target)
    (found,) = [one for one in gguf.GGUFReader(target, "r+").tensors if one.name == tensor]
    found.data[:] = np.roll(found.data, 1, axis=0)
    return target


@pytest.fixture
def native_reads(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Native llama.cpp opens this file, whichever is asked for: what a wrong kernel would make of the other one."""

    def use(path: Path) -> None:
        def other(_asked: Path, **settings: Any) -> Engine:
            return Engine(path, **settings)

        for module in ("divergence", "first_difference"):
            monkeypatch.setattr(f"lilm.wasm.verify.{module}.Engine", other)

    return use


@pytest.mark.parametrize("step", [1, 16])
@pytest.mark.parametrize(
    ("kind", "tensor", "name"),
    [("Q4_0", "blk.2.ffn_up.weight", "ffn_up-2"), ("Q8_0", "blk.0.attn_q.weight", "Qcur-0")],
)
def test_the_first_wrong_product_is_named(
    kind: str,
    tensor: str,
    name: str,
    step: int,
    stories: dict[str, Path],
    wasm_dir: Path,
    tmp_path: Path,
    native_reads: Callable[[Path], None],
) -> None:
    with Engine(stories[kind], n_ctx=256, threads=1) as engine:
        tokens = engine.tokenize(TEXT)[:32]
    asked: dict[str, Any] = {"step": step, "variant": "threads", "threads": 2}
    assert first_difference(stories[kind], wasm_dir, tokens, **asked) is None
    native_reads(spoilt(stories[kind], tensor, tmp_path / "spoilt.gguf"))
    found = first_difference(stories[kind], wasm_dir, tokens, **asked)
    assert found is not None
    assert (found.step, found.op) == (name, "MUL_MAT")
    assert found.weights.endswith(f" {tensor}") and found.weights.split()[0] in ("q4_0", "q8_0", "f16")
    assert found.apart > 0.1 > found.own


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    for lang in ("ja", "en"):
        frame = pl.DataFrame({"id": ["a", "b"], "source": ["s", "s"], "text": [TEXT, TEXT[::-1]]})
        write_documents(tmp_path / "corpus", lang, "heldout", frame)
    return tmp_path / "corpus"


def test_a_right_build_passes_and_is_not_measured_again(
    stories: dict[str, Path],
    wasm_dir: Path,
    corpus: Path,
    reporter: Reporter,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    shutil.copytree(wasm_dir / "threads", out / "threads")
    path = stories["Q4_0"]
    found = Gate(out, corpus, ("ja", "en"), "f16", reporter).measure(path, "threads", 2, read_model(path))
    assert found.agrees and found.tokens == 2 * 97
    assert set(found.report()) == {"kld_wasm", "kld_native", "kld_bound", "tokens"}
    monkeypatch.setattr("lilm.wasm.verify.gate.divergence", None)
    gate = Gate(out, corpus, ("ja", "en"), "f16", reporter)
    assert gate.measure(path, "threads", 2, read_model(path)) == found
    gate.pass_or_raise()


def test_a_wrong_build_is_told_with_the_place_and_what_to_do(
    stories: dict[str, Path],
    wasm_dir: Path,
    corpus: Path,
    reporter: Reporter,
    tmp_path: Path,
    native_reads: Callable[[Path], None],
) -> None:
    out = tmp_path / "out"
    shutil.copytree(wasm_dir / "threads", out / "threads")
    gate = Gate(out, corpus, ("ja", "en"), "f16", reporter)
    path = stories["Q8_0"]
    gate.measure(path, "threads", 2, read_model(path))
    native_reads(spoilt(path, "blk.1.ffn_down.weight", tmp_path / "spoilt.gguf"))
    assert not gate.measure(stories["Q8_0"], "threads", 1, read_model(path)).agrees
    with pytest.raises(LilmError) as caught:
        gate.pass_or_raise()
    line = caught.value.line()
    assert line.startswith(f"{path}: the threads build is ") and "blk.1.ffn_down.weight" in line
    assert "lilm run --from wasm" in line
    assert len(list((out / "checkpoints" / "gate").iterdir())) == 1  # what passed is kept, and only that
