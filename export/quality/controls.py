"""Files to compare with, made from the run's own F16 file: llama.cpp's types with and without an importance matrix,
and other choices of types for the bytes of the run's own mix."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import gguf

from lilm.disk import replacing
from lilm.errors import LilmError
from lilm.export.budget.controls import by_chance, by_error, by_relative_error
from lilm.export.budget.kept import IMATRIX, SENSITIVITY
from lilm.export.budget.measure import Rounder
from lilm.export.budget.table import Row, plain_of, types_of
from lilm.export.chunk import Blocks
from lilm.export.imatrix.file import read_imatrix, write_imatrix
from lilm.export.imatrix.importance import Importance, check_importance
from lilm.export.matrices import matrices
from lilm.export.mix import FOLDER, WINDOWS
from lilm.export.quality.opened import (
    BY_CHANCE,
    BY_ERROR,
    BY_RELATIVE_ERROR,
    LEARNT,
    ONE_LANGUAGE,
    SEARCH,
    STOCK,
    STOCK_IMATRIX,
    Controls,
    Measured,
    OpenedRun,
)
from lilm.export.quantise import quantise
from lilm.export.retyped import retyped_bytes, write_retyped
from lilm.gguf_file import GGUFTensor, open_gguf
from lilm.llamacpp.engine import quantize
from lilm.pipeline.hashing import sha256_file, sha256_json, write_json
from lilm.progress import Reporter
from lilm.recipe import QuantType

FOUR_BITS: tuple[QuantType, ...] = ("Q4_K_M", "Q4_0", "IQ4_NL")
OTHER = "control-"  # before the name of a file that this makes
STAMP = "made_from.json"
BY_LANGUAGE: QuantType = "Q4_K_M"  # is also rounded by the importance of each language alone
THREE, THREE_BITS = "Q3_K_M", 4.0  # is compared with where the run has a file of fewer bits per weight


def make_controls(run: OpenedRun, out: Path, reporter: Reporter) -> Controls:
    """Write them to `out`. What lies there from a stopped try is used again when it was made from the same files.

    An importance matrix rounds the matrices in the very types of llama.cpp's plain file, by the functions that its own
    quantiser calls: both files are of one size. (llama.cpp itself takes other types for Q4_0 when it has one.)
    """
    out.mkdir(parents=True, exist_ok=True)
    importance, documents = _importance(run, out, reporter)
    rounder = Rounder(open_gguf(run.full.path), importance, run.recipe.threads)
    check_importance(importance, matrices(rounder.full), str(out))
    made = _Maker(out, run, rounder, _hash_of(importance), reporter)
    files: list[Measured] = []
    stock = {file.quant: file for file in run.files if file.method == STOCK}
    for quant in FOUR_BITS:
        plain = stock.get(quant)
        if plain is None:
            plain = made.file(quant, STOCK, "", partial(made.stock, quant=quant))
            files.append(plain)
        files.append(made.with_imatrix(plain))
        if quant == BY_LANGUAGE:
            more, read = _by_language(run, made, plain)
            files, documents = [*files, *more], (*documents, *read)
    if any(bits < THREE_BITS for bits in _own_bits(run)):
        plain = made.file(THREE, STOCK, "", made.three)
        files += [plain, made.with_imatrix(plain)]
    rows = _rows(run)
    if run.mix is None or not rows:
        why = "the run has no file for a budget" if run.mix is None else "the run did not keep what it measured"
        return Controls(tuple(files), dict.fromkeys((BY_ERROR, BY_RELATIVE_ERROR, BY_CHANCE), why), documents)
    most = run.mix.path.stat().st_size
    rest = retyped_bytes(rounder.full, types_of(rows, [0] * len(rows))) - sum(row.choices[0].bytes for row in rows)
    outputs = [rounder.outputs(row.names) for row in rows]
    choices = {
        BY_ERROR: by_error(rows, most - rest),
        BY_RELATIVE_ERROR: by_relative_error(rows, most - rest, outputs),
        BY_CHANCE: by_chance(rows, most - rest, run.recipe.seed),
    }
    for method, choice in choices.items():
        chosen = types_of(rows, choice)
        label = f"{run.mix.quant} {method}"
        as_measured = replace(made, rounder=replace(rounder, plain=plain_of(rows, choice)))
        files.append(made.file(label, method, run.mix.quant, partial(as_measured.retyped, types=chosen)))
    return Controls(tuple(files), {}, documents)


@dataclass(frozen=True)
class _Maker:
    out: Path
    run: OpenedRun
    rounder: Rounder
    importance: str
    reporter: Reporter

    def file(self, label: str, method: str, based_on: str, make: Callable[[Path], str]) -> Measured:
        """The file, made or found. make: writes it and returns the note."""
        target = self.out / f"{OTHER}{label.replace(' + ', '-').replace(' ', '-')}.gguf"
        stamp = target.with_suffix(".json")
        mix = self.run.mix.sha256 if self.run.mix is not None else ""
        wanted = sha256_json([self.run.full.sha256, label, self.importance, mix])
        known = json.loads(stamp.read_text(encoding="utf-8")) if stamp.is_file() and target.is_file() else {}
        if known.get("made_from") != wanted or known.get("sha256") != sha256_file(target):
            note = make(target)
            known = {"made_from": wanted, "sha256": sha256_file(target), "note": note}
            write_json(stamp, known)
        return Measured(target, label, method, based_on, known["note"], control=True, sha256=known["sha256"])

    def with_imatrix(self, plain: Measured) -> Measured:
        make = partial(self.retyped, types=_types(plain.path))
        return self.file(f"{plain.quant} + imatrix", STOCK_IMATRIX, plain.quant, make)

    def three(self, target: Path) -> str:
        with replacing(target, sync=True) as part, self.reporter.bar(THREE, len(self.rounder.full.tensors)) as bar:
            ftype = int(gguf.LlamaFileType[f"MOSTLY_{THREE}"])
            threads = self.run.recipe.threads
            quantize(self.run.full.path, part, ftype, threads=threads, on_progress=lambda *_: bar.advance())
        return ""

    def stock(self, target: Path, quant: QuantType) -> str:
        with self.reporter.bar(quant, len(self.rounder.full.tensors)) as bar:
            return quantise(self.run.full.path, target, quant, self.run.recipe.threads, lambda *_: bar.advance())

    def retyped(self, target: Path, types: Mapping[str, str]) -> str:
        with self.reporter.bar(target.stem, len(types)) as bar:

            def blocks(tensor: GGUFTensor, kind: str) -> Blocks:
                bar.advance()
                found: Blocks = self.rounder.blocks(tensor.name, kind)
                return found

            write_retyped(self.rounder.full, target, types, blocks)
        return "rounded with an importance matrix"


def _own_bits(run: OpenedRun) -> list[float]:
    own = {file.quant for file in run.files if file.method in (SEARCH, LEARNT)}
    return [row["bits_per_weight"] for row in run.report["files"] if row["quant"] in own]


def _types(path: Path) -> dict[str, str]:
    """The quantised matrices' types; what stayed whole in the plain file stays so."""
    found = matrices(open_gguf(path))
    return {name: tensor.type.name for name, tensor in found.items() if tensor.type.name not in ("F16", "F32")}


def _rows(run: OpenedRun) -> list[Row]:
    path = run.export / FOLDER / SENSITIVITY
    if not path.is_file():
        return []
    return [Row.of(one) for one in json.loads(path.read_text(encoding="utf-8"))["rows"]]


def _hash_of(importance: Importance) -> str:
    return sha256_json({name: float(sums.sum()) for name, sums in importance.sums.items()})


def _by_language(run: OpenedRun, made: _Maker, plain: Measured) -> tuple[list[Measured], tuple[str, ...]]:
    """(what tells which language's importance helps: the types of `plain`, rounded by that of each language alone; the
    hashes of the text). A run that keeps no model to collect with has none of them."""
    from lilm.pipeline.artifact import read_manifest

    files: list[Measured] = []
    read: tuple[str, ...] = ()
    for lang in run.languages if read_manifest(run.finetune) is not None else ():
        importance, documents = _collected(run, made.out, made.reporter, (lang,))
        check_importance(importance, matrices(made.rounder.full), str(made.out))
        maker = replace(made, rounder=replace(made.rounder, importance=importance), importance=_hash_of(importance))
        label, make = f"{plain.quant} + imatrix {lang}", partial(maker.retyped, types=_types(plain.path))
        files.append(maker.file(label, ONE_LANGUAGE, plain.quant, make))
        read += documents
    return files, read


def _importance(run: OpenedRun, out: Path, reporter: Reporter) -> tuple[Importance, tuple[str, ...]]:
    """The run's own importance matrix, or one that is collected as the export would do it."""
    own = run.export / FOLDER / IMATRIX
    return (read_imatrix(own), ()) if own.is_file() else _collected(run, out, reporter, run.languages)


def _collected(
    run: OpenedRun, out: Path, reporter: Reporter, languages: Sequence[str]
) -> tuple[Importance, tuple[str, ...]]:
    """(importance on as many tokens of training text of these languages as the export takes, hashes of the text)."""
    before = "" if len(languages) > 1 else f"{languages[0]}-"
    kept, stamp = out / f"{before}{IMATRIX}", out / f"{before}{STAMP}"
    of = {
        "full": run.full.sha256,
        "tokens": [run.recipe.export.calibration_tokens, run.recipe.export.sensitivity_tokens],
    }
    known = json.loads(stamp.read_text(encoding="utf-8")) if stamp.is_file() else {}
    if kept.is_file() and {key: known.get(key) for key in of} == of:
        return read_imatrix(kept), tuple(known["documents"])
    documents = _collect(run, kept, reporter, languages)
    write_json(stamp, {**of, "documents": list(documents)})
    return read_imatrix(kept), documents


def _collect(run: OpenedRun, target: Path, reporter: Reporter, languages: Sequence[str]) -> tuple[str, ...]:
    from lilm.devices import prepare_torch
    from lilm.export.calibration import choose_calibration
    from lilm.export.full_model import load_full
    from lilm.export.imatrix.collect import collect
    from lilm.llama.config import read_llama_config
    from lilm.llama.shape import Shape
    from lilm.pipeline.artifact import read_manifest

    if read_manifest(run.finetune) is None:
        what = "no importance matrix, and no model to collect one with"
        raise LilmError(what, where=str(run.finetune), remedy="leave --controls out")
    shape = Shape.of(read_llama_config(run.finetune))
    config = run.recipe.export
    n_ctx = (min(WINDOWS[0], shape.context), min(WINDOWS[1], shape.context))
    tokens = (config.calibration_tokens, config.sensitivity_tokens)
    text, _ = choose_calibration(run.corpus, languages, run.full.path, tokens, n_ctx)
    model = load_full(run.finetune, prepare_torch(run.recipe.seed, run.recipe.threads, trains=False))
    with reporter.bar(f"importance {' and '.join(languages)}", len(text.windows)) as bar:
        write_imatrix(target, collect(model, shape, text.windows, tuple(languages), bar.advance))
    return text.documents
