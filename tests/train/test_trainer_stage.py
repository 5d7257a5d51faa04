"""The pretrain stage in one process: the adapter and what it refuses, the samples, the report and TensorBoard."""

import io
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file

from lilm.errors import LilmError
from lilm.pipeline.hashing import sha256_file
from lilm.pipeline.stage import Context
from lilm.progress import Bar, Reporter
from lilm.recipe import LoraConfig, NewRowsOptimConfig, OptimConfig, PackConfig, PretrainConfig, TokenizerConfig
from lilm.train.base.model_folder import load_llama
from lilm.train.pack import stage as pack_stage
from lilm.train.plan.overhead import measurements
from lilm.train.pretrain import stage
from lilm.train.pretrain.embeddings import both_matrices
from lilm.train.tokenizer import stage as tokenizer_stage

LORA = {"rank": 4, "alpha": 4}


def config(stage1: int = 3, lora: dict[str, Any] | None = None, **options: Any) -> PretrainConfig:
    return PretrainConfig(
        sequence_length=128,
        stage1=NewRowsOptimConfig(steps=stage1, lr=1e-2, batch_size=4),
        stage2=OptimConfig(steps=6, lr=1e-2, batch_size=4),
        method="full" if lora is None else "lora",
        lora=LoraConfig(**(lora or {})),
        eval_every=3,
        eval_bytes=2000,
        sample_tokens=6,
        **options,
    )


@pytest.fixture(scope="module")
def adapted(pretrain_inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished pretrain folder made with LoRA."""
    out = tmp_path_factory.mktemp("adapted")
    stage.run(config(lora=LORA), pretrain_inputs, out, Context(0, 2, "ja", "en", Reporter(Console(quiet=True))))
    return out


def test_the_adapter_says_what_it_belongs_to(pretrain_inputs: dict[str, Path], adapted: Path) -> None:
    vocabulary = json.loads((adapted / "adapter" / "vocabulary.json").read_text())
    digest = sha256_file(pretrain_inputs["tokenizer"] / "tokenizer.json")
    assert vocabulary == {"vocab_size": 512, "tokenizer_sha256": digest, "init": "mean"}


def test_going_on_from_an_adapter_begins_where_it_ended(
    pretrain_inputs: dict[str, Path], adapted: Path, tmp_path: Path, context: Context
) -> None:
    settings = config(stage1=0, lora={**LORA, "path": str(adapted / "adapter")})
    stage.check(settings, context)
    stage.run(settings, pretrain_inputs, tmp_path, context)
    last = json.loads((adapted / "report.json").read_text())["after"]
    entries = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    first = next(entry for entry in entries if entry["stage"] == 2)
    assert {name: first[name] for name in last} == pytest.approx(last, rel=1e-4)


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("vocab_size", 1024, "vocab_size 1024"),
        ("tokenizer_sha256", "0" * 64, "tokenizer_sha256"),
        ("init", "random", "init"),
    ],
)
def test_an_adapter_of_another_vocabulary_is_refused(
    pretrain_inputs: dict[str, Path],
    adapted: Path,
    tmp_path: Path,
    context: Context,
    key: str,
    value: object,
    word: str,
) -> None:
    adapter = tmp_path / "adapter"
    shutil.copytree(adapted / "adapter", adapter)
    vocabulary = json.loads((adapter / "vocabulary.json").read_text())
    (adapter / "vocabulary.json").write_text(json.dumps({**vocabulary, key: value}))
    out = tmp_path / "out"
    with pytest.raises(LilmError, match=f"trained with {word}"):
        stage.run(config(stage1=0, lora={**LORA, "path": str(adapter)}), pretrain_inputs, out, context)
    assert not list(out.rglob("step-*/state.json")), "no step was taken"


def test_rows_of_the_first_stage_come_back_with_an_adapter_that_trained_none(
    pretrain_inputs: dict[str, Path], tmp_path: Path, context: Context
) -> None:
    lora = {**LORA, "train_embeddings": False}
    for name, settings in (
        ("first", config(lora=lora)),
        ("second", config(stage1=0, lora={**lora, "path": str(tmp_path / "first" / "adapter")})),
        ("third", config(stage1=0, lora={**lora, "path": str(tmp_path / "second" / "adapter")})),
    ):
        stage.run(settings, pretrain_inputs, tmp_path / name, context)
    first, second, third = (
        load_file(tmp_path / name / "model.safetensors")["model.embed_tokens.weight"]
        for name in ("first", "second", "third")
    )
    assert torch.equal(first, second) and torch.equal(first, third)


@pytest.mark.parametrize("change", ["another width", "a matrix is missing"])
def test_an_adapter_of_another_model_is_refused_before_anything_is_measured(
    pretrain_inputs: dict[str, Path], adapted: Path, tmp_path: Path, context: Context, change: str
) -> None:
    adapter = tmp_path / "adapter"
    shutil.copytree(adapted / "adapter", adapter)
    tensors = load_file(adapter / "adapter_model.safetensors")
    name = next(name for name in tensors if name.endswith("o_proj.lora_A.weight"))
    if change == "another width":
        tensors[name] = tensors[name][:, :-1].contiguous()
    else:  # peft would warn and begin it anew
        del tensors[name]
    save_file(tensors, adapter / "adapter_model.safetensors")
    with pytest.raises(LilmError, match=r"fits another model: .*o_proj\.lora_A\.weight") as caught:
        stage.run(config(stage1=0, lora={**LORA, "path": str(adapter)}), pretrain_inputs, tmp_path / "out", context)
    assert str(adapter) in caught.value.line()
    assert not list((tmp_path / "out").rglob("step-*"))


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("vocabulary.json", b"{", "not JSON"),
        ("vocabulary.json", b"[1]", "an array, not an object"),
        ("adapter_config.json", b"\xff", "not UTF-8"),
        ("adapter_model.safetensors", b"\0" * 20, "adapter_model.safetensors"),
    ],
)
def test_a_broken_adapter_is_refused_before_any_stage(
    adapted: Path, tmp_path: Path, context: Context, name: str, data: bytes, what: str
) -> None:
    adapter = tmp_path / "adapter"
    shutil.copytree(adapted / "adapter", adapter)
    (adapter / name).write_bytes(data)
    with pytest.raises(LilmError, match=what):
        stage.check(config(stage1=0, lora={**LORA, "path": str(adapter)}), context)


def test_an_adapter_with_nan_is_refused(adapted: Path, tmp_path: Path, context: Context) -> None:
    adapter = tmp_path / "adapter"
    shutil.copytree(adapted / "adapter", adapter)
    tensors = load_file(adapter / "adapter_model.safetensors")
    next(iter(tensors.values()))[0, 0] = float("nan")
    save_file(tensors, adapter / "adapter_model.safetensors")
    with pytest.raises(LilmError, match="NaN or Inf"):
        stage.check(config(stage1=0, lora={**LORA, "path": str(adapter)}), context)


def test_an_adapter_of_another_rank_and_a_folder_without_one(adapted: Path, tmp_path: Path, context: Context) -> None:
    other = config(stage1=0, lora={**LORA, "rank": 8, "path": str(adapted / "adapter")})
    with pytest.raises(LilmError, match="the adapter has r 4, and the recipe 8"):
        stage.check(other, context)
    nothing = config(stage1=0, lora={**LORA, "path": str(tmp_path / "nothing")})
    with pytest.raises(LilmError, match=r"no adapter_config\.json"):
        stage.check(nothing, context)


def test_samples_curves_and_board(pretrain_inputs: dict[str, Path], tmp_path: Path, context: Context) -> None:
    artifact = stage.run(config(samples=2), pretrain_inputs, tmp_path, context)
    entries = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    measured = [entry for entry in entries if "bits_per_byte_ja" in entry]
    assert [(entry["stage"], entry["step"]) for entry in measured] == [(1, 0), (1, 3), (2, 3), (2, 6), (2, 9)]
    for entry in measured:
        assert {language: len(texts) for language, texts in entry["samples"].items()} == {"ja": 2, "en": 2}
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") == 4
    assert measured[-1]["samples"]["en"][0].split()[0] in page
    assert "report.html" in artifact.volatile
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    scalars = [event.value for event in board.Scalars("loss")]
    assert scalars == pytest.approx([entry["loss"] for entry in entries if "loss" in entry], rel=1e-5)
    assert [event.step for event in board.Scalars("bits_per_byte_ja")] == [3, 6, 9]
    written = {path.relative_to(tmp_path).as_posix() for path in (tmp_path / "tensorboard").iterdir()}
    assert written <= set(artifact.volatile)


@pytest.mark.parametrize("lora", [None, LORA])
def test_the_bases_rows_keep_their_bits_where_the_recipe_says_so(
    lora: dict[str, Any] | None, pretrain_inputs: dict[str, Path], tmp_path: Path, context: Context
) -> None:
    stage.run(config(lora=lora, keep_base_rows=True), pretrain_inputs, tmp_path, context)
    base, taught = (load_llama(folder, torch.device("cpu")) for folder in (pretrain_inputs["base"], tmp_path))
    for before, after in zip(both_matrices(base), both_matrices(taught), strict=True):
        assert torch.equal(after[: len(before)], before)
    entries = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    measured = [entry["bits_per_byte_ja"] for entry in entries if "bits_per_byte_ja" in entry]
    assert measured[-1] < measured[2], "new rows and layers learn on"


@pytest.fixture(scope="module")
def no_pieces(pretrain_inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same inputs, with the base's own vocabulary."""
    root = tmp_path_factory.mktemp("no-pieces")
    context = Context(0, 2, "ja", "en", Reporter(Console(quiet=True)))
    folders = {**pretrain_inputs, "tokenizer": root / "tokenizer", "pack": root / "pack"}
    for name in ("tokenizer", "pack"):
        folders[name].mkdir()
    tokenizer = TokenizerConfig(pieces=0, multiple=10, verify_lines=20)
    tokenizer_stage.run(tokenizer, folders, folders["tokenizer"], context)
    pack_stage.run(PackConfig(), folders, folders["pack"], context)
    return folders


def test_without_new_pieces_there_is_no_first_stage(no_pieces: dict[str, Path], tmp_path: Path) -> None:
    out = io.StringIO()
    context = Context(0, 2, "ja", "en", Reporter(Console(file=out, width=200)))
    report = stage.run(config(init="distillation"), no_pieces, tmp_path, context).measurements
    assert out.getvalue().count("stage 1 is left out") == 1
    entries = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(entry["stage"], entry["step"]) for entry in entries] == [(2, step) for step in range(7)]
    assert {name: entries[0][name] for name in report["before"]} == report["before"]
    assert report["vocab_size"] == 400
    for language in ("ja", "en"):
        name = f"bits_per_byte_{language}"
        assert report["after"][name] == entries[-1][name] < report["before"][name]


def test_nothing_is_measured_twice(
    pretrain_inputs: dict[str, Path], no_pieces: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A measurement of a large model takes minutes; a bar shows each, over the tokens that it predicts."""
    bars: list[tuple[str, int]] = []

    class Watching(Reporter):
        @contextmanager
        def bar(self, label: str, total: int, done: int = 0) -> Iterator[Bar]:
            with super().bar(label, total, done) as bar:
                advanced: list[int] = []
                monkeypatch.setattr(bar, "advance", lambda steps=1, note="": advanced.append(steps))
                yield bar
            if label == "measure":
                bars.append((label, total))
                assert sum(advanced) == total

    context = Context(0, 2, "ja", "en", Watching(Console(quiet=True)))
    stage.run(config(), pretrain_inputs, tmp_path / "with", context)
    assert len(bars) == 5, "before; the new rows' beginning and end; the middle and the end of stage 2"
    assert len(bars) == 1 + measurements(config(), (3, 6)), "as planned"
    bars.clear()
    stage.run(config(), no_pieces, tmp_path / "without", context)
    assert len(bars) == 3 == measurements(config(), (0, 6)), "before, the middle and the end"
