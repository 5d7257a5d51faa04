"""An adapter's folder: peft's files, and what it was trained with; checked before anything is learnt."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model_state_dict, set_peft_model_state_dict
from transformers import LlamaConfig, LlamaForCausalLM

from lilm.errors import LilmError
from lilm.json_file import read_json_object
from lilm.llama.weights import Weights
from lilm.pipeline.hashing import write_json
from lilm.recipe import LoraConfig
from lilm.train.pretrain.lora import with_lora

CONFIG, WEIGHTS, VOCABULARY = "adapter_config.json", "adapter_model.safetensors", "vocabulary.json"
EMBEDDING = "model.embed_tokens.weight"
REMEDY = "give the folder `adapter` of a pretrain stage"


@dataclass(frozen=True)
class Vocabulary:
    """What an adapter was trained with, and works with only. init: how the new rows began."""

    vocab_size: int
    tokenizer_sha256: str
    init: str


def save_adapter(
    wrapped: Any, folder: Path, config: LoraConfig, vocabulary: Vocabulary, rows_learnt: bool = False
) -> None:
    """peft's files and vocabulary.json. The embeddings are among them when they were trained, beside the adapter or, as
    rows_learnt says, before it: the adapter works with these alone."""
    wrapped.save_pretrained(folder, save_embedding_layers=config.train_embeddings or rows_learnt)
    (folder / "README.md").unlink(missing_ok=True)  # a model card to fill in
    path = folder / CONFIG
    found = json.loads(path.read_text(encoding="utf-8"))
    # a set's order and the base's folder would make other bytes of the same adapter
    write_json(path, {**found, "target_modules": sorted(config.target_modules), "base_model_name_or_path": ""})
    write_json(folder / VOCABULARY, asdict(vocabulary))


def check_adapter(config: LoraConfig) -> None:
    """Raises LilmError unless `config.path` holds a whole adapter that LiLM has written, of the recipe's shape."""
    folder = Path(config.path)
    for name in (CONFIG, WEIGHTS, VOCABULARY):
        if not (folder / name).is_file():
            raise LilmError(f"no {name}", where=_where(config), remedy=REMEDY)
    read_json_object(folder / VOCABULARY, remedy=REMEDY)
    written = read_json_object(folder / CONFIG, remedy=REMEDY)
    wanted = {
        "r": config.rank,
        "lora_alpha": config.alpha,
        "use_rslora": config.use_rslora,
        "target_modules": sorted(config.target_modules),
        "alpha_pattern": {},
        "fan_in_fan_out": False,
    }
    for key, value in wanted.items():
        if written.get(key) != value:
            raise LilmError(
                f"the adapter has {key} {written.get(key)!r}, and the recipe {value!r}",
                where=_where(config),
                remedy="make [pretrain.lora] say what the adapter is",
            )
    with Weights(folder, remedy=REMEDY, single=WEIGHTS) as weights:
        for name in weights.names:
            if not torch.isfinite(weights.tensor(name)).all():
                raise LilmError(f"{name} holds NaN or Inf", where=str(weights.path(name)), remedy=REMEDY)


def check_belongs(model: LlamaForCausalLM, config: LoraConfig, vocabulary: Vocabulary) -> None:
    """Raises LilmError unless the adapter in `config.path` was trained with this vocabulary and tokenizer, with rows
    that began as these will, and has a tensor for each of its matrices in `model`, of the right shape.

    model: the base, before it has its new rows.
    """
    folder = Path(config.path)
    known = read_json_object(folder / VOCABULARY, remedy=REMEDY)
    for key, wanted in asdict(vocabulary).items():
        if known.get(key) != wanted:
            raise LilmError(
                f"the adapter was trained with {key} {known.get(key)!r}, and this run has {wanted!r}",
                where=_where(config),
                remedy="use the tokenizer and the init that it was trained with, or start a new adapter",
            )
    with Weights(folder, remedy=REMEDY, single=WEIGHTS) as weights:
        found = {name: weights.shape(name) for name in weights.names}
    shapes = _shapes(model.config, config, vocabulary.vocab_size, has_embeddings(config))
    for name in sorted(shapes.keys() | found.keys()):
        if shapes.get(name) != found.get(name):
            told = [str(one.get(name, "absent")) for one in (found, shapes)]
            raise LilmError(
                f"the adapter fits another model: {name} is {told[0]}, and this one needs {told[1]}",
                where=str(folder / WEIGHTS),
                remedy="give the base that it was trained on, or start a new adapter",
            )


def load_adapter(model: LlamaForCausalLM, config: LoraConfig) -> torch.nn.Module:
    """Does as `with_lora`, beginning with the adapter in `config.path`, which `check_belongs` has passed; `model` has
    its new rows already."""
    wrapped: Any = with_lora(model, config)
    with Weights(Path(config.path), remedy=REMEDY, single=WEIGHTS) as weights:
        tensors = {name: weights.tensor(name) for name in weights.names}
    set_peft_model_state_dict(wrapped, tensors)
    return wrapped  # type: ignore[no-any-return]


def has_embeddings(config: LoraConfig) -> bool:
    """Whether the embeddings stand in the adapter in `config.path`."""
    with Weights(Path(config.path), remedy=REMEDY, single=WEIGHTS) as weights:
        return any(name.endswith(EMBEDDING) for name in weights.names)


def _shapes(
    base: LlamaConfig, config: LoraConfig, vocab_size: int, with_embeddings: bool
) -> dict[str, tuple[int, ...]]:
    """Returns those that an adapter of this model has in its file, by name."""
    settings = LlamaConfig.from_dict({**base.to_dict(), "vocab_size": vocab_size})
    with torch.device("meta"):
        wrapped: Any = with_lora(LlamaForCausalLM(settings), config)
    state = get_peft_model_state_dict(wrapped, save_embedding_layers=with_embeddings)
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def _where(config: LoraConfig) -> str:
    return f"pretrain.lora.path {config.path}"
