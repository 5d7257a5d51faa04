"""The one file that describes a run: `lilm.toml`, its sections, and how it is read and written."""

from lilm.recipe.corpus import CorpusConfig, SourceConfig
from lilm.recipe.deliver import BenchConfig, ExportConfig, SamplingConfig, SiteConfig, WasmConfig
from lilm.recipe.files import load_recipe, recipe_text, recipe_toml, shipped_recipes
from lilm.recipe.learn import (
    BaseConfig,
    ChatSourceConfig,
    FinetuneConfig,
    LoraConfig,
    OptimConfig,
    PackConfig,
    PretrainConfig,
    ScratchConfig,
    TokenizerConfig,
)
from lilm.recipe.root import Recipe

__all__ = [
    "BaseConfig",
    "BenchConfig",
    "ChatSourceConfig",
    "CorpusConfig",
    "ExportConfig",
    "FinetuneConfig",
    "LoraConfig",
    "OptimConfig",
    "PackConfig",
    "PretrainConfig",
    "Recipe",
    "SamplingConfig",
    "ScratchConfig",
    "SiteConfig",
    "SourceConfig",
    "TokenizerConfig",
    "WasmConfig",
    "load_recipe",
    "recipe_text",
    "recipe_toml",
    "shipped_recipes",
]
