"""How far our build is from native llama.cpp, on a real model."""

import shutil
from pathlib import Path
from typing import Any, Literal

from lilm.errors import LilmError
from lilm.export.gguf_writer import write_gguf
from lilm.export.quantise import quantise
from lilm.llamacpp.engine import Engine
from lilm.temporary import temporary_folder
from lilm.wasm.build import BuiltCore
from lilm.wasm.verify.divergence import divergence

TYPES: tuple[Literal["Q8_0", "Q4_0"], ...] = ("Q8_0", "Q4_0")
TOKENS = 384


def divergences(data: Path, core: BuiltCore) -> dict[str, Any]:
    """kld_vs_native: of the F16 file, nats. kld_by_type: {type: {wasm, native}}, the latter what native llama.cpp
    differs from itself by when it rounds otherwise.

    data: a folder with model/NAME-hf (Hugging Face's files) and texts below en_text.
    Raises LilmError when either is not there.
    """
    models = sorted((data / "model").glob("*-hf"))
    texts = sorted((data / "en_text").rglob("*.txt"))
    if not models or not texts:
        raise LilmError("no model/*-hf or no en_text/**/*.txt in it", where=str(data), remedy="leave --data out")
    with temporary_folder("real") as folder:
        shutil.copytree(models[0], folder / "hf", copy_function=shutil.copyfile)
        half = folder / "F16.gguf"
        write_gguf(folder / "hf", half, ("en",))
        core.copy_to(folder / core.variant)
        with Engine(half, n_ctx=TOKENS, threads=1) as engine:
            tokens = engine.tokenize(texts[0].read_text(encoding="utf-8")[: 16 * TOKENS])[:TOKENS]
        by_type = {}
        for kind in TYPES:
            path = folder / f"{kind}.gguf"
            quantise(half, path, kind, 1, lambda done, total: None)
            found = divergence(path, folder, [tokens], variant=core.variant)
            by_type[kind] = {"wasm": found.wasm, "native": found.native}
        whole = divergence(half, folder, [tokens], variant=core.variant)
        return {"kld_vs_native": whole.wasm, "kld_by_type": by_type}
