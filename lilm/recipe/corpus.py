"""[corpus]: where text comes from, and what is kept of it."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from lilm.recipe.rules import RulesConfig
from lilm.recipe.section import LicenseName, Section

TextFormat = Literal[
    "auto", "text", "aozora", "jsonl", "parquet", "csv", "squad", "html", "warc", "mediawiki", "stories", "hub"
]
WEB_FORMATS = ("html", "warc")


class SourceConfig(Section):
    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    """Shown in reports, and the prefix of document ids."""
    lang: str = Field(pattern=r"^[a-z]{2,3}$")
    """Language of the text: the recipe's `language` or its `base_language`."""
    format: TextFormat = "auto"
    """auto: each file as its first bytes and its name say, of a folder all files in it. text: one document per file, or
    per `separator`; aozora: Aozora Bunko with ruby; jsonl: one document a line in `field`; parquet, csv (with any
    separator): one a row in the column `field`; squad: contexts of SQuAD-style JSON; html: main text of a page; warc:
    main text of each page in a web archive; mediawiki: articles of an XML dump; stories: made by LiLM itself; hub: a
    Hugging Face dataset, streamed. All files may be .gz, .xz, .bz2 or .zst. A document is named by its place; of ids
    that stand in the files see `id_field`."""
    path: str = ""
    """File or glob (`**` allowed), relative to the recipe; with format auto also a folder."""
    field: str = "text"
    """jsonl, parquet, csv, hub: the key that holds the text."""
    id_field: str = "id"
    """jsonl, parquet, csv, hub: the key of the records' own ids, where they have any (mediawiki: always the page's): a
    record whose id stood in the source before counts as broken input. Empty: ids are not looked at."""
    separator: str = ""
    """text: what stands between documents; empty: a file is one document."""
    repo: str = ""
    """hub: dataset id."""
    config: str = ""
    """hub: dataset configuration."""
    split: str = "train"
    """hub: dataset split."""
    limit: int = Field(default=0, ge=0)
    """Read this many documents at most, broken records not counted; 0: all. stories: how many to make."""
    weight: float = Field(default=1.0, gt=0, le=100)
    """How often its documents are seen in one pass over the corpus: 2 is twice, 0.5 every second one."""
    web: bool | None = None
    """Whether the rules for pages of the web hold (see [corpus.rules]); default: for html and warc, also where auto
    finds them."""
    detect_language: bool | None = None
    """Whether documents in another language than `lang` are dropped, by py3langid; default: as `web`."""

    license: LicenseName = ""
    """Of the text, for the model card."""

    unhashed: ClassVar[frozenset[str]] = frozenset({"license"})

    @property
    def is_web(self) -> bool:
        return self.format in WEB_FORMATS if self.web is None else self.web

    @property
    def tells_language(self) -> bool:
        return self.is_web if self.detect_language is None else self.detect_language

    @model_validator(mode="after")
    def _needs(self) -> "SourceConfig":
        needed = {"hub": "repo", "stories": "limit"}.get(self.format, "path")
        if not getattr(self, needed):
            raise ValueError(f"format {self.format!r} needs the key {needed!r}")
        return self


class ScoreConfig(Section):
    """[corpus.score]: how good a document is, by the perplexity of a character n-gram model (as in CCNet)."""

    trusted: tuple[str, ...] = ()
    """Names of sources whose text the model is trained on; they are scored too. None and no `models`: no scores."""
    models: dict[str, str] = Field(default={})
    """Language -> your own n-gram model over characters (.arpa, of KenLM or another), instead of a trained one."""
    order: int = Field(default=5, ge=2, le=6)
    """Characters of the longest n-gram."""
    train_chars: int = Field(default=5_000_000, ge=10_000, le=100_000_000)
    """Characters of trusted text per language that the model is trained on. Every process holds the model: 5 million
    take 60 MB and rank like 8 million (rank correlation .98); 20 million take 230 MB."""
    drop: float = Field(default=0.0, ge=0, lt=1)
    """Share of the documents of a language, the worst scored, that is dropped."""
    buckets: int = Field(default=3, ge=1, le=20)
    """Percentile buckets: the corpus is written best bucket first (CCNet: head, middle, tail)."""


class DedupConfig(Section):
    """[corpus.dedup]: what stands twice."""

    near: float = Field(default=0.8, ge=0.5, le=1)
    """Documents whose character 5-grams have this Jaccard similarity are one; 1: only exact ones."""
    line_documents: int = Field(default=0, ge=0)
    """A line of `line_chars` or more, or a sentence of 40 characters or more, that stands in this many different
    documents is boilerplate and is taken out of all of them; 0: never."""
    line_chars: int = Field(default=10, ge=1)
    """Shorter lines are no line for `line_documents`."""
    substring_chars: int = Field(default=100, ge=0)
    """So many characters in a row, wherever they stand, that are the same in `line_documents` different documents are
    boilerplate, too; 0: only whole lines and sentences are."""
    earlier: tuple[str, ...] = ()
    """Folders of corpus stages made before (RUN/corpus), relative to the recipe: what they hold is dropped here."""

    @model_validator(mode="after")
    def _is_long(self) -> "DedupConfig":
        if 0 < self.substring_chars < 20:
            raise ValueError("substring_chars must be 0, or 20 or more: less is said by many people")
        return self


class DecontaminateConfig(Section):
    """[corpus.decontaminate]: nothing of the tests may be learnt."""

    path: tuple[str, ...] = ()
    """Evaluation files (JSON, JSONL or text; globs allowed), relative to the recipe."""
    ngram: int = Field(default=25, ge=8)
    """Letters and digits in a row, after NFKC and case folding, that make a document contaminated. Shorter entries of
    an evaluation file (names, short answers) are not looked for: too much honest text holds them."""


class CorpusConfig(Section):
    unhashed: ClassVar[frozenset[str]] = frozenset({"executor", "workers", "memory_mb"})

    sources: tuple[SourceConfig, ...] = Field(min_length=1)
    """[[corpus.sources]], one table each."""
    punctuation: Literal["、。", "，．", ",.", "keep"] = "、。"
    """Japanese punctuation is made to look like this. Models trained on 「,.」 stumble over 「、。」."""
    max_chars: int = Field(default=20_000, ge=100)
    """Longer documents are split at line ends (sentence ends when a line is longer)."""
    rules: RulesConfig = RulesConfig()
    score: ScoreConfig = ScoreConfig()
    dedup: DedupConfig = DedupConfig()
    decontaminate: DecontaminateConfig = DecontaminateConfig()
    heldout: float = Field(default=0.02, gt=0, lt=0.5)
    """Share of documents per language kept for measuring, by document, never a near-duplicate of training."""
    heldout_max: int = Field(default=2_000, ge=1)
    """At most this many documents per language are held out."""
    bad_input: Literal["skip", "stop"] = "skip"
    """skip: broken lines, records and files are counted and named, and left out, up to `max_bad` of a source;
    stop: the first one ends the run."""
    max_bad: float = Field(default=0.01, ge=0, le=1)
    """skip: greatest share of a source's records that may be broken."""
    executor: Literal["local", "ray"] = "local"
    """Where shards are worked on: processes here, or tasks of a Ray cluster that shares the disk."""
    workers: int = Field(default=0, ge=0)
    """local: processes; 0: one per core, or a single one for little text. The output does not depend on it."""
    memory_mb: int = Field(default=2_000, ge=300)
    """Memory that the stage may take in all, MB; more makes fewer passes over the disk. The output does not depend
    on it."""

    @model_validator(mode="after")
    def _trusts(self) -> "CorpusConfig":
        unknown = set(self.score.trusted) - {source.name for source in self.sources}
        if unknown:
            raise ValueError(f"score.trusted names {sorted(unknown)[0]!r}, which is no source")
        if self.score.drop and not (self.score.trusted or self.score.models):
            raise ValueError("score.drop needs score.trusted or score.models")
        return self
