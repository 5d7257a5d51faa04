"""An adapter as its own GGUF file: over its base it is the model that training ended with."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from safetensors.torch import load_file, save_file

from lilm.errors import LilmError
from lilm.export.remake import remake
from lilm.export.stage import run as run_export
from lilm.gguf_file import open_gguf
from lilm.llamacpp.chat import ChatEngine
from lilm.llamacpp.engine import Engine
from lilm.origin import Origin
from lilm.pipeline.hashing import sha256_file
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import (
    ExportConfig,
    FinetuneConfig,
    LoraConfig,
    NewRowsOptimConfig,
    OptimConfig,
    PretrainConfig,
    recipe_text,
)
from lilm.recipe.files import parse_recipe
from lilm.train.finetune import stage as finetune_stage
from lilm.train.pretrain import stage as pretrain_stage
from tests.conftest import lilm

RANK = 4
CONFIG = ExportConfig(quants=("Q8_0",), adapter=True)


def quiet() -> Context:
    return Context(0, 1, "ja", "en", Reporter(Console(quiet=True)))


@pytest.fixture(scope="module")
def trained(pretrain_inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of base, pretrain (LoRA) and finetune (without chats)."""
    run = tmp_path_factory.mktemp("lora")
    for name in ("pretrain", "finetune"):
        (run / name).mkdir()
    shutil.copytree(pretrain_inputs["base"], run / "base")
    Origin("path", "small").write(run / "base")
    config = PretrainConfig(
        sequence_length=128,
        stage1=NewRowsOptimConfig(steps=2, lr=1e-2, batch_size=4),
        stage2=OptimConfig(steps=8, lr=1e-2, batch_size=4),
        method="lora",
        lora=LoraConfig(rank=RANK, alpha=4),
        eval_every=8,
        eval_bytes=500,
        samples=0,
    )
    pretrain_stage.run(config, pretrain_inputs, run / "pretrain", quiet())
    inputs = {"pretrain": run / "pretrain", "pack": pretrain_inputs["pack"]}
    finetune_stage.run(FinetuneConfig(), inputs, run / "finetune", quiet())
    return {name: run / name for name in ("base", "pretrain", "finetune")}


@pytest.fixture(scope="module")
def exported(trained: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported")
    run_export(CONFIG, trained, out, quiet())
    return out


def logits(model: Path, lora: Path | None = None) -> np.ndarray[Any, np.dtype[np.float32]]:
    with Engine(model, n_ctx=64, threads=1, exact=True, lora=lora) as engine:
        return engine.logits([1, *(number * 37 % 500 for number in range(40))]).copy()


def test_over_its_base_it_is_the_merged_model(exported: Path) -> None:
    lora = exported / "lora"
    for quant, near in (("f16", 0.01), ("Q8_0", 0.1)):
        merged, base = exported / f"model-{quant}.gguf", lora / f"base-{quant}.gguf"
        wanted = logits(merged)
        change = np.abs(logits(base) - wanted).max()
        left = np.abs(logits(base, lora / "adapter.gguf") - wanted).max()
        assert left < near * change, (quant, left, change)


def test_it_is_llama_cpps_format_and_small(exported: Path) -> None:
    file = open_gguf(exported / "lora" / "adapter.gguf")
    assert file.keys["general.type"] == "adapter"
    assert (file.keys["adapter.type"], file.keys["general.architecture"]) == ("lora", "llama")
    assert file.keys["adapter.lora.alpha"] == pytest.approx(4 * RANK**0.5)  # peft divides by the root of the rank
    base = open_gguf(exported / "lora" / "base-f16.gguf").tensors
    changed = {name.removesuffix(".lora_a") for name in file.tensors if name.endswith(".lora_a")}
    assert len(changed) == 7 * sum(name.endswith("attn_norm.weight") for name in base)
    for name in changed:
        assert file.tensors[f"{name}.lora_a"].shape == (RANK, base[name].shape[1])
        assert file.tensors[f"{name}.lora_b"].shape == (base[name].shape[0], RANK)


def test_the_base_has_the_bases_layers_and_the_trained_embeddings(exported: Path, trained: dict[str, Path]) -> None:
    bare, merged = (open_gguf(exported / name) for name in ("lora/base-f16.gguf", "model-f16.gguf"))
    before = load_file(trained["base"] / "model.safetensors")["model.layers.0.mlp.up_proj.weight"]
    tensor = bare.tensors["blk.0.ffn_up.weight"]
    assert (bare.rows(tensor).view(np.float16) == before.half().numpy()).all()
    assert (merged.rows(merged.tensors["blk.0.ffn_up.weight"]) != bare.rows(tensor)).any()
    for name in ("token_embd.weight", "blk.0.attn_norm.weight"):
        assert (merged.rows(merged.tensors[name]) == bare.rows(bare.tensors[name])).all()
    assert bare.keys["tokenizer.chat_template"] == merged.keys["tokenizer.chat_template"]


def test_the_report_names_it_and_its_bases_come_again(exported: Path, tmp_path: Path) -> None:
    told = json.loads((exported / "report.json").read_text(encoding="utf-8"))["adapter"]
    assert (told["name"], told["rank"]) == ("lora/adapter.gguf", RANK)
    assert [(one["quant"], one["name"]) for one in told["bases"]] == [
        ("F16", "lora/base-f16.gguf"),
        ("Q8_0", "lora/base-Q8_0.gguf"),
    ]
    lora = exported / "lora"
    (again,) = remake(lora / "recipe.json", lora / "base-f16.gguf", tmp_path, Reporter(quiet=True))
    assert sha256_file(again) == sha256_file(lora / "base-Q8_0.gguf")


def test_training_after_the_adapter_is_noticed(trained: dict[str, Path], tmp_path: Path) -> None:
    later = Path(shutil.copytree(trained["finetune"], tmp_path / "finetune"))
    tensors = load_file(later / "model.safetensors")
    tensors["model.layers.1.mlp.up_proj.weight"] *= 1.1
    save_file(tensors, later / "model.safetensors", {"format": "pt"})
    out = tmp_path / "out"
    (out / "lora" / "mine").mkdir(parents=True)
    for name in ("mine.gguf", "base-f16.gguf.part"):
        (out / "lora" / name).write_bytes(b"")
    with pytest.raises(LilmError, match=r"not all that changed model\.layers\.1\.mlp\.up_proj"):
        run_export(CONFIG, {**trained, "finetune": later}, out, quiet())
    left = {path.name for path in (out / "lora").iterdir()}
    assert left == {"mine", "mine.gguf"}, "what somebody put there stays, what a try left goes"


def test_what_is_no_adapter_is_refused(exported: Path, tmp_path: Path) -> None:
    model = exported / "lora" / "base-f16.gguf"
    with pytest.raises(LilmError, match="no such file"):
        ChatEngine(model, threads=1, lora=tmp_path / "none.gguf")
    with pytest.raises(LilmError, match=r"expect general\.type to be 'adapter'") as caught:
        ChatEngine(model, threads=1, lora=model)
    assert f"{model} with {model}" in str(caught.value.where)


def test_over_another_model_it_is_refused(exported: Path, tmp_path: Path) -> None:
    """llama.cpp would load it: each matrix has the shape that it wants."""
    lora = exported / "lora" / "adapter.gguf"
    merged, other = exported / "model-Q8_0.gguf", tmp_path / "base-Q8_0.gguf"
    base = (exported / "lora" / "base-Q8_0.gguf").read_bytes()
    told = str(open_gguf(lora).keys["lilm.adapted"]).encode()
    assert base.count(told) == 1
    other.write_bytes(base.replace(told, told[::-1]))
    for model in (merged, other):
        with pytest.raises(LilmError, match="the adapter does not go over") as caught:
            ChatEngine(model, threads=1, lora=lora)
        assert caught.value.where == str(lora) and str(model) in caught.value.what
    said = lilm("chat", merged, "--terminal", "--lora", lora, input="a")
    assert (said.returncode, said.stderr.count("\n")) == (2, 1), said.stderr
    with pytest.raises(LilmError, match="does not go over"):
        logits(merged, lora)


def test_a_chat_has_it(exported: Path) -> None:
    with ChatEngine(exported / "lora" / "base-f16.gguf", threads=1, lora=exported / "lora" / "adapter.gguf") as engine:
        assert engine.n_ctx > 0


def test_a_recipe_with_later_training_is_refused_before_any_work() -> None:
    text = recipe_text("quickstart").replace("[export]", "[export]\nadapter = true")
    with pytest.raises(LilmError, match=r"export\.adapter needs pretrain\.method"):
        parse_recipe(text, "lilm.toml", Path("/"))
