"""Checkpoints that survive a kill: written beside, hashed, renamed; the newest whole one wins."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from lilm.errors import LilmError
from lilm.hashing import sha256_file, write_json

STATE, WEIGHTS, OPTIMIZER = "state.json", "weights.safetensors", "optimizer.safetensors"


def save_checkpoint(
    folder: Path, step: int, named: dict[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer, extra: Any
) -> None:
    """Write `folder/step-XXXXXXXX` (weights and optimizer state of the trained parameters), drop older ones.

    extra: JSON value that comes back from `load_checkpoint`.
    """
    final = folder / f"step-{step:08d}"
    part = folder / f"{final.name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    save_file({name: parameter.detach().contiguous() for name, parameter in named.items()}, part / WEIGHTS)
    state = {
        f"{name}.{key}": value.detach().clone().contiguous()
        for name, parameter in named.items()
        for key, value in optimizer.state.get(parameter, {}).items()
    }
    save_file(state, part / OPTIMIZER)
    hashes = {name: sha256_file(part / name) for name in (WEIGHTS, OPTIMIZER)}
    write_json(part / STATE, {"step": step, "hashes": hashes, "extra": extra})
    part.rename(final)
    for old in folder.glob("step-*"):
        if old != final:
            shutil.rmtree(old)


def _is_whole(folder: Path) -> bool:
    try:
        hashes = json.loads((folder / STATE).read_text(encoding="utf-8"))["hashes"]
        return all(sha256_file(folder / name) == expected for name, expected in hashes.items())
    except (OSError, ValueError, KeyError):
        return False  # cut in half: an older one, or the beginning, is used instead


def load_checkpoint(
    folder: Path, named: dict[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer
) -> tuple[int, Any] | None:
    """Put the newest whole checkpoint into the parameters and the optimizer; answers (step, extra) or None.

    Raises LilmError when the checkpoint holds other parameters than the model trains.
    """
    whole = [path for path in sorted(folder.glob("step-*"), reverse=True) if path.suffix != ".part" and _is_whole(path)]
    if not whole:
        return None
    newest = whole[0]
    weights, moments = load_file(newest / WEIGHTS), load_file(newest / OPTIMIZER)
    shapes = {name: tuple(value.shape) for name, value in weights.items()}
    if shapes != {name: tuple(parameter.shape) for name, parameter in named.items()}:
        raise LilmError("the checkpoint belongs to another model", where=str(newest), remedy="start again with --force")
    with torch.no_grad():
        for name, parameter in named.items():
            parameter.copy_(weights[name])
            keys = {key.removeprefix(name + ".") for key in moments if key.rpartition(".")[0] == name}
            if keys:
                optimizer.state[parameter] = {
                    # `step` stays on the CPU, where torch keeps it
                    key: moments[f"{name}.{key}"].to("cpu" if key == "step" else parameter.device)
                    for key in sorted(keys)
                }
    state = json.loads((newest / STATE).read_text(encoding="utf-8"))
    return state["step"], state["extra"]
