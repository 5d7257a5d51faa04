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

from lilm.export.gguf_writer import write_gguf
from lilm.pipeline.stage import Context
from lilm.recipe import BaseConfig, LoraConfig, NewRowsOptimConfig, OptimConfig, PretrainConfig
from lilm.train.base import stage as base_stage
from lilm.train.base.model_folder import load_llama
from lilm.train.pretrain import stage
from lilm.train.pretrain.embeddings import both_matrices
from lilm.train.pretrain.init_model import add_rows
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
