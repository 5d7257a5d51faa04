"""What every contender starts from: text, the base and vocabularies, made by the real stages and shared by links."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilm.documents import read_texts
from lilm.errors import LilmError
from lilm.pipeline.artifact import read_manifest
from lilm.pipeline.hashing import sha256_json
from lilm.pipeline.runner import run_stages
from lilm.pipeline.stage import stage_named
from lilm.progress import Reporter
from lilm.recipe import Recipe, recipe_text
from lilm.train.pretrain.inputs import heldout_texts
from lilm.train.real.own import CHATS, TEXTS
from lilm.train.real.prompts import CHATS as ASKED
from lilm.train.real.prompts import ENGLISH, JAPANESE
from lilm.train.tokenizer.texts import sample_evenly

RECIPE = "smollm2-ja"
SOURCES = (
    ("wiki", "ja", "squad", "ja_text/jaquad_wiki/*.json"),
    ("aozora", "ja", "aozora", "ja_text/aozora/**/*.txt"),
    ("sherlock", "en", "html", "en_text/sherlock/*.xhtml"),
    ("plays", "en", "text", "en_text/tinyshakespeare/*.txt"),
)
"""Name, language, format and files below the data's folder."""
HELD_OUT, REPORTED_BYTES = 0.06, 40_000  # the English is two books, and half of what is held out is left for choices
CHOICE_SHARE = 0.3  # of so many bytes: rates are compared on the same text, which tells them apart sooner
INSTRUCTIONS = "chat/instruction_ja/data/data.jsonl"
SHARED, VOCABULARY = ("corpus", "base"), ("tokenizer", "pack")
LANGUAGES = ("ja", "en")


def bench_recipe(data: Path, base: Path, own: Path, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The shipped recipe, as TOML has it, with the text of `data` and of `own`, and the GGUF file `base`.

    changes: laid over it. Raises LilmError when `data` has no text of a language.
    """
    found = tomllib.loads(recipe_text(RECIPE))
    sources = [
        {"name": name, "lang": lang, "format": form, "path": str(data / pattern), "web": False}
        for name, lang, form, pattern in SOURCES
        if any(data.glob(pattern))
    ]
    for lang in LANGUAGES:
        if not any(source["lang"] == lang for source in sources):
            wanted = " or ".join(pattern for _, other, _, pattern in SOURCES if other == lang)
            raise LilmError(f"no text of language {lang!r}", where=str(data), remedy=f"give a folder that has {wanted}")
    sources.append({"name": "own", "lang": "en", "format": "jsonl", "path": str(own / TEXTS)})
    said = own / CHATS
    has_said = said.is_file() and said.stat().st_size
    chats = [{"name": "own", "format": "messages", "path": str(said)}] if has_said else []
    if (data / INSTRUCTIONS).is_file():
        chats.append({"name": "instructions", "format": "utterances", "path": str(data / INSTRUCTIONS)})
    mine = {
        "corpus": {"sources": sources, "heldout": HELD_OUT},
        "pretrain": {"eval_bytes": REPORTED_BYTES},
        "base": None,
        "finetune": {"sources": chats},
        "bench": {"prompts": [*JAPANESE, *ENGLISH], "chats": list(ASKED)},
        # learnt blocks take longer than the training that is compared here; `lilm bench quant` measures them
        "export": {"quants": ["Q8_0", "Q4_K_M", "Q4_0"], "bits_per_weight": 0.0, "learned": []},
        "site": {"quants": ["Q4_0", "Q8_0"]},
    }
    laid = overlaid(overlaid(found, mine), changes)
    return {**laid, "base": {"kind": "gguf", "path": str(base)}}


def overlaid(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`table` with the values of `changes`, tables in it laid over tables."""
    found = dict(table)
    for key, value in changes.items():
        old = found.get(key)
        found[key] = overlaid(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return found


@dataclass(frozen=True)
class Bed:
    """root: the bench's folder. table: the recipe that contenders change. reported: held-out texts by language, for
    the figures that are told; choosing: others, for choices among rates."""

    root: Path
    table: Mapping[str, Any]
    reported: Mapping[str, list[str]]
    choosing: Mapping[str, list[str]]
    reporter: Reporter

    @property
    def shared(self) -> Path:
        """The run folder with corpus and base."""
        return self.root / "shared"

    def recipe(self, changes: Mapping[str, Any]) -> Recipe:
        return Recipe.model_validate(overlaid(self.table, changes))

    def digests(self) -> dict[str, str]:
        """What corpus and base hold, as hashes."""
        manifests = {name: read_manifest(self.shared / name) for name in SHARED}
        return {name: manifest.digest for name, manifest in manifests.items() if manifest is not None}

    def run_folder(self, name: str, recipe: Recipe) -> Path:
        """A run folder of that name in which all before `pretrain` is done, its vocabulary the recipe's. Contenders
        with the same [tokenizer] share it."""
        key = sha256_json(recipe.tokenizer.model_dump(mode="json"))[:12]
        vocabulary = self.root / "vocabularies" / key
        link(vocabulary, SHARED, self.shared)
        run_stages(recipe, vocabulary, [stage_named(one) for one in VOCABULARY], self.reporter)
        folder = self.root / name
        link(folder, SHARED, self.shared)
        link(folder, VOCABULARY, vocabulary)
        return folder


def make_bed(root: Path, table: Mapping[str, Any], reporter: Reporter) -> Bed:
    """Run the stages corpus and base in `root`; what is done stays."""
    recipe = Recipe.model_validate(table)
    shared = root / "shared"
    shared.parent.mkdir(parents=True, exist_ok=True)
    run_stages(recipe, shared, [stage_named(name) for name in SHARED], reporter)
    n_bytes = recipe.pretrain.eval_bytes
    reported = heldout_texts(shared / "corpus", LANGUAGES, n_bytes)
    chosen_on = round(n_bytes * CHOICE_SHARE)
    choosing = {lang: _others(shared / "corpus", lang, reported[lang], chosen_on) for lang in LANGUAGES}
    return Bed(root, table, reported, choosing, reporter)


def _others(corpus: Path, lang: str, taken: list[str], n_bytes: int) -> list[str]:
    """About `n_bytes` of held-out texts that are not among `taken`, spread over all of them; one at least."""
    known = set(taken)
    rest = [text for text in read_texts(corpus, lang, "heldout") if text not in known]
    if not rest:
        raise LilmError(
            f"all held-out text of {lang} is reported: none is left for choices",
            where=str(corpus),
            remedy="give more text",
        )
    share = n_bytes / sum(len(text.encode()) for text in rest)
    return list(sample_evenly(rest, max(share, 1 / len(rest))))


def link(folder: Path, names: tuple[str, ...], source: Path) -> None:
    """Make `folder`/NAME mean `source`/NAME, for stages that are done there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = folder / name
        if path.is_symlink() and path.readlink() != source / name:
            path.unlink()
        if not path.is_symlink():
            path.symlink_to(source / name, target_is_directory=True)
