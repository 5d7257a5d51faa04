"""How a run's model answers questions that it has not seen: whether it ends, in which language, whether in circles."""

from itertools import islice
from pathlib import Path
from typing import Any

from lilm.documents import read_texts
from lilm.errors import LilmError
from lilm.export.quality.chats import find_chats
from lilm.export.quality.opened import check_run
from lilm.export.quality.written import beginnings, script_of, write
from lilm.export.talk.worth import TEXTS, shares
from lilm.json_file import read_json_object
from lilm.llamacpp.engine import Engine
from lilm.progress import Reporter
from lilm.recipe import LEARNED, MIX

N_CTX = 1024  # tokens, where the model saw as many in training


def measure_answers(folder: Path, count: int, reporter: Reporter) -> dict[str, Any]:
    """Of `count` answers to the first questions of held-out chats, drawn as the page draws, by the file that the page
    offers first: {"run", "file", "answers", "held_out", "why", and as shares with intervals "ends_by_eos",
    "in_language" (the question's), "loops"}. held_out is false where training left no chats: then it read these.

    Raises LilmError for what is no finished run, and for one that was not taught to chat or does not have that file.
    """
    recipe, _ = check_run(folder)
    file = offered_file(folder)
    chats = find_chats(recipe, folder / "finetune")
    if not chats.chats:
        raise LilmError(f"no questions: {chats.why}", where=str(folder), remedy="give a run with [[finetune.sources]]")
    languages = (recipe.language, recipe.base_language)
    scripts = {
        lang: script_of("".join(islice(read_texts(folder / "corpus", lang, "heldout"), TEXTS))) for lang in languages
    }
    with Engine(file, n_ctx=N_CTX, threads=recipe.threads) as engine:
        n_ctx = min(N_CTX, engine.n_ctx_train)
        n_predict = min(recipe.site.n_predict, n_ctx // 2)
        asked = beginnings(engine, [], chats.chats, scripts, count, n_ctx - n_predict)
        if not asked:
            what = f"no question leaves room for an answer of {n_predict} tokens"
            raise LilmError(what, where=str(file), remedy="set site.n_predict to less")
        with reporter.bar("answers", len(asked)) as bar:
            written = write(engine, asked, recipe.site.sampling, n_predict, recipe.seed, bar.advance)
    about = {"run": recipe.name, "file": file.name, "answers": count, "held_out": not chats.seen, "why": chats.why}
    return {**about, **shares(written)}


def offered_file(folder: Path) -> Path:
    """The file of a finished run that its page offers first; in site.quants a mix has no size in its name."""
    quant, export = check_run(folder)[0].site.quants[0], folder / "export"
    learned = quant.endswith(LEARNED)
    for row in read_json_object(export / "report.json")["files"]:
        is_mix = quant.startswith(MIX) and row["quant"].startswith(f"{MIX}-")
        if row["quant"] == quant or (is_mix and row["quant"].endswith(LEARNED) == learned):
            return export / str(row["name"])
    remedy = f"have [export] make {quant}, or remove it from site.quants"
    raise LilmError(f"{quant} was not exported", where=str(export), remedy=remedy)
