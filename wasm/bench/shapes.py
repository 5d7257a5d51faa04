"""Models to measure speed with: known shapes, random weights, any quant type. Speed does not depend on the values."""

import shutil
from pathlib import Path
from typing import Any

import gguf

from lilm.cache import cache_dir
from lilm.devices import prepare_torch
from lilm.export.gguf_writer import write_gguf
from lilm.llama.shape import Shape
from lilm.llamacpp.engine import quantize
from lilm.progress import Reporter
from lilm.temporary import temporary_folder
from lilm.train.base.model_folder import TOKENIZER, save_llama
from lilm.train.plan.calibrate import random_llama
from lilm.train.plan.shape import KNOWN
from lilm.train.stories import stories
from lilm.train.tokenizer.train import train_base_tokenizer
from lilm.vocabulary.sentencepiece import UNUSED, read_proto

N_CTX = 2048
SHAPES = {
    "m110": Shape(
        vocab=32_000,
        hidden=768,
        intermediate=2048,
        layers=12,
        heads=12,
        kv_heads=12,
        head_dim=64,
        tied=True,
        context=N_CTX,
    ),
    "tinyllama": Shape.of(KNOWN["TinyLlama/TinyLlama-1.1B"]),
}
PIECES = 1_000  # learnt ones; the others are there for their rows


def random_gguf(name: str, kind: str, reporter: Reporter) -> Path:
    """The GGUF of shape `name` in quant type `kind`, made once and kept in the cache."""
    folder = cache_dir() / "bench" / "models"
    target = folder / f"{name}-{kind}.gguf"
    if target.is_file():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with temporary_folder("shapes", folder) as part:
        half = folder / f"{name}-F16.gguf"
        if not half.is_file():
            reporter.say(f"  making {half.name}, random weights")
            _write_half(SHAPES[name], part, half)
        if kind != "F16":
            made = part / target.name
            ftype = gguf.LlamaFileType[f"MOSTLY_{kind}"]
            quantize(half, made, ftype, threads=2)
            made.replace(target)
    return target


def _write_half(shape: Shape, work: Path, target: Path) -> None:
    import torch

    prepare_torch(0, torch.get_num_threads())
    model: Any = random_llama(shape)
    save_llama(model.half(), work)
    del model
    train_base_tokenizer(list(stories("en", 2_000, 0)), PIECES, work / TOKENIZER)
    _fill(work / TOKENIZER, shape.vocab)
    made = work / target.name
    write_gguf(work, made, ())
    shutil.move(made, target)


def _fill(path: Path, vocab: int) -> None:
    """Unused pieces up to `vocab`."""
    proto = read_proto(path)
    for index in range(vocab - len(proto.pieces)):
        proto.pieces.add(piece=f"<unused_{index}>", score=-1e6, type=UNUSED)
    proto.trainer_spec.vocab_size = vocab
    path.write_bytes(proto.SerializeToString())
