"""Ways to learn chats: an adapter that is merged, and several processes that share the work."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lilm.train.finetune.heldout import ANSWERS
from tests.train.finetune.conftest import Tune
from tests.train.finetune.test_held_out_chats import metrics


def test_an_adapter_learns_and_is_in_the_weights(tune: Tune, tune_inputs: dict[str, Path], tmp_path: Path) -> None:
    lora = {"rank": 4, "alpha": 4, "train_embeddings": False}
    optim = {"steps": 8, "lr": 3e-2, "batch_size": 4}
    found = tune(tmp_path / "out", method="lora", lora=lora, optim=optim).measurements
    before, after = (load_file(folder / "model.safetensors") for folder in (tune_inputs["pretrain"], tmp_path / "out"))
    assert set(after) == set(before)
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    layers = {name for name in after if name.endswith("_proj.weight")}
    assert moved == layers, "only the layers' matrices"
    assert all(torch.linalg.matrix_rank(after[name] - before[name], rtol=1e-3) <= 4 for name in layers)
    assert found["after"] < found["before"]


def test_two_processes_learn_what_one_does(tune: Tune, tmp_path: Path) -> None:
    keys = {"optim": {"steps": 4, "lr": 1e-2, "batch_size": 4}, "eval_every": 2}
    tune(tmp_path / "one", **keys)
    found = tune(tmp_path / "two", distributed={"processes": 2, "zero": 0}, **keys).measurements
    one, two = (
        [entry[key] for entry in metrics(tmp_path / name) for key in ("loss", ANSWERS) if key in entry]
        for name in ("one", "two")
    )
    assert len(two) == 7 and two == pytest.approx(one, rel=1e-4)
    assert found["after"] == pytest.approx(two[-1])
    weights = [load_file(tmp_path / name / "model.safetensors") for name in ("one", "two")]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-2, atol=1e-4)
