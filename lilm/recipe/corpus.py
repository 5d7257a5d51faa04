"""[corpus]: where text comes from and what is kept of it."""

from typing import Literal

from pydantic import Field, model_validator

from lilm.recipe.section import Section

TextFormat = Literal["text", "aozora", "jsonl", "squad", "html", "stories", "hub"]


class SourceConfig(Section):
    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    """Shown in reports, and the prefix of document ids."""
    lang: str = Field(pattern=r"^[a-z]{2,3}$")
    """Language of the text: the recipe's `language` or its `base_language`."""
    format: TextFormat
    """text: one document per file, or per `separator`; aozora: Aozora Bunko with ruby; jsonl: one document a
    line in `field`; squad: contexts of SQuAD-style JSON; html: main text; stories: made by LiLM itself;
    hub: a Hugging Face dataset, streamed."""
    path: str = ""
    """File or glob (`**` allowed), relative to the recipe."""
    field: str = "text"
    """jsonl, hub: the key that holds the text."""
    separator: str = ""
    """text: what stands between documents; empty: a file is one document."""
    repo: str = ""
    """hub: dataset id."""
    config: str = ""
    """hub: dataset configuration."""
    split: str = "train"
    """hub: dataset split."""
    limit: int = Field(default=0, ge=0)
    """Read this many documents at most; 0: all. stories: how many to make."""

    @model_validator(mode="after")
    def _needs(self) -> "SourceConfig":
        needed = {"hub": "repo", "stories": "limit"}.get(self.format, "path")
        if not getattr(self, needed):
            raise ValueError(f"format {self.format!r} needs the key {needed!r}")
        return self


class CorpusConfig(Section):
    sources: tuple[SourceConfig, ...] = Field(min_length=1)
    """[[corpus.sources]], one table each."""
    punctuation: Literal["、。", "，．", ",.", "keep"] = "、。"
    """Japanese punctuation is made to look like this. Models trained on 「,.」 stumble over 「、。」."""
    min_chars: int = Field(default=50, ge=1)
    """Shorter documents are dropped (Swallow: 400 for web pages)."""
    max_chars: int = Field(default=20_000, ge=100)
    """Longer documents are split at line ends (sentence ends when a line is longer)."""
    min_hiragana: float = Field(default=0.2, ge=0, le=1)
    """Japanese: least share of hiragana (Swallow: 0.2)."""
    max_katakana: float = Field(default=0.5, ge=0, le=1)
    """Japanese: greatest share of katakana (Swallow: 0.5)."""
    max_duplicate_lines: float = Field(default=0.3, ge=0, le=1)
    """Greatest share of characters in repeated lines (Gopher: 0.20 of characters, 0.30 of lines)."""
    max_repetition: float = Field(default=0.2, ge=0, le=1)
    """Greatest share of characters inside the most frequent 10-gram (after Gopher's top n-gram rules)."""
    min_compression: float = Field(default=0.3, ge=0, le=1)
    """Least zlib ratio, compressed/plain bytes (llm-jp: 0.3); lower is repetitive."""
    near_duplicate: float = Field(default=0.8, ge=0.5, le=1)
    """Documents whose character 5-grams have this Jaccard similarity are one; 1: only exact ones."""
    heldout: float = Field(default=0.02, gt=0, lt=0.5)
    """Share of documents per language kept for measuring, by document, never a near-duplicate of training."""
    heldout_max: int = Field(default=2_000, ge=1)
    """At most this many documents per language are held out."""
