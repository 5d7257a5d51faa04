"""Both languages before and after each step of training, and in each file; and which file to ship."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lilm.export.quality.page.advice import OVER_RULE, advise
from lilm.export.quality.page.choice import BOUND
from lilm.export.run_page.collect import RunFigures, number
from lilm.report.languages import language_name
from lilm.report.units import FEW_TOKENS, count, percent, three_digits

LITTLE = 0.02  # more bits per byte by which nobody would notice
BASE, PRETRAIN = "base", "pretrain"  # the steps before the files
_FIGURES = ("bits_per_byte", "kld_mean", "rise")


@dataclass(frozen=True)
class Rise:
    """The share by which bits per byte are more than the base's on the same text, and the ends of its 95% interval."""

    value: float
    ends: tuple[float, float] | None


@dataclass(frozen=True)
class QualityRow:
    """bits: bits per byte by language; kld: KL divergence from F16, nats a token; rise: against the base, None where
    that was not measured. name: the step's or the file's. mb: of a file."""

    name: str
    label: str
    bits: dict[str, float | None]
    kld: dict[str, float | None]
    rise: dict[str, Rise | None]
    mb: float | None = None


@dataclass(frozen=True)
class Shipped:
    """device: kind of device, "" for any. file: its name, "" where none fits. why: in a sentence."""

    device: str
    file: str
    why: str


def quality_rows(run: RunFigures) -> list[QualityRow]:
    """The base, the pretrained model, after chats, and each file, all on the text of the stage `bench`; before that is
    done, the first two on pretraining's."""
    bench = run.reports.get("bench", {})
    steps = {str(row.get("step")): row for row in _list(bench, "steps")}
    rows = [_row(run, name, _label(run, name), steps[name]) for name in (BASE, PRETRAIN) if name in steps]
    for file in _files(run):
        full = file.get("quant") == "F16"
        label = "after chats (F16)" if full and run.recipe.finetune.sources else str(file.get("quant"))
        rows.append(_row(run, str(file.get("name")), label, file))
    return rows or _by_pretraining(run)


def _label(run: RunFigures, step: str) -> str:
    config = run.recipe.pretrain
    trained = config.stage1.steps or config.stage2.steps
    return "the base" if step == BASE else "after pretraining" if trained else "with the new pieces, not trained"


def _row(run: RunFigures, name: str, label: str, row: dict[str, Any]) -> QualityRow:
    bits, kld, rise = ({lang: number(row, "quality", lang, key) for lang in run.languages} for key in _FIGURES)
    ends = {lang: [number(row, "quality", lang, key) for key in ("rise_low", "rise_high")] for lang in run.languages}
    known = {
        lang: None if value is None else Rise(value, None if None in ends[lang] else tuple(ends[lang]))  # type: ignore[arg-type]
        for lang, value in rise.items()
    }
    size = number(row, "bytes")
    return QualityRow(name, label, bits, kld, known, size / 1e6 if size is not None else None)


def _by_pretraining(run: RunFigures) -> list[QualityRow]:
    found, base = [], dict[str, float | None]()
    for name, key in ((BASE, "before"), (PRETRAIN, "after")):
        bits = {lang: number(run.reports.get("pretrain", {}), key, f"bits_per_byte_{lang}") for lang in run.languages}
        base = base or bits
        rise = {lang: Rise(now / was - 1, None) if now and (was := base[lang]) else None for lang, now in bits.items()}
        if any(value is not None for value in bits.values()):
            found.append(QualityRow(name, _label(run, name), bits, {}, rise))
    return found


def same_text(run: RunFigures) -> str:
    """On which text the rows were measured, and how each model read it."""
    bench = run.reports.get("bench", {})
    if not _files(run):
        return (
            "Both rows on one text, as pretraining measured them; the stage bench measures them and the files on one."
        )
    texts, windows = [], []
    for lang in run.languages:
        tokens, documents = (number(bench, "measured_on", lang, key) for key in ("tokens", "documents"))
        if tokens and documents:
            texts.append(f"{count(int(tokens))} tokens of {count(int(documents))} documents in {language_name(lang)}")
        for row in _list(bench, "steps"):
            if row.get("step") == "base" and (window := number(row, "quality", lang, "window")):
                windows.append(f"{count(int(window))} in {language_name(lang)}")
    words = f"All rows on the same text, each byte of it read once{': ' if texts else ''}{', '.join(texts)}."
    if windows and (n_ctx := number(bench, "n_ctx")):
        words += f" The models read it in windows of {count(int(n_ctx))} tokens; the base, in tokens of its own, in "
        words += f"windows that hold as much text, or as much as its context does (at most {', '.join(windows)})."
    return words


def base_language_sentence(run: RunFigures) -> str:
    """Whether the base's language suffered on the whole way to the file to ship, in words; "" before pretraining is
    done."""
    old = run.languages[1]
    way = [row for row in _way(run) if row.bits[old] is not None and row.rise[old] is not None]
    rise = way[-1].rise[old] if way else None
    if rise is None or len(way) < 2 or way[0].name != BASE:
        return ""
    words = f"{language_name(old)} {_verdict(rise.value)}: {percent(abs(rise.value))} "
    words += "fewer" if rise.value <= 0 else "more"
    words += " bits per byte of the same text at the end than at the beginning"
    if rise.ends is not None:
        words += " (95% interval by documents: {:+.2%} to {:+.2%})".format(*rise.ends)
    words += ": " + " → ".join(f"{row.label} {row.bits[old]:.3f}" for row in way) + "."
    if (pretrained := way[1].rise[old]) is not None and pretrained.value > LITTLE:
        words += " More replay helps."
    return words + _how_sure(run, old, rise)


def _how_sure(run: RunFigures, lang: str, rise: Rise) -> str:
    if not _files(run):
        return " How sure that is, and what becomes of it in the files, the stage bench tells."
    tokens = number(run.reports.get("bench", {}), "measured_on", lang, "tokens")
    if tokens is not None and tokens < FEW_TOKENS:
        return f" Only {count(int(tokens))} tokens of it were measured: that is too little to be sure."
    if rise.ends is None:
        return " It was measured on too few documents to be sure."
    others = dict.fromkeys(one for one in map(_verdict, rise.ends) if one != _verdict(rise.value))
    return f" So much text leaves open that it {' or that it '.join(others)}." if others else ""


def _verdict(rise: float) -> str:
    return "did not suffer" if rise <= 0 else "hardly suffered" if rise <= LITTLE else "suffered"


def _way(run: RunFigures) -> list[QualityRow]:
    """The base, the pretrained model, F16, and the smallest of the files to ship."""
    rows = quality_rows(run)
    wanted = {one.file for one in shipped(run)[0]} - {""}
    chosen = [row for row in rows if row.mb is not None and wanted & {row.name, row.label}]
    way = [row for row in rows if row.name in (BASE, PRETRAIN, _full(run).get("name"))]
    return way + [row for row in sorted(chosen, key=lambda row: row.mb or 0.0)[:1] if row not in way]


def shipped(run: RunFigures) -> tuple[list[Shipped], str]:
    """(what to ship, the rule behind it): by device as `lilm bench quant` found it, else one file by the bench."""
    if run.quant is not None:
        try:
            found = [Shipped(f"{one.kind} ({one.devices})", one.file, one.words) for one in advise(run.quant)]
        except (KeyError, IndexError, TypeError):  # of another version
            found = []
        if found:
            return found, OVER_RULE
    one = _by_bench(run)
    return ([one] if one is not None else []), OVER_RULE


def _by_bench(run: RunFigures) -> Shipped | None:
    full, files = _full(run), [file for file in _files(run) if file.get("quant") != "F16"]
    rated = [(file, rise) for file in files if (rise := _rises(file, full, run.languages)) is not None]
    if not rated:
        return None
    rated.sort(key=lambda pair: number(pair[0], "bytes") or 0.0)
    file, rise = next((pair for pair in rated if max(pair[1]) <= BOUND), min(rated, key=lambda pair: max(pair[1])))
    size = f"{three_digits((number(file, 'bytes') or 0.0) / 1e6)} MB"
    said = ", ".join(f"{language_name(lang)} {value:+.2%}" for lang, value in zip(run.languages, rise, strict=True))
    why = "the smallest that keeps the bound" if max(rise) <= BOUND else "none keeps the bound, and it is the nearest"
    words = f"{size}: {why} ({said} bits per byte)."
    smaller = [pair for pair in rated if (number(pair[0], "bytes") or 0) < (number(file, "bytes") or 0)]
    if smaller:
        other, more = smaller[-1]
        named = ", ".join(f"{language_name(lang)} {one:+.2%}" for lang, one in zip(run.languages, more, strict=True))
        words += f" {other['quant']}, {three_digits((number(other, 'bytes') or 0.0) / 1e6)} MB, has {named}."
    return Shipped("", str(file["name"]), words)


def _list(report: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = report.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _files(run: RunFigures) -> list[dict[str, Any]]:
    return _list(run.reports.get("bench", {}), "files")


def _full(run: RunFigures) -> dict[str, Any]:
    return next((file for file in _files(run) if file.get("quant") == "F16"), {})


def _rises(file: dict[str, Any], full: dict[str, Any], languages: Sequence[str]) -> list[float] | None:
    """By which share its bits per byte are more than F16's, by language; None where one was not measured."""
    found = []
    for lang in languages:
        own, whole = (number(one, "quality", lang, "bits_per_byte") for one in (file, full))
        if own is None or whole is None or whole <= 0:
            return None
        found.append(own / whole - 1)
    return found
