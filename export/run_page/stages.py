"""What each stage came to, in a sentence, with its time, its size and its own page."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lilm.export.run_page.collect import RunFigures, number
from lilm.pipeline.stage import STAGES
from lilm.report.languages import language_name
from lilm.report.units import count, percent, size, three_digits

PAGE = "report.html"
RULES = 8  # that are named


@dataclass(frozen=True)
class StageRow:
    """outdated: why it would be made again, "" where it would not. seconds: of the last try, where it was resumed.
    page: address of the stage's own page, "" where it has none."""

    name: str
    done: bool
    words: str
    outdated: str
    seconds: float
    resumed: bool
    bytes: int
    page: str


def stage_rows(run: RunFigures) -> list[StageRow]:
    found = []
    for stage in STAGES:
        done = stage.name in run.manifests
        page = f"{stage.name}/{PAGE}" if (run.folder / stage.name / PAGE).is_file() else ""
        words = (_WORDS[stage.name](run) if stage.name in _WORDS else "") if done else ""
        size_of = run.size(stage.name) if done else 0
        resumed = done and bool(run.manifests[stage.name].measurements.get("resumed"))
        found.append(
            StageRow(
                stage.name,
                done,
                words or stage.summary,
                run.outdated.get(stage.name, ""),
                run.seconds(stage.name),
                resumed,
                size_of,
                page,
            )
        )
    return found


def drops(run: RunFigures) -> list[tuple[str, int]]:
    """(rule, documents) that dropped most."""
    found = run.reports.get("corpus", {}).get("drops")
    if not isinstance(found, dict):
        return []
    counted = [(rule, int(number(entry, "documents") or 0)) for rule, entry in found.items()]
    return sorted(counted, key=lambda one: (-one[1], one[0]))[:RULES]


def broken(run: RunFigures) -> int:
    found = run.reports.get("corpus", {}).get("bad")
    return sum(int(number(entry, "bad") or 0) for entry in found.values()) if isinstance(found, dict) else 0


def _corpus(run: RunFigures) -> str:
    sources = run.reports["corpus"].get("sources")
    steps = sources if isinstance(sources, dict) else {}

    def counted(step: str, names: Iterable[str]) -> int:
        return sum(int(number(steps[name], step, "documents") or 0) for name in names)

    parts, kept = (counted(step, steps) for step in ("normalised", "written"))
    held = [number(run.reports["corpus"], "languages", lang, "heldout", "documents") for lang in run.languages]
    words = f"{count(parts)} parts of text, {count(parts - kept)} dropped ({percent((parts - kept) / max(1, parts))})"
    # much English hides what became of the few texts of one's own
    mine = [one.name for one in run.recipe.corpus.sources if one.lang == run.languages[0] and one.name in steps]
    if 0 < len(mine) < len(steps):
        own, left = (counted(step, mine) for step in ("normalised", "written"))
        words += f", of {language_name(run.languages[0])} {count(own - left)} of {count(own)}"
    return words + f"; {count(int(sum(one or 0 for one in held)))} held out for measuring"


def _base(run: RunFigures) -> str:
    base, parameters = run.recipe.base, run.measured("base", "parameters")
    named = base.repo or base.url.rsplit("/", 1)[-1] or base.path.rsplit("/", 1)[-1] or "a small Llama, trained here"
    return named + (f", {parameters / 1e6:,.0f} million parameters" if parameters else "")


def _tokenizer(run: RunFigures) -> str:
    report, new = run.reports["tokenizer"], run.languages[0]
    added = number(report, "pieces_added") or 0.0
    before, after = (number(report, new, f"{kind}_chars_per_token") for kind in ("base", "merged"))
    words = f"{count(int(added))} pieces added"
    if before and after:
        words += (
            f": a token holds {three_digits(after)} characters of {language_name(new)}, it was {three_digits(before)}"
        )
    return words


def _pack(run: RunFigures) -> str:
    found = [
        f"{count(int(tokens))} {language_name(lang)}"
        for lang in run.languages
        if (tokens := number(run.manifests["pack"].measurements, "tokens", f"{lang}-train")) is not None
    ]
    return f"tokens to learn from: {', '.join(found)}" if found else ""


def _pretrain(run: RunFigures) -> str:
    config, speed = run.recipe.pretrain, run.measured("pretrain", "tokens_per_s")
    sequences = sum(one.steps * one.batch_size for one in (config.stage1, config.stage2))
    words = f"at most {count(sequences * config.sequence_length)} tokens read"
    return words + (f", {count(int(speed))} a second" if speed else "")


def _finetune(run: RunFigures) -> str:
    if not run.recipe.finetune.sources:
        return "no chats: the model goes on unchanged"
    report = run.reports["finetune"]
    chats, first, last = (number(report, name) for name in ("chats", "first_loss", "final_loss"))
    words = f"{count(int(chats))} chats" if chats is not None else ""
    return words + (f"; loss on the answers {first:.2f} at first, {last:.2f} at the end" if first and last else "")


def _export(run: RunFigures) -> str:
    files = run.reports["export"].get("files")
    named = [
        f"{file.get('quant')} {three_digits((number(file, 'bytes') or 0) / 1e6)} MB"
        for file in (files if isinstance(files, list) else [])
        if isinstance(file, dict)
    ]
    return ", ".join(named)


def _bench(run: RunFigures) -> str:
    tokens = [number(run.reports["bench"], "measured_on", lang, "tokens") for lang in run.languages]
    found = [f"{count(int(one))} {language_name(lang)}" for lang, one in zip(run.languages, tokens, strict=True) if one]
    return f"the base, the pretrained model and each file on held-out tokens: {', '.join(found)}" if found else ""


def _site(run: RunFigures) -> str:
    return f"the page, {size(run.size('site'))} with {', '.join(run.recipe.site.quants)}"


_WORDS: dict[str, Callable[[RunFigures], str]] = {
    "corpus": _corpus,
    "base": _base,
    "tokenizer": _tokenizer,
    "pack": _pack,
    "pretrain": _pretrain,
    "finetune": _finetune,
    "export": _export,
    "bench": _bench,
    "site": _site,
}
