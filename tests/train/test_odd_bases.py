"""Bases whose config.json says something else than their files: what pretraining makes of them."""

import json
import shutil
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, LlamaForCausalLM

from lilm.chat.files import read_format
from lilm.export.gguf_writer import write_gguf
from lilm.pipeline.stage import Context
from lilm.recipe import (
    BaseConfig,
    LoraConfig,
    NewRowsOptimConfig,
    OptimConfig,
    PackConfig,
    PretrainConfig,
    TokenizerConfig,
)
from lilm.train.base import stage as base_stage
from lilm.train.base.model_folder import load_llama
from lilm.train.pack import stage as pack_stage
from lilm.train.pack.token_store import SIDECAR
from lilm.train.pretrain import stage
from lilm.train.pretrain.embeddings import both_matrices
from lilm.train.pretrain.init_model import add_rows
from lilm.train.tokenizer import stage as tokenizer_stage
from lilm.vocabulary.pieces import open_pieces

CPU = torch.device("cpu")
WEIGHTS = "model.safetensors"
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
PIECES, ROWS = 400, 408


def odd(inputs: dict[str, Path], folder: Path, config: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Path:
    """The base in `folder`, with these values of config.json and these tensors."""
    shutil.copytree(inputs["base"], folder)
    known = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(known | config), encoding="utf-8")
    save_file(load_file(folder / WEIGHTS) | tensors, folder / WEIGHTS, {"format": "pt"})
    return folder


def pretrained(inputs: dict[str, Path], base: Path, out: Path, context: Context, method: str) -> Path:
    """What pretraining makes of the base, with steps too small to move anything."""
    still = {"lr": 1e-9, "batch_size": 4}
    settings = PretrainConfig(
        sequence_length=128,
        stage1=NewRowsOptimConfig(steps=1, **still),
        stage2=OptimConfig(steps=1, **still),
        method=method,
        lora=LoraConfig(rank=4, alpha=4, train_embeddings=True),
        eval_bytes=2000,
        sample_tokens=6,
    )
    out.mkdir()
    stage.run(settings, inputs | {"base": base}, out, context)
    return out


def logits(model: Any) -> torch.Tensor:
    ids = torch.arange(1, 200).unsqueeze(0)
    with torch.no_grad():
        found: torch.Tensor = model.eval()(ids).logits[..., :PIECES]
    return found


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_tied_config_beside_an_output_matrix_of_its_own(
    pretrain_inputs: dict[str, Path], tmp_path: Path, context: Context, method: str
) -> None:
    head = torch.randn(PIECES, 32, generator=torch.Generator().manual_seed(1))
    base = odd(pretrain_inputs, tmp_path / "base", {"tie_word_embeddings": True}, {HEAD: head})
    out = pretrained(pretrain_inputs, base, tmp_path / "out", context, method)
    before, after = (LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32) for folder in (base, out))
    assert (logits(before) - logits(after)).abs().max() < 1e-3
    assert not after.config.tie_word_embeddings


@pytest.mark.parametrize("same", [True, False])
def test_the_base_stage_says_what_the_file_holds(
    pretrain_inputs: dict[str, Path], tmp_path: Path, context: Context, same: bool
) -> None:
    rows = load_file(pretrain_inputs["base"] / WEIGHTS)[EMBEDDING]
    base = odd(pretrain_inputs, tmp_path / "base", {}, {HEAD: rows.clone() if same else rows + 1})
    (tmp_path / "out").mkdir()
    base_stage.run(BaseConfig(kind="path", path=str(base)), {}, tmp_path / "out", context)
    config = json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))
    assert config["tie_word_embeddings"] == same
    one, other = both_matrices(load_llama(tmp_path / "out", CPU))
    assert (one is other) == same


def test_padding_that_is_the_first_new_piece(
    pretrain_inputs: dict[str, Path], tmp_path: Path, context: Context
) -> None:
    base = odd(
        pretrain_inputs,
        tmp_path / "base",
        {"pad_token_id": PIECES, "vocab_size": ROWS},
        {EMBEDDING: torch.ones(ROWS, 32)},
    )
    model = load_llama(base, CPU)
    old, merged = open_pieces(base), open_pieces(pretrain_inputs["tokenizer"])
    add_rows(model, old, merged, "mean", 0, [], context.reporter)
    ids = torch.tensor([[1, PIECES, PIECES, 5]])
    model.model(ids).last_hidden_state.square().sum().backward()
    gradient = both_matrices(model)[0].grad
    assert gradient is not None and gradient[PIECES].abs().sum() > 0, "it learns"
    assert model.config.pad_token_id is None


def test_ids_that_belong_to_no_piece_of_the_tokenizer(
    pretrain_inputs: dict[str, Path], tmp_path: Path, context: Context
) -> None:
    """EOS is a token of added_tokens.json, or of nothing: its id is a new piece's now."""
    ids = {"eos_token_id": [PIECES, 2, 9000], "bos_token_id": PIECES + 1, "pad_token_id": 9000, "vocab_size": ROWS}
    base = odd(pretrain_inputs, tmp_path / "base", ids, {EMBEDDING: torch.randn(ROWS, 32) / 50})
    (base / "added_tokens.json").write_text(json.dumps({"<|im_end|>": PIECES}), encoding="utf-8")
    (base / "generation_config.json").write_text(json.dumps({"eos_token_id": PIECES, "pad_token_id": 9000}))
    out = pretrained(pretrain_inputs, base, tmp_path / "out", context, "full")
    write_gguf(out, tmp_path / "model.gguf", ("ja", "en"))
    field = gguf.GGUFReader(tmp_path / "model.gguf").fields["tokenizer.ggml.eos_token_id"]
    found = [json.loads((out / f"{name}.json").read_text(encoding="utf-8")) for name in ("config", "generation_config")]
    assert [config["eos_token_id"] for config in found] == [2, 2]
    assert [config["bos_token_id"] for config in found] == [1, 1]
    assert all(config.get("pad_token_id") is None for config in found)
    assert AutoTokenizer.from_pretrained(out, local_files_only=True).eos_token_id == field.contents() == 2


CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}END\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.mark.parametrize("end", ["{{ eos_token }}", "<|im_end|>"])
def test_the_bos_and_eos_that_a_sentencepiece_base_names(
    pretrain_inputs: dict[str, Path], tmp_path: Path, context: Context, end: str
) -> None:
    """Added tokens, by tokenizer_config.json: what the base's chats are made of, in every file that says it."""
    rows = {"vocab_size": PIECES + 2, "eos_token_id": 2, "bos_token_id": 1}
    given = odd(pretrain_inputs, tmp_path / "given", rows, {EMBEDDING: torch.randn(PIECES + 2, 32) / 50})
    (given / "added_tokens.json").write_text(json.dumps({"<|im_start|>": PIECES, "<|im_end|>": PIECES + 1}))
    names = {"bos_token": "<|im_start|>", "eos_token": {"content": "<|im_end|>"}}
    template = CHATML.replace("END", end)
    (given / "tokenizer_config.json").write_text(json.dumps(names | {"chat_template": template}), encoding="utf-8")
    made = pretrain_inputs | {name: tmp_path / name for name in ("base", "tokenizer", "pack")}
    for name in ("base", "tokenizer", "pack"):
        made[name].mkdir()
    base_stage.run(BaseConfig(kind="path", path=str(given)), {}, made["base"], context)
    tokenizer_stage.run(TokenizerConfig(pieces=100, verify_lines=20), made, made["tokenizer"], context)
    pack_stage.run(PackConfig(), made, made["pack"], context)
    out = pretrained(made, made["base"], tmp_path / "out", context, "full")

    config, generation = (json.loads((out / f"{name}.json").read_text()) for name in ("config", "generation_config"))
    assert (config["bos_token_id"], config["eos_token_id"]) == (PIECES, PIECES + 1)
    assert generation["bos_token_id"] == PIECES and generation["eos_token_id"] == [PIECES + 1, 2]
    theirs = AutoTokenizer.from_pretrained(out, local_files_only=True)
    assert (theirs.bos_token_id, theirs.eos_token_id) == (PIECES, PIECES + 1)
    assert theirs("a")["input_ids"][0] == PIECES
    assert theirs.chat_template == template
    write_gguf(out, tmp_path / "model.gguf", ("ja", "en"))
    fields = gguf.GGUFReader(tmp_path / "model.gguf").fields
    keys = [fields[f"tokenizer.ggml.{name}_token_id"].contents() for name in ("bos", "eos", "eot")]
    assert keys == [PIECES, PIECES + 1, 2], "it still stops at what ended the base's texts"
    assert read_format(tmp_path / "model.gguf").tokens == read_format(given).tokens == read_format(out).tokens
    packed = json.loads((made["pack"] / SIDECAR).read_text())
    between = PIECES + 1 if "eos_token" in end else 2
    assert packed["eos_id"] == open_pieces(out).eos_id == between, "a mark of turns stands between no texts"


def test_a_named_eos_that_the_model_has_no_row_for_is_none(pretrain_inputs: dict[str, Path], tmp_path: Path) -> None:
    base = odd(pretrain_inputs, tmp_path / "base", {}, {})
    (base / "added_tokens.json").write_text(json.dumps({"<|im_end|>": PIECES}), encoding="utf-8")
    (base / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>"}), encoding="utf-8")
    assert read_format(base).tokens == {"bos_token": "<s>", "eos_token": "</s>"}
    assert open_pieces(base).eos_id == 2
