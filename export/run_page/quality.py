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


@dataclass(frozen=True)
class QualityRow:
    """bits: bits per byte by language; kld: KL divergence from F16, nats a token. measured: by which stage, on whose
    text: rows of two stages cannot be compared to the last digit. mb: of a file."""

    label: str
    measured: str
    bits: dict[str, float | None]
    kld: dict[str, float | None]
    mb: float | None = None


@dataclass(frozen=True)
class Shipped:
    """device: kind of device, "" for any. file: its name, "" where none fits. why: in a sentence."""

    device: str
    file: str
    why: str


def quality_rows(run: RunFigures) -> list[QualityRow]:
    """The base, after pretraining, after chats, and each file."""
    found: list[QualityRow] = []
    for label, key in (("the base, before", "before"), ("after pretraining", "after")):
        bits = {lang: number(run.reports.get("pretrain", {}), key, f"bits_per_byte_{lang}") for lang in run.languages}
        if any(value is not None for value in bits.values()):
            found.append(QualityRow(label, "pretrain", bits, {}))
    for file in _files(run):
        full = file.get("quant") == "F16"
        label = "after chats (F16)" if full and run.recipe.finetune.sources else str(file.get("quant"))
        bits = {lang: number(file, "quality", lang, "bits_per_byte") for lang in run.languages}
        kld = {lang: number(file, "quality", lang, "kld_mean") for lang in run.languages}
        size = number(file, "bytes")
        found.append(QualityRow(label, "bench", bits, kld, size / 1e6 if size is not None else None))
    return found


def base_language_sentence(run: RunFigures) -> str:
    """Whether the base's language suffered, in words; "" before pretraining is done."""
    old = run.languages[1]
    name = language_name(old)
    before, after = (
        number(run.reports.get("pretrain", {}), key, f"bits_per_byte_{old}") for key in ("before", "after")
    )
    if before is None or after is None or before <= 0:
        return ""
    change = after / before - 1
    figures = f"{before:.3f} bits per byte before, {after:.3f} after pretraining"
    if change <= 0:
        words = (
            f"{name} did not suffer: held-out text of its sources is foretold {percent(-change)} better ({figures})."
        )
    elif change <= LITTLE:
        words = f"{name} hardly suffered: {percent(change)} more bits per byte on held-out text ({figures})."
    else:
        words = (
            f"{name} suffered: {percent(change)} more bits per byte on held-out text ({figures}). More replay helps."
        )
    small = _smallest(run)
    if small is not None and (rise := _rises(small, _full(run), [old])) is not None:
        words += f" The smallest file, {small['quant']}, adds {rise[0]:+.1%}."
    tokens = number(run.manifests["pack"].measurements, "tokens", f"{old}-heldout") if "pack" in run.manifests else None
    if tokens is not None and tokens < FEW_TOKENS:
        words += f" Only {count(int(tokens))} tokens of it were held out: that is too little to be sure."
    return words


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


def _files(run: RunFigures) -> list[dict[str, Any]]:
    files = run.reports.get("bench", {}).get("files")
    return [file for file in files if isinstance(file, dict)] if isinstance(files, list) else []


def _full(run: RunFigures) -> dict[str, Any]:
    return next((file for file in _files(run) if file.get("quant") == "F16"), {})


def _smallest(run: RunFigures) -> dict[str, Any] | None:
    files = [file for file in _files(run) if file.get("quant") != "F16" and number(file, "bytes") is not None]
    return min(files, key=lambda file: number(file, "bytes") or 0.0, default=None)


def _rises(file: dict[str, Any], full: dict[str, Any], languages: Sequence[str]) -> list[float] | None:
    """By which share its bits per byte are more than F16's, by language; None where one was not measured."""
    found = []
    for lang in languages:
        own, whole = (number(one, "quality", lang, "bits_per_byte") for one in (file, full))
        if own is None or whole is None or whole <= 0:
            return None
        found.append(own / whole - 1)
    return found
