"""The row and the files of a control token that a base gets because it has none."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lilm.disk import replacing, write_atomic
from lilm.json_file import read_json_object
from lilm.llama.weights import INDEX
from lilm.pipeline.hashing import write_json
from lilm.progress import Reporter
from lilm.train.base.weights_check import EMBEDDING, HEAD, open_weights
from lilm.vocabulary.byte_level import CONFIG, FILE, read_byte_level
from lilm.vocabulary.sentencepiece import has_model
from lilm.vocabulary.turn_mark import TurnMark


def take_mark(folder: Path, config: Mapping[str, Any], mark: TurnMark, reporter: Reporter) -> dict[str, Any]:
    """Begins the mark's row in the folder's own copy of the weights, and says so. Returns `config`, that of the folder,
    as it is with the mark."""
    reporter.say(f"  the base has no control token: {_described(mark)}")
    return {**config, "vocab_size": _begin_row(folder, mark), "bos_token_id": None, "eos_token_id": mark.index}


def _described(mark: TurnMark) -> str:
    """What it is, for the user."""
    if mark.known:
        return f"{mark.name}, which no text gives and it ends texts with, becomes one"
    row = "a new row" if mark.is_new else "which no text gives,"
    return f"{mark.name}, {row} ends texts and turns, and begins as the mean of all rows"


def _begin_row(folder: Path, mark: TurnMark) -> int:
    """Lets the mark's row of both matrices begin as the mean of the others; one that the base has learnt stays. Returns
    the rows that there are then."""
    from safetensors.torch import save_file

    with open_weights(folder, "pt") as weights:
        rows = weights.shape(EMBEDDING)[0]
        if mark.known:
            return rows
        files = {weights.path(name) for name in (EMBEDDING, HEAD) if name in weights.names}
        found = {path: [name for name in weights.names if weights.path(name) == path] for path in files}
        for path, names in found.items():
            tensors = {name: weights.tensor(name) for name in names}
            tensors |= {name: _with_row(tensors[name], mark) for name in (EMBEDDING, HEAD) if name in tensors}
            with replacing(path) as part:
                save_file(tensors, part, {"format": "pt"})
    if (folder / INDEX).is_file():
        _write_size(folder)
    return max(rows, mark.index + 1)


def _with_row(matrix: Any, mark: TurnMark) -> Any:
    """matrix: [rows, hidden_size]. Rows beyond the vocabulary count for nothing where they are known."""
    import torch

    known = matrix[: mark.index] if mark.is_new else torch.cat([matrix[: mark.index], matrix[mark.index + 1 :]])
    row = known.double().mean(dim=0, keepdim=True).to(matrix.dtype)
    return torch.cat([matrix[: mark.index], row, matrix[mark.index + 1 :]])


def _write_size(folder: Path) -> None:
    index = read_json_object(folder / INDEX)
    with open_weights(folder, "pt") as weights:
        index["metadata"]["total_size"] = sum(weights.tensor(name).nbytes for name in weights.names)
    write_json(folder / INDEX, index)


def write_mark(source: Path, out_dir: Path) -> None:
    """The files of a byte-level tokenizer with the mark in it; those of a SentencePiece one have it in tokenizer.model,
    which is written before."""
    if has_model(source):
        return
    found = read_byte_level(source)
    write_atomic(out_dir / FILE, json.dumps(found.data, ensure_ascii=False, separators=(",", ":")))
    config = read_json_object(source / CONFIG) if (source / CONFIG).is_file() else {}
    write_json(out_dir / CONFIG, {**config, "bos_token": None, "eos_token": found.names[found.eos_id]})
