"""The recipe itself: its sections, and what must hold between them."""

from pydantic import Field, model_validator

from lilm.recipe.base import BaseConfig
from lilm.recipe.bench import BenchConfig
from lilm.recipe.corpus import CorpusConfig
from lilm.recipe.export import MIX, ExportConfig
from lilm.recipe.finetune import FinetuneConfig
from lilm.recipe.pack import PackConfig
from lilm.recipe.possible import impossible
from lilm.recipe.pretrain import PretrainConfig
from lilm.recipe.section import Section
from lilm.recipe.site import SiteConfig
from lilm.recipe.tokenizer import TokenizerConfig
from lilm.recipe.wasm import WasmConfig


class Recipe(Section):
    name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    """Of the run: letters, digits, `_`, `.` and `-`. A shipped recipe's run is made in runs/NAME."""
    language: str = Field(default="ja", pattern=r"^[a-z]{2,3}$")
    """The language to learn."""
    base_language: str = Field(default="en", pattern=r"^[a-z]{2,3}$")
    """The language the base model knows; it is replayed and measured beside the new one."""
    seed: int = Field(default=0, ge=0, lt=1 << 32)
    """Of all randomness."""
    threads: int = Field(default=2, ge=1, le=1024)
    """CPU threads of numeric work. Fixed here because the order of a sum decides its last bits."""

    corpus: CorpusConfig
    base: BaseConfig
    tokenizer: TokenizerConfig = TokenizerConfig()
    pack: PackConfig = PackConfig()
    pretrain: PretrainConfig = PretrainConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    export: ExportConfig = ExportConfig()
    bench: BenchConfig = BenchConfig()
    wasm: WasmConfig = WasmConfig()
    site: SiteConfig = SiteConfig()

    @model_validator(mode="after")
    def _agrees(self) -> "Recipe":
        found = {source.lang for source in self.corpus.sources}
        wanted = {self.language, self.base_language}
        if self.language == self.base_language:
            raise ValueError("language and base_language are the same")
        if found != wanted:
            raise ValueError(
                f"corpus.sources has the languages {sorted(found)}; the recipe needs text in each of {sorted(wanted)}"
            )
        if (why := impossible(self.language, self.corpus.sources, self.finetune.sources)) is not None:
            raise ValueError(why)
        names = [source.name for source in self.corpus.sources]
        if len(set(names)) < len(names):
            raise ValueError(f"corpus.sources: a name stands twice in {names}")
        if self.export.adapter and (self.pretrain.method != "lora" or self.finetune.sources):
            raise ValueError(
                'export.adapter needs pretrain.method = "lora", and no finetune.sources: what is trained after an '
                "adapter is not in it"
            )
        if self.site.adapter and not self.export.adapter:
            raise ValueError("site.adapter needs export.adapter, which makes the files")
        if self.site.adapter and (others := sorted(set(self.site.quants) - set(self.export.quants))):
            raise ValueError(f"site.adapter goes with llama.cpp's own types, and site.quants has {others}")
        missing = sorted(set(self.site.quants) - set(self.export.files))
        if missing:
            how = (
                "set export.target_mb, bits_per_weight or device"
                if MIX in missing
                else "add them there, or leave them out"
            )
            raise ValueError(f"site.quants has {missing}, which [export] does not make: {how}")
        return self
