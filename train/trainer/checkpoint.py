"""Checkpoints that survive a kill: written beside, hashed, renamed; the newest whole one wins."""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from lilm.disk import flush
from lilm.errors import LilmError
from lilm.pipeline.hashing import sha256_file, write_json
from lilm.train.trainer.engine import MOMENTS, Named, State

STATE, WEIGHTS, OPTIMIZER = "state.json", "weights.safetensors", "optimizer.safetensors"
_NAME = re.compile(r"step-(?P<step>[0-9]{8,})(\.part)?")
HEADERS = 1 << 20  # room for the names in the files and for the metrics


@dataclass(frozen=True)
class Checkpoint:
    """step: steps done. extra: the JSON value that was given to `save_checkpoint`. folder: where it is."""

    step: int
    extra: Any
    folder: Path

    def state(self) -> State:
        return State(load_file(self.folder / WEIGHTS), load_file(self.folder / OPTIMIZER))


def checkpoint_bytes(named: dict[str, torch.nn.Parameter]) -> int:
    """Disk that one checkpoint of these parameters takes: the weights, and AdamW's moments beside them."""
    return HEADERS + sum(p.numel() * p.element_size() for p in named.values()) * (1 + len(MOMENTS))


def save_checkpoint(folder: Path, step: int, state: State, tokenizer_sha256: str, extra: Any, *, kept: int = 0) -> None:
    """Write `folder/step-00000040` after step 40: weights and optimizer state of what is trained. Drop the others, but
    not that of step `kept`.

    tokenizer_sha256: of the tokenizer.json whose ids the model learns, or "". extra: JSON value that comes back with
    the checkpoint.
    """
    final = path_of(folder, step)
    part = folder / f"{final.name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    save_file(_plain(state.weights), part / WEIGHTS)
    save_file(_plain(state.moments), part / OPTIMIZER)
    for name in (WEIGHTS, OPTIMIZER):
        flush(part / name)  # the older checkpoint goes: after a power cut this one must be whole
    hashes = {name: sha256_file(part / name) for name in (WEIGHTS, OPTIMIZER)}
    write_json(part / STATE, {"step": step, "tokenizer_sha256": tokenizer_sha256, "hashes": hashes, "extra": extra})
    shutil.rmtree(final, ignore_errors=True)  # a damaged one of that step, from which nothing could go on
    part.rename(final)
    for old in _ours(folder):
        if old not in (final, path_of(folder, kept)):
            shutil.rmtree(old)


def path_of(folder: Path, step: int) -> Path:
    return folder / f"step-{step:08d}"


def go_back_to(checkpoint: Checkpoint, folder: Path) -> None:
    """Drop what is newer than `checkpoint` in `folder`, then write its `extra` down. Killed between the two, a run
    goes on from it and comes here again."""
    for other in _ours(folder):
        if other != checkpoint.folder:
            shutil.rmtree(other)
    state = json.loads((checkpoint.folder / STATE).read_text(encoding="utf-8"))
    write_json(checkpoint.folder / STATE, {**state, "extra": checkpoint.extra})


def _ours(folder: Path) -> list[Path]:
    """Checkpoints, also unfinished ones, oldest first; what somebody put beside them, as a copy of one, is none."""
    named = ((found, path) for path in folder.glob("step-*") if (found := _NAME.fullmatch(path.name)) and path.is_dir())
    return [path for _, path in sorted(named, key=lambda one: (int(one[0]["step"]), one[1].name))]


def _plain(tensors: Named) -> Named:
    """Each with memory of its own, as safetensors wants it."""
    return {name: value.detach().contiguous() for name, value in tensors.items()}


def _is_whole(folder: Path) -> bool:
    try:
        hashes = json.loads((folder / STATE).read_text(encoding="utf-8"))["hashes"]
        return all(sha256_file(folder / name) == expected for name, expected in hashes.items())
    except (OSError, ValueError, KeyError):
        return False  # cut in half: an older one, or the beginning, is used instead


def is_whole(folder: Path, step: int) -> bool:
    """Whether the files of that step's checkpoint are those that were written."""
    return _is_whole(path_of(folder, step))


def newest_step(folder: Path) -> int | None:
    """The step of the newest checkpoint whose files are those that were written, or None."""
    steps = [path for path in _ours(folder) if path.suffix != ".part"]
    return next((int(path.name.removeprefix("step-")) for path in reversed(steps) if _is_whole(path)), None)


def open_checkpoint(folder: Path, step: int, named: dict[str, torch.nn.Parameter], tokenizer_sha256: str) -> Checkpoint:
    """The whole checkpoint of `step`.

    Raises LilmError when it holds other parameters than the model trains, or was trained on another tokenizer's ids.
    """
    path = path_of(folder, step)
    state = json.loads((path / STATE).read_text(encoding="utf-8"))
    if state["tokenizer_sha256"] != tokenizer_sha256:
        raise LilmError(
            f"the checkpoint belongs to another tokenizer ({state['tokenizer_sha256'][:12]}, "
            f"not {tokenizer_sha256[:12]})",
            where=str(path),
            remedy="start again with --force",
        )
    checkpoint = Checkpoint(state["step"], state["extra"], path)
    with safe_open(path / WEIGHTS, framework="pt") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - not a dict
    if shapes != {name: tuple(parameter.shape) for name, parameter in named.items()}:
        raise LilmError("the checkpoint belongs to another model", where=str(path), remedy="start again with --force")
    return checkpoint
