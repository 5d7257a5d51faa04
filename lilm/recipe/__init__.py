"""The one file that describes a run: `lilm.toml`, its sections, and how it is read and written."""

from lilm.recipe.corpus import CorpusConfig, DecontaminateConfig, DedupConfig, ScoreConfig, SourceConfig
from lilm.recipe.deliver import BenchConfig, ExportConfig, SamplingConfig, SiteConfig, WasmConfig
from lilm.recipe.files import load_recipe, recipe_text, recipe_toml, shipped_recipes
from lilm.recipe.learn import (
    BaseConfig,
    ChatSourceConfig,
    DistributedConfig,
    FinetuneConfig,
    LoraConfig,
    OptimConfig,
    PackConfig,
    PretrainConfig,
    ScratchConfig,
    TokenizerConfig,
)
from lilm.recipe.root import Recipe
from lilm.recipe.rules import RulesConfig

__all__ = [
    "BaseConfig",
    "BenchConfig",
    "ChatSourceConfig",
    "CorpusConfig",
    "DecontaminateConfig",
    "DedupConfig",
    "DistributedConfig",
    "ExportConfig",
    "FinetuneConfig",
    "LoraConfig",
    "OptimConfig",
    "PackConfig",
    "PretrainConfig",
    "Recipe",
    "RulesConfig",
    "SamplingConfig",
    "ScoreConfig",
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
