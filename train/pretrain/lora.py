"""LoRA for small GPUs: an adapter on the linear layers, merged into the weights when training ends."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig as PeftLoraConfig
from peft import PeftModel, get_peft_model
from transformers import LlamaForCausalLM

from lilm.errors import LilmError
from lilm.pipeline.hashing import write_json
from lilm.recipe import AdapterConfig, LoraConfig
from lilm.train.pretrain.embeddings import both_matrices

VOCABULARY = "vocabulary.json"


@dataclass(frozen=True)
class Vocabulary:
    """What an adapter was trained with, and works with only. init: how the new rows began."""

    vocab_size: int
    tokenizer_sha256: str
    init: str


def with_lora(model: LlamaForCausalLM, config: AdapterConfig) -> torch.nn.Module:
    """The model wrapped by peft; only the adapter (and the embeddings, when asked) learns.

    The embeddings are trained in place rather than as `modules_to_save`, whose copies would untie a tied
    output matrix.
    """
    adapter = PeftLoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        use_rslora=config.use_rslora,
        target_modules=list(config.target_modules),
        task_type="CAUSAL_LM",
    )
    wrapped: Any = get_peft_model(model, adapter)
    for matrix in both_matrices(model):
        matrix.requires_grad_(config.train_embeddings)
    return wrapped  # type: ignore[no-any-return]


def save_adapter(wrapped: Any, folder: Path, config: LoraConfig, vocabulary: Vocabulary) -> None:
    """peft's files (the embeddings are among them when they were trained) and vocabulary.json."""
    wrapped.save_pretrained(folder, save_embedding_layers=config.train_embeddings)
    (folder / "README.md").unlink(missing_ok=True)  # a model card to fill in
    path = folder / "adapter_config.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    # a set's order and the base's folder would make other bytes of the same adapter
    write_json(path, {**found, "target_modules": sorted(config.target_modules), "base_model_name_or_path": ""})
    write_json(folder / VOCABULARY, asdict(vocabulary))


def check_adapter(folder: Path) -> None:
    """Raises LilmError unless `folder` holds an adapter that LiLM has written."""
    for name in ("adapter_config.json", "adapter_model.safetensors", VOCABULARY):
        if not (folder / name).is_file():
            raise LilmError(
                f"no {name}",
                where=f"pretrain.lora.path {folder}",
                remedy="give the folder `adapter` of a pretrain stage",
            )


def load_adapter(model: LlamaForCausalLM, config: LoraConfig, vocabulary: Vocabulary) -> torch.nn.Module:
    """Does as `with_lora`, beginning with the adapter in `config.path`; `model` has its new rows already.

    Raises LilmError when the adapter was trained with another vocabulary or tokenizer, with rows that began otherwise,
    or has another shape than the recipe says.
    """
    folder = Path(config.path)
    check_adapter(folder)
    where = f"pretrain.lora.path {folder}"
    known = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
    for key, wanted in asdict(vocabulary).items():
        if known.get(key) != wanted:
            raise LilmError(
                f"the adapter was trained with {key} {known.get(key)!r}, and this run has {wanted!r}",
                where=where,
                remedy="use the tokenizer and the init that it was trained with, or start a new adapter",
            )
    written = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    shape = {
        "r": config.rank,
        "lora_alpha": config.alpha,
        "use_rslora": config.use_rslora,
        "target_modules": sorted(config.target_modules),
    }
    for key, value in shape.items():
        if written.get(key) != value:
            raise LilmError(
                f"the adapter has {key} {written.get(key)!r}, and the recipe {value!r}",
                where=where,
                remedy="make [pretrain.lora] say what the adapter is",
            )
    wrapped: Any = PeftModel.from_pretrained(model, folder, is_trainable=True)
    for matrix in both_matrices(model):
        matrix.requires_grad_(config.train_embeddings)
    return wrapped  # type: ignore[no-any-return]


def merge_lora(wrapped: Any) -> None:
    """Add the adapter to the weights of the model it was put on, in place, and take it off."""
    wrapped.merge_and_unload(safe_merge=True)
