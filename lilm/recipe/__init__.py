"""The one file that describes a run: `lilm.toml`, its sections, and how it is read and written."""

from lilm.recipe.base import BaseConfig, ScratchConfig
from lilm.recipe.bench import BenchConfig
from lilm.recipe.chats import ChatSourceConfig
from lilm.recipe.checks import ChecksConfig
from lilm.recipe.corpus import CorpusConfig, DecontaminateConfig, DedupConfig, ScoreConfig, SourceConfig
from lilm.recipe.export import LEARNED, MIX, ExportConfig, FileType, LearnedConfig, QuantType
from lilm.recipe.files import UnknownKeys, load_recipe, recipe_text, recipe_toml, shipped_recipes
from lilm.recipe.finetune import FinetuneConfig, PreferenceConfig
from lilm.recipe.pack import PackConfig
from lilm.recipe.pretrain import LoraConfig, PretrainConfig
from lilm.recipe.root import Recipe
from lilm.recipe.rules import RulesConfig
from lilm.recipe.site import SamplingConfig, SiteConfig
from lilm.recipe.tokenizer import TokenizerConfig
from lilm.recipe.training import AdapterConfig, DistributedConfig, NewRowsOptimConfig, OptimConfig
from lilm.recipe.wasm import WasmConfig

__all__ = [
    "LEARNED",
    "MIX",
    "AdapterConfig",
    "BaseConfig",
    "BenchConfig",
    "ChatSourceConfig",
    "ChecksConfig",
    "CorpusConfig",
    "DecontaminateConfig",
    "DedupConfig",
    "DistributedConfig",
    "ExportConfig",
    "FileType",
    "FinetuneConfig",
    "LearnedConfig",
    "LoraConfig",
    "NewRowsOptimConfig",
    "OptimConfig",
    "PackConfig",
    "PreferenceConfig",
    "PretrainConfig",
    "QuantType",
    "Recipe",
    "RulesConfig",
    "SamplingConfig",
    "ScoreConfig",
    "ScratchConfig",
    "SiteConfig",
    "SourceConfig",
    "TokenizerConfig",
    "UnknownKeys",
    "WasmConfig",
    "load_recipe",
    "recipe_text",
    "recipe_toml",
    "shipped_recipes",
]
