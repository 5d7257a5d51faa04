"""The browser's llama.cpp computes what the native one computes, on a real model."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from lilm.export.gguf_writer import write_gguf
from lilm.export.quantise import quantise
from lilm.llamacpp.engine import Engine
from lilm.wasm.verify.divergence import divergence

TOKENS = 192


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Path], list[int]]:
    """stories260K as F16, Q8_0 and Q4_0, and real text as its tokens."""
    folder = tmp_path_factory.mktemp("real")
    shutil.copytree(shared_data / "model" / "stories260K-hf", folder / "hf", copy_function=shutil.copyfile)
    files = {kind: folder / f"{kind}.gguf" for kind in ("f16", "Q8_0", "Q4_0")}
    write_gguf(folder / "hf", files["f16"], ("en",))
    for kind in ("Q8_0", "Q4_0"):
        quantise(files["f16"], files[kind], kind, 1, lambda done, total: None)
    text = (shared_data / "en_text" / "tinyshakespeare" / "data__tinyshakespeare__input.txt").read_text()
    with Engine(files["f16"], n_ctx=512, threads=1) as engine:
        return files, engine.tokenize(text[:2000])[:TOKENS]


def test_wasm_and_native_agree(real: tuple[dict[str, Path], list[int]], wasm_dir: Path) -> None:
    files, tokens = real
    found = divergence(files["f16"], wasm_dir, [tokens], threads=2)
    assert found.agrees and found.wasm <= 1e-4 and found.tokens == TOKENS


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0"])
def test_quantised_they_agree_as_native_does_with_itself(
    kind: str, real: tuple[dict[str, Path], list[int]], wasm_dir: Path
) -> None:
    files, tokens = real
    found = divergence(files[kind], wasm_dir, [tokens[:96], tokens[96:]], threads=2)
    assert found.agrees and found.wasm <= 2 * found.native


def test_another_model_is_far(
    real: tuple[dict[str, Path], list[int]], wasm_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The measure sees what four bits cost."""
    files, tokens = real

    def other(path: Path, **settings: Any) -> Engine:
        return Engine(files["Q4_0"], **settings)

    monkeypatch.setattr("lilm.wasm.verify.divergence.Engine", other)
    found = divergence(files["Q8_0"], wasm_dir, [tokens])
    assert found.wasm > 1e-2 and not found.agrees
