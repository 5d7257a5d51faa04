"""`lilm finetune translate`: what is given on the command line, checked before anything is asked."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilm import __version__
from lilm.errors import LilmError
from lilm.llamacpp.pool import PARALLEL
from lilm.pipeline.hashing import sha256_file
from lilm.progress import Reporter
from lilm.recipe import ChatSourceConfig, FinetuneConfig, Recipe
from lilm.train.finetune.sources import chat_files, find_source
from lilm.train.finetune.translate.address import REQUESTS, AddressTranslator
from lilm.train.finetune.translate.chat import TRIES, ChatTranslator
from lilm.train.finetune.translate.glossary import Glossary, read_glossary
from lilm.train.finetune.translate.pairs import read_pairs
from lilm.train.finetune.translate.prompts import OWN, Prompt, read_template
from lilm.train.finetune.translate.summary import Summary
from lilm.train.finetune.translate.suspect import Judge
from lilm.train.finetune.translate.translators import GgufTranslator, Translator
from lilm.train.finetune.translate.work import Work

LANGUAGE, BASE_LANGUAGE = "ja", "en"  # where neither the command nor a recipe says another
_CODE = re.compile(r"[a-z]{2,3}")


@dataclass(frozen=True)
class Order:
    """dataset, old: a file or a source of the recipe. model: a GGUF file, or with url its name there. language,
    base_language: "" for the recipe's. keep_old: for a chat that fails. parallel: answers at once, None for what suits
    the translator. limit: chats, 0 for all."""

    dataset: str
    out: Path
    model: str = ""
    url: str = ""
    api_key_env: str = ""
    language: str = ""
    base_language: str = ""
    glossary: Path | None = None
    prompt: Path | None = None
    old: str = ""
    keep_old: bool = True
    back: bool = True
    min_score: float = 0.0
    parallel: int | None = None
    limit: int = 0
    n_ctx: int = 4096
    force: bool = False


def translate(order: Order, recipe: Recipe | None, reporter: Reporter) -> Summary:
    """Raises LilmError for what is given wrongly, before the translator is asked, and as Work.run does."""
    _check(order)
    language = _language(order.language or (recipe.language if recipe else LANGUAGE), "--language")
    base = _language(order.base_language or (recipe.base_language if recipe else BASE_LANGUAGE), "--from")
    if language == base:
        raise LilmError(
            f"both languages are {base!r}", where="--language", remedy="give another one, or another --from"
        )
    glossary = read_glossary(order.glossary) if order.glossary else Glossary()
    template = read_template(order.prompt, order.glossary is not None) if order.prompt else OWN
    config = recipe.finetune if recipe else FinetuneConfig()
    source = find_source(order.dataset, config)
    old = find_source(order.old, config) if order.old else None
    read = read_pairs(source.model_copy(update={"limit": order.limit or source.limit}), old, language, base)
    for line in read.described:
        reporter.say(f"  {line}")
    judge = Judge.of(language, base, glossary)
    if not judge.tells:
        reporter.say(f"  whether translations are in {language!r} is not looked at: nothing here tells it")
    chats = ChatTranslator(Prompt(template, language, base), judge, glossary, order.back, order.min_score)
    made_of = {
        "lilm": __version__,
        "dataset": _described(source, order.limit),
        "old": _described(old, 0) if old else None,
        "language": language,
        "base_language": base,
        "glossary": {"sha256": sha256_file(order.glossary), "terms": len(glossary.terms)} if order.glossary else None,
        "prompt": template,
        "tries": TRIES,
        "min_score": order.min_score,
        "failed": "the old translation where there is one, else left out" if order.keep_old else "left out",
    }
    return Work(read.pairs, chats, _translator(order), order.out, order.keep_old).run(made_of, reporter)


def _check(order: Order) -> None:
    if not order.model and not order.url:
        raise LilmError("no translator", where="lilm finetune translate", remedy="give --model FILE.gguf, or --url")
    if order.api_key_env and not order.url:
        raise LilmError("a key is for --url alone", where="--api-key-env", remedy="leave it out, or give --url")
    if order.api_key_env and not os.environ.get(order.api_key_env):
        remedy = f"export {order.api_key_env}=…"
        raise LilmError(f"no variable {order.api_key_env} with a key in it", where="--api-key-env", remedy=remedy)
    if order.out.exists() and not order.force:
        remedy = "give another --out, or --force to write it anew; answers that are kept are not asked for again"
        raise LilmError("it is there already", where=str(order.out), remedy=remedy)
    if not order.out.parent.is_dir():
        raise LilmError("no such folder", where=str(order.out.parent), remedy="make it, or give another --out")


def _language(code: str, where: str) -> str:
    if not _CODE.fullmatch(code):
        raise LilmError(f"{code!r} is no language", where=where, remedy="use a code such as ja, en, de")
    return code


def _translator(order: Order) -> Translator:
    if not order.url:
        return GgufTranslator(Path(order.model), order.n_ctx, parallel=order.parallel or PARALLEL)
    key = os.environ.get(order.api_key_env, "").strip() if order.api_key_env else ""
    return AddressTranslator(order.url, order.model, key, order.parallel or REQUESTS)


def _described(source: ChatSourceConfig, limit: int) -> dict[str, Any]:
    if source.format == "hub":
        return {"hub": source.repo, "split": source.split, "limit": limit or source.limit}
    return {"files": {path.name: sha256_file(path) for path in chat_files(source)}, "limit": limit or source.limit}
