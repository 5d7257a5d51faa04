"""Two runs' files in one table and chart, where both were measured in the same way on the same text."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilm.commands import command
from lilm.errors import LilmError
from lilm.export.quality.exported import is_of_export
from lilm.export.quality.interval import student
from lilm.json_file import read_json_object
from lilm.pipeline.artifact import read_manifest
from lilm.report.languages import language_name

QUANT, BENCH = Path("quant") / "report.json", Path("bench") / "report.json"


@dataclass(frozen=True)
class Figures:
    """What was measured of one file on one kind of text. kld, low, high: KL divergence from its own F16 file and its
    95% interval, None for that file itself. bits_per_byte: None of chats."""

    bits_per_byte: float | None
    kld: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class File:
    """mb: millions of bytes. by_kind: figures by kind of text. tokens_per_second: of writing, None where unmeasured."""

    run: str
    quant: str
    mb: float
    by_kind: Mapping[str, Figures]
    tokens_per_second: float | None
    control: bool


@dataclass(frozen=True)
class ReadRun:
    """label: what the page calls it. By kind of text: text: the hash of the documents that it was measured on; cut:
    another where they are cut into other tokens; documents: their number."""

    label: str
    languages: tuple[str, ...]
    files: tuple[File, ...]
    text: Mapping[str, str]
    cut: Mapping[str, str]
    documents: Mapping[str, int]


@dataclass(frozen=True)
class Comparison:
    """kinds: of text that both were measured on. left_out: why a kind is not among them. source: which report."""

    runs: tuple[ReadRun, ReadRun]
    kinds: tuple[str, ...]
    left_out: tuple[str, ...]
    source: str

    @property
    def cut_alike(self) -> bool:
        """Whether both were measured on the same tokens; else their vocabularies differ, or how much was taken."""
        one, other = self.runs
        return all(one.cut[kind] == other.cut[kind] for kind in self.kinds)

    @property
    def files(self) -> list[File]:
        """The files of both runs, largest first."""
        both = [file for run in self.runs for file in run.files]
        return sorted(both, key=lambda file: (-file.mb, file.run, file.quant))


def compare_runs(one: Path, other: Path) -> Comparison:
    """Reads both runs' quant/report.json, else both runs' bench/report.json, where these are of what is exported now.

    Raises LilmError when they have no report of the same kind, when their languages differ, and when the held-out text
    of a language does: their figures cannot be compared then.
    """
    source = _source(one, other)
    labels = _labels(one, other)
    first, second = (_read(folder, source, label) for folder, label in zip((one, other), labels, strict=True))
    if first.languages != second.languages:
        what = f"the runs have other languages: {', '.join(first.languages)} and {', '.join(second.languages)}"
        raise LilmError(what, where="lilm report --compare", remedy="compare runs of the same languages")
    for lang in first.languages:
        if first.text.get(lang) != second.text.get(lang):
            raise _other_text(lang, first, second, source)
    more = [kind for kind in first.text if kind not in first.languages and kind in second.text]
    same = [kind for kind in more if first.text[kind] == second.text[kind]]
    left_out = [f"{kind}: the runs were measured on others" for kind in more if kind not in same]
    return Comparison((first, second), (*first.languages, *same), tuple(left_out), source.as_posix())


def _source(one: Path, other: Path) -> Path:
    for folder in (one, other):
        if not folder.is_dir():
            raise LilmError("no such folder", where=str(folder), remedy="give the folders of two finished runs")
    for source in (QUANT, BENCH):
        if all(_has(folder, source) for folder in (one, other)):
            return source
    for folder in (one, other):
        if not any(_has(folder, source) for source in (QUANT, BENCH)):
            what = "nothing is measured there: it has no quant/report.json, nor a bench/report.json, of its export"
            raise LilmError(what, where=str(folder), remedy=command("bench", "quant", folder))
    lacking = other if _has(one, QUANT) else one
    what = (
        "the runs were not measured in the same way: this one has no quant/report.json, the other no bench/report.json"
    )
    raise LilmError(what, where=str(lacking), remedy=command("bench", "quant", lacking))


def _has(folder: Path, source: Path) -> bool:
    if not (folder / source).is_file():
        return False
    bench, export = read_manifest(folder / "bench"), read_manifest(folder / "export")
    if source == BENCH:
        return bench is not None and bench.is_from(export)
    match read_json_object(folder / source).get("models"):
        case [{"files": [*rows]}, *_]:
            return export is None or is_of_export(rows, export)  # a report may be kept without its files
    return True  # no report, which is said when it is read


def _labels(one: Path, other: Path) -> tuple[str, str]:
    first, second = one.resolve(), other.resolve()
    if first == second:
        raise LilmError("it is the same run twice", where=str(one), remedy="give two runs")
    if first.name != second.name:
        return first.name, second.name
    return f"{first.parent.name}/{first.name}", f"{second.parent.name}/{second.name}"


def _read(folder: Path, source: Path, label: str) -> ReadRun:
    report = read_json_object(folder / source)
    try:
        return _of_quant(report["models"][0], label) if source == QUANT else _of_bench(report, label)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        remedy = command("bench", *(("quant", folder) if source == QUANT else ("--run", folder, "--force")))
        what = f"not a report that this LiLM can read (without {error})"
        raise LilmError(what, where=str(folder / source), remedy=remedy) from error


def _of_quant(model: Mapping[str, Any], label: str) -> ReadRun:
    kinds = {**dict.fromkeys(model["languages"], "short"), "chat": "whole"}
    files = []
    for row in model["files"]:
        by_kind = {}
        for kind, context in kinds.items():
            figures = row["texts"].get(kind, {}).get(context)
            if figures is not None:
                by_kind[kind] = _figures(figures)
        files.append(File(label, row["quant"], row["mb"], by_kind, row["decode"], row["control"]))
    measured = {kind: on[kinds[kind]] for kind, on in model["measured_on"].items() if kinds.get(kind) in on}
    text = {kind: one["documents_sha256"] for kind, one in measured.items()}
    cut = {kind: one["sha256"] for kind, one in measured.items()}
    documents = {kind: one["documents"] for kind, one in measured.items()}
    return ReadRun(label, tuple(model["languages"]), tuple(files), text, cut, documents)


def _figures(figures: Mapping[str, Any]) -> Figures:
    bits, kld = figures["bits_per_byte"], figures["kld_mean"]
    low, high = kld["ci95"] if kld else (None, None)
    return Figures(bits["value"] if bits else None, kld["value"] if kld else None, low, high)


def _of_bench(report: Mapping[str, Any], label: str) -> ReadRun:
    """The stage `bench` tells standard errors; of a few documents more of them are 95%."""
    documents = {lang: one["documents"] for lang, one in report["measured_on"].items()}
    files = []
    for row in report["files"]:
        by_kind = {}
        for lang, figures in row["quality"].items():
            kld, error, few = figures["kld_mean"], figures["kld_se"], documents[lang] < 2
            reach = None if error is None or few else student(documents[lang] - 1) * error
            low, high = (None, None) if reach is None else (kld - reach, kld + reach)
            by_kind[lang] = Figures(figures["bits_per_byte"], kld, low, high)
        files.append(File(label, row["quant"], row["bytes"] / 1e6, by_kind, None, False))
    text = {lang: one["sha256"] for lang, one in report["measured_on"].items()}
    cut = {lang: f"{one['bytes']} {one['tokens']}" for lang, one in report["measured_on"].items()}
    return ReadRun(label, tuple(report["languages"]), tuple(files), text, cut, documents)


def _other_text(lang: str, one: ReadRun, other: ReadRun, source: Path) -> LilmError:
    counts = " and ".join(f"{run.documents.get(lang, 0):,} documents ({run.label})" for run in (one, other))
    what = f"the held-out {language_name(lang)} text differs, so that no figure can be compared: {counts}"
    remedy = "measure both runs on the same corpus with the same number of tokens"
    return LilmError(f"{what}, other hashes", where=source.as_posix(), remedy=remedy)
