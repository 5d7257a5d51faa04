"""The file of a budget: matrices measured, types chosen, rounded with importance, written to the byte."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lilm.devices import prepare_torch
from lilm.errors import LilmError
from lilm.export.block_types import block_type, fitting
from lilm.export.budget.controls import by_measure
from lilm.export.budget.groups import groups_of, sizes, smallest
from lilm.export.budget.kept import IMATRIX, SENSITIVITY, Kept
from lilm.export.budget.knapsack import total_cost
from lilm.export.budget.measure import BOTH_WAYS, Rounder, measure, steps_of
from lilm.export.budget.probe import Probe
from lilm.export.budget.table import Row, options, plain_of, types_of
from lilm.export.calibration import Sample, choose_calibration
from lilm.export.full_model import load_full
from lilm.export.gguf_writer import write_outline
from lilm.export.imatrix.collect import collect
from lilm.export.imatrix.file import read_imatrix, write_imatrix
from lilm.export.imatrix.given import copy_given
from lilm.export.imatrix.importance import check_importance
from lilm.export.matrices import matrices
from lilm.export.retyped import retyped_bytes, write_retyped
from lilm.fit.budget import target_bytes
from lilm.fit.device import Place
from lilm.fit.known.times import slow_words
from lilm.gguf_file import GGUFFile, open_gguf
from lilm.llama.config import read_llama_config
from lilm.llama.layout import layout
from lilm.llama.shape import Shape
from lilm.pipeline.hashing import sha256_file, sha256_json
from lilm.pipeline.stage import Context
from lilm.recipe import ExportConfig
from lilm.report.units import size
from lilm.temporary import temporary_folder

FOLDER = "calibration"  # in the stage's folder: what was measured
WINDOWS = (256, 128)  # tokens, of the text for importance and for sensitivity
EVERY = 2  # of the positions of the text for sensitivity one is asked
_SMALLEST = "the smallest of export.mix_types"
_GROWS = ", and more still for new pieces and the vocabulary's text"


@dataclass(frozen=True)
class Mix:
    """What was made: the note for the report's row, the matrices that were rounded without importance, and what the
    report says of the text and the choice."""

    note: str
    plain: tuple[str, ...]
    calibration: dict[str, Any]


def check_base_target(config: ExportConfig, base: Path, place: Place | None = None) -> None:
    """Raises LilmError when already the base in `base`, which grows by new pieces, cannot be made that small. place: of
    a budget for a device."""
    shape = Shape.of(read_llama_config(base))
    least = 0
    for entry in layout(shape):
        if len(entry.shape) < 2:
            least += 4 * math.prod(entry.shape)
            continue
        rows, columns = entry.shape
        least += fitting(config.mix_types, columns)[0].matrix_bytes(rows, columns)
    if config.bits_per_weight:
        # new pieces may have fewer than the other matrices, whose rows fewer types divide
        fewest = min(least * 8 / shape.parameters, fitting(config.mix_types, shape.hidden)[0].bits)
        if config.bits_per_weight < fewest:
            raise _too_little(config, f"the base alone has {fewest:.4g} in {_SMALLEST}", fewest, more=_GROWS)
    elif (most := target_bytes(config, shape, place)) < least:
        raise _too_little(config, f"the base alone has {size(least)} in {_SMALLEST}", least / 1e6, most, _GROWS)


def check_grown_target(
    config: ExportConfig, base: Path, tokenizer: Path, languages: tuple[str, ...], place: Place | None = None
) -> None:
    """Raises LilmError when the base with the merged vocabulary in `tokenizer` cannot be made that small. A chat
    template that is not the base's is not reckoned in: finetune chooses it."""
    with temporary_folder("mix") as folder:
        outline = folder / "outline.gguf"
        shape = write_outline(base, tokenizer, outline, languages, config.license)
        check_target(open_gguf(outline), config, shape.parameters, target_bytes(config, shape, place))


def _too_little(config: ExportConfig, why: str, enough: float, most: int = 0, more: str = "") -> LilmError:
    """enough: in the unit of the budget's key. most: bytes that a device leaves. more: what is not in `enough`."""
    if config.device:
        what = f"{config.device} leaves {size(most)} for weights beside a context of wasm.n_ctx: {why}"
        remedy = "set wasm.n_ctx to less or wasm.kv_type to q8_0, or take a smaller base"
        return LilmError(what, where="export.device", remedy=remedy)
    key = "target_mb" if config.target_mb else "bits_per_weight"
    value = config.target_mb or config.bits_per_weight
    remedy = f"set it to {_up(enough)} or more{more}"
    return LilmError(f"{value:g} is too little: {why}", where=f"export.{key}", remedy=remedy)


def check_target(full: GGUFFile, config: ExportConfig, parameters: int, target: int) -> None:
    """Raises LilmError when no choice of types is as small as `target`, bytes. parameters: of the model."""
    found, layers = matrices(full), full.value("llama.block_count", int) or 0
    least = retyped_bytes(full, smallest(groups_of(found, layers), found, config.mix_types))
    if target < least:
        enough = least * 8 / parameters if config.bits_per_weight else least / 1e6
        why = f"with the types of export.mix_types the smallest file has {size(least)}"
        raise _too_little(config, why, enough, target)


def _up(number: float) -> float:
    """Rounds up to the next hundredth."""
    return -(-number * 100 // 1) / 100


def make_mix(
    full: Path, folder: Path, corpus: Path, target: Path, config: ExportConfig, context: Context, most: int
) -> Mix:
    """Write `target`, a file of at most `most` bytes, and beside it FOLDER with what was measured.

    full: the F16 file. folder: the model that it was made from, in Hugging Face's format. corpus: the corpus stage's
    folder. What a killed try measured is used again.
    """
    opened = open_gguf(full)
    shape = Shape.of(read_llama_config(folder))
    languages = (context.language, context.base_language)
    tokens = (0 if config.imatrix_file else config.calibration_tokens, config.sensitivity_tokens)
    n_ctx = (min(WINDOWS[0], shape.context), min(WINDOWS[1], shape.context))
    texts = choose_calibration(corpus, languages, full, tokens, n_ctx)
    for key, sample, wanted in zip(("calibration_tokens", "sensitivity_tokens"), texts, tokens, strict=True):
        if sample.windows.size < wanted:
            few = f"{sample.windows.size:,} tokens instead of {wanted:,}"
            context.reporter.say(f"  export.{key}: {few}: there is too little training text")
    kept = Kept(target.parent / FOLDER, _made_from(full, texts, config))
    model = load_full(folder, prepare_torch(context.seed, context.threads, trains=False))
    if config.imatrix_file and not kept.is_ours:
        copy_given(config, kept.imatrix)
    elif config.imatrix and not kept.is_ours:
        with context.reporter.bar("importance", len(texts[0].windows)) as bar:
            write_imatrix(kept.imatrix, collect(model, shape, texts[0].windows, languages, bar.advance))
    importance = read_imatrix(kept.imatrix) if config.imatrix else None
    found = matrices(opened)
    if importance is not None:
        check_importance(importance, found, str(kept.imatrix))
    rounder = Rounder(opened, importance, context.threads)
    rows = _measured(rounder, Probe(model, shape, texts[1].windows, EVERY), shape, config, context, kept)
    del model
    rest = retyped_bytes(opened, types_of(rows, [0] * len(rows))) - sum(row.choices[0].bytes for row in rows)
    chosen = by_measure(rows, most - rest)
    types = types_of(rows, chosen)
    if retyped_bytes(opened, types) > most:
        raise RuntimeError(f"{retyped_bytes(opened, types)} bytes chosen, {most} were to be had")
    rounder = replace(rounder, plain=plain_of(rows, chosen))
    with context.reporter.bar(target.stem, len(found)) as bar:

        def blocks(tensor: Any, kind: str) -> Any:
            bar.advance()
            return rounder.blocks(tensor.name, kind)

        write_retyped(opened, target, types, blocks)
    foretold = total_cost(options(rows, lambda choice: choice.kld), chosen)
    note = _note(rows, chosen, config, texts[1])
    return Mix(note, tuple(sorted(rounder.plain)), _report(texts, config, foretold, kept.imatrix))


def _made_from(full: Path, texts: Sequence[Sample], config: ExportConfig) -> str:
    """Hash of all that the measurements depend on, but the code."""
    sides = [[text.windows.shape, sha256_json(text.windows.tolist())] for text in texts]
    imatrix = sha256_file(Path(config.imatrix_file)) if config.imatrix_file else config.imatrix
    return sha256_json([sha256_file(full), sides, list(config.mix_types), imatrix, BOTH_WAYS])


def _measured(
    rounder: Rounder, probe: Probe, shape: Shape, config: ExportConfig, context: Context, kept: Kept
) -> list[Row]:
    """The rows of all groups."""
    found = matrices(rounder.full)
    groups = groups_of(found, shape.layers)
    steps = [steps_of(rounder, group, sizes(group, found, config.mix_types), shape.layers) for group in groups]
    kept.add([])  # the importance stands
    done = list(kept.rows)

    def keep(row: Row, count: int) -> None:
        kept.add([row])
        bar.advance(count, row.names[0])

    with context.reporter.bar("sensitivity", sum(steps), sum(steps[: len(done)])) as bar:
        return measure(rounder, probe, groups, config.mix_types, shape.layers, done, keep)


def _note(rows: Sequence[Row], chosen: Sequence[int], config: ExportConfig, text: Sample) -> str:
    by_type: dict[str, int] = {}
    for row, at in zip(rows, chosen, strict=True):
        by_type[row.choices[at].type] = by_type.get(row.choices[at].type, 0) + row.choices[at].bytes
    total = sum(by_type.values())
    shares = ", ".join(f"{name} {part / total:.0%}" for name, part in sorted(by_type.items(), key=lambda one: -one[1]))
    slow = sorted(name for name in by_type if not block_type(name).fast)
    plain = len(plain_of(rows, chosen))
    largest = all(at == len(row.choices) - 1 for row, at in zip(rows, chosen, strict=True))
    return (
        f"types chosen by the KL divergence measured on {text.windows.size:,} training tokens"
        + (f", rounded with {_importance_named(config)}" if config.imatrix else "")
        + (f", {plain} of {len(types_of(rows, chosen))} matrices without it, which was nearer" if plain else "")
        + f"; of its matrices' bytes {shares}"
        + (f"; not among the types that are fast on phones: {', '.join(slow)}" if slow else "")
        + (f"; in a browser {', '.join(in_browser)}" if (in_browser := slow_words(sorted(by_type), "browser")) else "")
        + ("; the largest file of these types" if largest else "")
    )


def _importance_named(config: ExportConfig) -> str:
    return f"the importance matrix {Path(config.imatrix_file).name}" if config.imatrix_file else "an importance matrix"


def _report(
    texts: Sequence[Sample], config: ExportConfig, foretold: float, imatrix: Path
) -> dict[str, Mapping[str, Any]]:
    """Of an importance matrix of one's own no document is known: what it was measured on, nobody told."""

    def said(text: Sample) -> dict[str, Any]:
        return {"tokens": text.windows.size, "documents_sha256": list(text.documents)}

    measured = {"file": f"{FOLDER}/{SENSITIVITY}", **said(texts[1]), "summed_kld": foretold}
    given = {"given": Path(config.imatrix_file).name, "sha256": sha256_file(imatrix)} if config.imatrix_file else {}
    importance = {"file": f"{FOLDER}/{IMATRIX}", **(given or said(texts[0]))}
    return {"sensitivity": measured, **({"imatrix": importance} if config.imatrix else {})}
