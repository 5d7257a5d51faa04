"""All that a run's files are measured on: held-out text of both languages, and chats."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lilm.documents import read_texts
from lilm.errors import LilmError
from lilm.export.quality.chats import Chats, chat_passages, find_chats
from lilm.export.quality.opened import OpenedRun
from lilm.export.quality.passages import FEWEST, LONG_PART, SHORT, Passages, long_passages, ordered, short_passages
from lilm.export.quality.plan import Plan
from lilm.export.quality.written import script_of
from lilm.llamacpp.engine import Engine


@dataclass(frozen=True)
class Texts:
    """passages: what there is. missing: by name, why there is none of a kind. scripts: of each language's text, "" for
    both where they share one. n_ctx: of the long windows, not more than the model was trained for."""

    passages: list[Passages]
    missing: dict[str, str]
    chats: Chats
    scripts: dict[str, str]
    n_ctx: int

    @property
    def documents(self) -> dict[str, list[str]]:
        """Returns, by kind of text, the hashes of all documents of which something is measured."""
        found: dict[str, list[str]] = {}
        for one in self.passages:
            found[one.text] = sorted({*found.get(one.text, []), *one.documents})
        return found

    def short(self) -> list[Passages]:
        return [one for one in self.passages if one.context == "short"]

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for one in self.passages:
            found.setdefault(one.text, {})[one.context] = one.as_json()
        return found


def find_texts(run: OpenedRun, plan: Plan, say: Callable[[str], None]) -> Texts:
    """Cut by the F16 file's vocabulary. What is missing of the tokens asked for is said.

    Raises LilmError when a language has fewer than FEWEST held-out documents with text.
    """
    with Engine(run.full.path, n_ctx=SHORT, threads=run.recipe.threads) as engine:
        n_ctx = min(plan.n_ctx, engine.n_ctx_train)

        def encode(text: str) -> list[int]:
            return engine.tokenize(text, add_bos=False)

        found: list[Passages] = []
        missing: dict[str, str] = {}
        scripts: dict[str, str] = {}
        for lang in run.languages:
            texts = ordered(read_texts(run.corpus, lang, "heldout"))
            scripts[lang] = script_of("".join(texts[:20]))
            short = short_passages(lang, texts, encode, engine.bos_id, plan.eval_tokens)
            if len(short.documents) < FEWEST:
                raise LilmError(
                    f"{len(short.documents)} held-out documents of {lang!r} have text; an interval needs {FEWEST}",
                    where=str(run.corpus),
                    remedy="give that language more text, or a larger corpus.heldout, and run again",
                )
            long = long_passages(lang, texts, encode, engine.bos_id, n_ctx, plan.eval_tokens // LONG_PART)
            found.append(short)
            if n_ctx > SHORT and len(long.documents) >= FEWEST:
                found.append(long)
            elif n_ctx > SHORT:
                missing[long.name] = f"fewer than {FEWEST} held-out documents are longer than {SHORT} tokens"
            else:
                missing[long.name] = f"a context of {n_ctx} tokens is no longer than a short window"
    chats = find_chats(run.recipe, run.finetune)
    if chats.chats:
        whole = chat_passages(chats.chats, run.finetune, n_ctx, plan.eval_tokens)
        if len(whole.documents) >= FEWEST:
            found.append(whole)
        else:
            missing[whole.name] = f"fewer than {FEWEST} chats"
    else:
        missing["chat whole"] = chats.why
    if len(set(scripts.values())) < len(scripts):
        scripts = dict.fromkeys(scripts, "")
    _say(found, missing, chats, say)
    return Texts(found, missing, chats, scripts, n_ctx)


def _say(found: list[Passages], missing: dict[str, str], chats: Chats, say: Callable[[str], None]) -> None:
    for one in found:
        lack = one.wanted - one.tokens
        less = f", {lack:,} fewer than asked for: there is no more" if lack > 0 else ""
        say(f"  {one.name}: {one.tokens:,} tokens of {len(one.documents):,} documents{less}")
    for name, why in missing.items():
        say(f"  {name}: none; {why}")
    if chats.seen:
        say(f"  {chats.why}")
