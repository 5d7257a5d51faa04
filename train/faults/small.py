"""The quickstart made so small that it is over in a minute: all ten stages do their work, and the words are poor."""

from collections.abc import Mapping
from typing import Any

from lilm.recipe import recipe_text

CHANGES: Mapping[str, Any] = {
    "name": "small",
    "base": {
        "scratch": {"num_hidden_layers": 2, "intermediate_size": 512, "vocab_size": 800, "optim": {"steps": 16}},
    },
    "tokenizer": {"pieces": 500},
    "pretrain": {
        "stage1": {"steps": 4},
        "stage2": {"steps": 12},
        "eval_every": 8,
        "checkpoint_every": 3,
        "eval_bytes": 5000,
    },
    "finetune": {"optim": {"steps": 6}, "checkpoint_every": 2},
    "export": {
        **{"target_mb": 1.4, "sensitivity_tokens": 256, "calibration_tokens": 1000},
        "learned": [{"quant": "mix", "steps": 2, "batch_size": 2, "sequence_length": 64, "rounding_tokens": 256}],
    },
    "bench": {"eval_tokens": 1000},
    "site": {"n_predict": 64},
}
DOCUMENTS, CHATS = (1500, 1000), 200  # stories of each language


def small_recipe_text() -> str:
    """Returns it as TOML."""
    import tomlkit

    recipe: Any = tomlkit.parse(recipe_text("quickstart")).unwrap()
    for source, limit in zip(recipe["corpus"]["sources"], DOCUMENTS, strict=False):
        source["limit"] = limit
    recipe["finetune"]["sources"][0]["limit"] = CHATS
    _lay(CHANGES, recipe)
    return tomlkit.dumps(recipe)


def _lay(changes: Mapping[str, Any], table: dict[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, Mapping):
            _lay(value, table[key])
        else:
            table[key] = value
