"""The shape of the model that a recipe trains."""

from pathlib import Path
from typing import Any

from lilm.commands import command
from lilm.errors import LilmError
from lilm.llama.config import CONFIG, read_llama_config
from lilm.llama.shape import Shape
from lilm.recipe import Recipe

# Known without a hub. The three-trillion-token TinyLlama checkpoints share one config.json.
KNOWN: dict[str, dict[str, Any]] = {
    "TinyLlama/TinyLlama-1.1B": {
        "vocab_size": 32_000,
        "hidden_size": 2048,
        "intermediate_size": 5632,
        "num_hidden_layers": 22,
        "num_attention_heads": 32,
        "num_key_value_heads": 4,
        "tie_word_embeddings": False,
        "max_position_embeddings": 2048,
    }
}


def merged_vocab(base: int, recipe: Recipe) -> int:
    """Size of the base's vocabulary with the recipe's pieces, rounded up as the tokenizer stage does."""
    multiple = recipe.tokenizer.multiple
    return -(-(base + recipe.tokenizer.pieces) // multiple) * multiple


def base_config(recipe: Recipe) -> dict[str, Any]:
    """The base's config.json: from the recipe, from its folder, from its GGUF file (once fetched), from KNOWN, or from
    the hub (a few hundred bytes).

    Raises LilmError when it cannot be had.
    """
    base = recipe.base
    if base.kind == "scratch":
        return {**base.scratch.model_dump(exclude={"optim", "sequence_length"}), "tie_word_embeddings": True}
    if base.kind == "path":
        if not Path(base.path).is_dir():
            raise LilmError("no such folder", where=f"base.path {base.path}", remedy="correct the path in the recipe")
        return read_llama_config(Path(base.path))
    if base.kind == "gguf":
        from lilm.download import cached_path
        from lilm.train.base.from_gguf import gguf_config

        file = Path(base.path) if base.path else cached_path(base.url)
        if base.url and not file.is_file():
            raise LilmError(
                "the base is not fetched yet, and nothing but its file says how large it is",
                where=f"base.url {base.url}",
                remedy=f"run `{command('run', '--to', 'base')}` first, which fetches it",
            )
        return gguf_config(file)
    known = next((config for name, config in KNOWN.items() if base.repo.startswith(name)), None)
    if known is not None:
        return known
    from lilm.hub import download_model

    return read_llama_config(download_model(base.repo, base.revision, (CONFIG,)))


def as_trained(recipe: Recipe, shape: Shape) -> Recipe:
    """Returns the recipe with the window that the pretrain stage takes: none is longer than the base's context."""
    window = min(recipe.pretrain.sequence_length, shape.context)
    return recipe.model_copy(update={"pretrain": recipe.pretrain.model_copy(update={"sequence_length": window})})


def shape_of(recipe: Recipe) -> Shape:
    """Shape of the model with the merged vocabulary. Raises LilmError as `base_config`."""
    config = base_config(recipe)
    return Shape.of(config, merged_vocab(config["vocab_size"], recipe))
