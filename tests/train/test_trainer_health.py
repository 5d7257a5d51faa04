"""Runs that are lost or cannot begin stop with a word: divergence, no disk, and input that does not belong together."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from lilm.devices import prepare_torch
from lilm.documents import write_documents
from lilm.errors import LilmError
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import NewRowsOptimConfig, OptimConfig, PretrainConfig
from lilm.train.base.model_folder import check_model_folder
from lilm.train.pack.token_store import TokenStore
from lilm.train.pretrain import stage
from lilm.train.tokenizer.train import train_base_tokenizer
from lilm.train.trainer.batches import Batch
from lilm.train.trainer.checkpoint import checkpoint_bytes
from lilm.train.trainer.health import WINDOW, DivergenceGuard
from lilm.train.trainer.loop import Job, train
from lilm.train.trainer.setback import later, told


def tiny() -> LlamaForCausalLM:
    prepare_torch(0, 1)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=64, num_key_value_heads=2, **shape))


def same_batch(step: int) -> Batch:
    ids = torch.randint(0, 64, (2, 16), generator=torch.Generator().manual_seed(0))
    return Batch(ids, torch.arange(16).expand(2, 16).contiguous(), ids.roll(-1, dims=1))


def job(folder: Path, **optim: Any) -> Job:
    return Job("test", OptimConfig(**{"steps": 120, "lr": 1e-2, "batch_size": 2, **optim}), same_batch, folder)


def test_a_run_that_diverges_is_stopped_and_told_how_far(tmp_path: Path, reporter: Reporter) -> None:
    def batches(step: int) -> Batch:
        batch = same_batch(0)
        if step < 60:
            return batch
        return Batch(batch.input_ids, batch.position_ids, torch.randint(0, 64, (2, 16)))  # what was learnt is wrong

    lost = Job(**{**job(tmp_path).__dict__, "batch_at": batches})
    with pytest.raises(
        LilmError, match=r"diverged: the mean loss of the last 50 steps is [\d.]+ at step (6|7|8|9|10)\d"
    ):
        train(tiny(), lost, reporter)


def breaking(folder: Path, **options: Any) -> Job:
    """From step 60 on its batches teach something else, until it has gone back: a stand-in for steps too long."""

    def batches(step: int) -> Batch:
        batch = same_batch(0)
        if step < 60 or any("went_back" in path.read_text() for path in folder.glob("step-*/state.json")):
            return batch
        return Batch(batch.input_ids, batch.position_ids, noise(step))

    optim = {"steps": 140, "lr": 0.01, "schedule": "constant", "warmup": 0.0}
    return Job(**{**job(folder, **optim).__dict__, "batch_at": batches, "checkpoint_every": 20, **options})


def noise(step: int) -> torch.Tensor:
    return torch.randint(0, 64, (2, 16), generator=torch.Generator().manual_seed(step))


def test_a_run_that_diverges_goes_back_and_on_at_half_the_rate(tmp_path: Path, reporter: Reporter) -> None:
    metrics, _ = train(tiny(), breaking(tmp_path / "whole"), reporter)
    assert [entry["step"] for entry in metrics] == list(range(1, 141)), "what was lost stands nowhere"
    (back,) = [entry for entry in metrics if "went_back" in entry]
    assert back["step"] == 60, "the last checkpoint before it broke, not the last one"
    (once,) = back["went_back"]
    assert 60 < once["from"] < 110 and "the mean loss of the last 50 steps" in once["why"]
    assert {entry["lr"] for entry in metrics[:60]} == {0.01} and {entry["lr"] for entry in metrics[60:]} == {0.005}
    assert metrics[-1]["loss"] < metrics[59]["loss"]
    note = told([later(entry, 1000) for entry in metrics])
    assert note.startswith(f"At step {1000 + once['from']} it went back to step 1060, to go on at half the rate")
    assert [path.name for path in (tmp_path / "whole").iterdir()] == ["step-00000140"]


@pytest.mark.parametrize(("at", "times"), [(70, 1), (85, 1), (62, 2)])
def test_killed_around_a_setback_it_ends_in_the_same_bits(
    tmp_path: Path, reporter: Reporter, at: int, times: int
) -> None:
    """Before it is lost, with a newer checkpoint that is not sound, and just after it went back."""
    whole, cut = tiny(), tiny()
    metrics, _ = train(whole, breaking(tmp_path / "whole"), reporter)
    first = breaking(tmp_path / "cut")
    counted: list[int] = []

    def killed(step: int) -> Batch:
        counted.append(step)
        if step == at and counted.count(step) == times:
            raise KeyboardInterrupt
        return first.batch_at(step)

    with pytest.raises(KeyboardInterrupt):
        train(cut, Job(**{**first.__dict__, "batch_at": killed}), reporter)
    again = tiny()
    assert train(again, first, reporter)[0] == metrics
    assert all(torch.equal(one, other) for one, other in zip(whole.parameters(), again.parameters(), strict=True))


def test_what_goes_back_too_often_stops(tmp_path: Path, reporter: Reporter) -> None:
    def batches(step: int) -> Batch:
        batch = same_batch(0)
        return Batch(batch.input_ids, batch.position_ids, noise(step)) if step >= 60 else batch

    said: list[str] = []
    reporter.say = said.append  # type: ignore[method-assign]
    with pytest.raises(LilmError, match="diverged: the mean loss"):
        train(tiny(), breaking(tmp_path, batch_at=batches), reporter)
    assert sum("at half the rate" in line for line in said) == 3


def test_one_spike_is_no_divergence_and_a_restart_remembers() -> None:
    guard = DivergenceGuard(2.0, "test", [])
    for step in range(200):
        guard.see(20.0 if step == 100 else 1.0, step)
    history = [1.0] * WINDOW + [4.0] * 20
    with pytest.raises(LilmError, match="diverged"):
        again = DivergenceGuard(2.0, "test", history)
        for step in range(WINDOW):
            again.see(4.0, step)
    forgiving = DivergenceGuard(0.0, "test", history)
    for step in range(WINDOW):
        forgiving.see(4.0, step)


def test_a_full_disk_is_seen_before_a_checkpoint_is_begun(
    tmp_path: Path, reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny()
    needed = checkpoint_bytes(dict(model.named_parameters()))
    free = iter([needed, needed, needed - 1])  # at the start, at step 3, at step 6
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=next(free)))
    with pytest.raises(LilmError, match="no space: a checkpoint at step 6 needs") as caught:
        train(model, Job(**{**job(tmp_path).__dict__, "checkpoint_every": 3}), reporter)
    assert caught.value.where == str(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000003"], "the last one is kept, no half one is left"


def test_the_announced_size_of_a_checkpoint_holds(tmp_path: Path, reporter: Reporter) -> None:
    model = tiny()
    train(model, job(tmp_path, steps=2), reporter)
    written = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    announced = checkpoint_bytes(dict(model.named_parameters()))
    assert written <= announced <= written + (1 << 20)


def test_a_damaged_checkpoint_gives_way_to_a_new_one_of_its_step(tmp_path: Path, reporter: Reporter) -> None:
    train(tiny(), job(tmp_path, steps=2), reporter)
    (only,) = tmp_path.glob("step-*")
    weights = next(only.glob("*.safetensors"))
    weights.write_bytes(b"")  # as a power cut leaves it
    train(tiny(), job(tmp_path, steps=2), reporter)
    assert only.is_dir() and next(only.glob(weights.name)).stat().st_size > 0


def test_a_checkpoint_of_another_tokenizer_or_model_is_refused(tmp_path: Path, reporter: Reporter) -> None:
    one = Job(**{**job(tmp_path, steps=2).__dict__, "tokenizer_sha256": "a" * 64})
    train(tiny(), one, reporter)
    with pytest.raises(LilmError, match="belongs to another tokenizer"):
        train(tiny(), Job(**{**one.__dict__, "tokenizer_sha256": "b" * 64}), reporter)
    model = tiny()
    model.resize_token_embeddings(80)
    with pytest.raises(LilmError, match="belongs to another model"):
        train(model, one, reporter)


CONFIG = PretrainConfig(
    sequence_length=64,
    stage1=NewRowsOptimConfig(steps=1, lr=1e-2, batch_size=2),
    stage2=OptimConfig(steps=1, lr=1e-2, batch_size=2),
    eval_bytes=500,
)


def refused(inputs: dict[str, Path], out: Path, context: Context) -> str:
    """What the stage says; nothing of a step may be there."""
    with pytest.raises(LilmError) as caught:
        stage.run(CONFIG, inputs, out, context)
    assert not list(out.rglob("step-*"))
    return str(caught.value)


def changed(inputs: dict[str, Path], name: str, tmp_path: Path) -> tuple[dict[str, Path], Path]:
    copy = tmp_path / name
    shutil.copytree(inputs[name], copy)
    return {**inputs, name: copy}, copy


def test_a_base_that_is_no_llama(pretrain_inputs: dict[str, Path], tmp_path: Path) -> None:
    _, base = changed(pretrain_inputs, "base", tmp_path)
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "model_type": "gpt2"}))
    with pytest.raises(LilmError, match=r"config\.json: model_type is 'gpt2'"):
        check_model_folder(base)


def test_a_tokenizer_with_more_pieces_than_the_model_has_rows(
    pretrain_inputs: dict[str, Path], tmp_path: Path, context: Context
) -> None:
    inputs, base = changed(pretrain_inputs, "base", tmp_path)
    shutil.copyfile(pretrain_inputs["tokenizer"] / "tokenizer.model", base / "tokenizer.model")
    assert "do not belong together" in refused(inputs, tmp_path / "out", context)


def test_a_vocabulary_merged_into_another_base(
    pretrain_inputs: dict[str, Path], tmp_path: Path, context: Context
) -> None:
    inputs, base = changed(pretrain_inputs, "base", tmp_path)
    words = [f"zebra{chr(97 + n % 26)} quokka{n} {n * n}" for n in range(400)]
    train_base_tokenizer(words, 350, base / "tokenizer.model")
    assert "merged into another base's tokenizer" in refused(inputs, tmp_path / "out", context)


def test_an_empty_held_out_split(pretrain_inputs: dict[str, Path], tmp_path: Path, context: Context) -> None:
    inputs, corpus = changed(pretrain_inputs, "corpus", tmp_path)
    empty = pl.DataFrame(
        {"id": [], "source": [], "text": []}, schema=dict.fromkeys(("id", "source", "text"), pl.String)
    )
    write_documents(corpus, "en", "heldout", empty)
    assert "the held-out split of en is empty" in refused(inputs, tmp_path / "out", context)


def test_an_empty_training_split(
    pretrain_inputs: dict[str, Path], tmp_path: Path, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = np.empty(0, dtype=np.int64)
    store = TokenStore([(nothing, nothing)], {"documents": 0, "tokens": 0, "bytes": 0}, 1, 2)
    monkeypatch.setattr(TokenStore, "open", lambda *arguments: store)
    assert "the training split of ja is empty" in refused(pretrain_inputs, tmp_path / "out", context)


def test_a_corpus_packed_with_another_tokenizer(
    pretrain_inputs: dict[str, Path], tmp_path: Path, context: Context
) -> None:
    inputs, pack = changed(pretrain_inputs, "pack", tmp_path)
    sidecar = json.loads((pack / "tokens.json").read_text())
    (pack / "tokens.json").write_text(json.dumps({**sidecar, "tokenizer_sha256": "0" * 64}))
    assert "packed with another tokenizer (000000000000" in refused(inputs, tmp_path / "out", context)
