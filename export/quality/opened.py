"""A finished run as the measurement finds it: its recipe, its F16 file and the files made from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lilm.commands import command
from lilm.errors import LilmError
from lilm.export.recipe_json import NAME as RECIPE
from lilm.export.recipe_json import read_recipe
from lilm.export.retyped import retyped_bytes
from lilm.export.shards import join_parts
from lilm.export.stage import FULL, gguf_name
from lilm.gguf_file import open_gguf
from lilm.json_file import read_json_object
from lilm.origin import read_origin
from lilm.pipeline.artifact import Manifest, read_manifest
from lilm.pipeline.hashing import sha256_file
from lilm.pipeline.stage import stage_named
from lilm.pipeline.work import changed_setting
from lilm.progress import Reporter
from lilm.recipe import LEARNED, MIX, Recipe, load_recipe

REFERENCE, STOCK, STOCK_IMATRIX, SEARCH, LEARNT = "reference", "stock", "stock + imatrix", "search", "learnt"
BY_ERROR, BY_RELATIVE_ERROR, BY_CHANCE = "by error", "by relative error", "by chance"
ONE_LANGUAGE = "imatrix of one language"


@dataclass(frozen=True)
class Measured:
    """A file to measure. quant: what it is called. method: how it came to be. based_on: the quant that a learnt or
    imatrix file has the types of. note: for the reader. control: the measurement made it. parts: by path the hash of
    each file that the export delivered it in, whose joined whole is at `path`; empty where it delivered that."""

    path: Path
    quant: str
    method: str
    based_on: str = ""
    note: str = ""
    control: bool = False
    sha256: str = ""
    parts: Mapping[Path, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of what was exported: of several parts the first."""
        return next(iter(self.parts), self.path).name

    @property
    def bytes(self) -> int:
        """As it is delivered."""
        return sum(path.stat().st_size for path in self.parts or (self.path,))


@dataclass(frozen=True)
class Controls:
    """files: what was made. missing: by label, why a file was not. imatrix_documents: hashes of the text that
    importance matrices were collected on here."""

    files: tuple[Measured, ...]
    missing: Mapping[str, str]
    imatrix_documents: tuple[str, ...] = ()


@dataclass(frozen=True)
class OpenedRun:
    """folder: the run's. report: the export's. full: the F16 file. files: what was made from it, in the export's
    order."""

    folder: Path
    recipe: Recipe
    report: dict[str, Any]
    full: Measured
    files: tuple[Measured, ...]

    @property
    def export(self) -> Path:
        return self.folder / "export"

    @property
    def corpus(self) -> Path:
        return self.folder / "corpus"

    @property
    def finetune(self) -> Path:
        return self.folder / "finetune"

    @property
    def languages(self) -> tuple[str, str]:
        return self.recipe.language, self.recipe.base_language

    @property
    def mix(self) -> Measured | None:
        return next((file for file in self.files if file.method == SEARCH), None)

    def size_bytes_off(self) -> int | None:
        """Returns by how many bytes the size of the budget's file is not what its types foretell; None without such a
        file."""
        if self.mix is None:
            return None
        full, found = open_gguf(self.full.path), open_gguf(self.mix.path)
        types = {name: tensor.type.name for name, tensor in found.tensors.items() if len(tensor.shape) == 2}
        return abs(self.mix.path.stat().st_size - retyped_bytes(full, types))


def check_run(folder: Path) -> tuple[Recipe, Manifest]:
    """(recipe, the export's manifest). Raises LilmError when there is no run, or it has no export or no corpus, and
    when its recipe, which tells what chats training read, is no longer the one that it was taught and exported with."""
    if not (folder / "lilm.toml").is_file():
        what = "no lilm.toml in it" if folder.is_dir() else "no such folder"
        raise LilmError(what, where=str(folder), remedy="give the folder of a finished run, as runs/quickstart")
    recipe = load_recipe(str(folder / "lilm.toml"))
    manifest = read_manifest(folder / "export")
    if manifest is None or not (folder / "export" / "report.json").is_file():
        what, where = "nothing is exported there", str(folder / "export")
        raise LilmError(what, where=where, remedy=_make_again(folder, "--to"))
    if read_manifest(folder / "corpus") is None:
        raise LilmError("no finished corpus stage", where=str(folder), remedy=_make_again(folder, "--to"))
    for name, made in (("finetune", read_manifest(folder / "finetune")), ("export", manifest)):
        if made is not None and (changed := changed_setting(stage_named(name), recipe, made)):
            what = f"{changed} when stage {name} ran"
            remedy = f"set it back, or {_make_again(folder, '--to')}"
            raise LilmError(what, where=str(folder / "lilm.toml"), remedy=remedy)
    return recipe, manifest


def _make_again(folder: Path, option: str) -> str:
    return command("run", "--run", folder, option, "export")


def open_run(folder: Path, out: Path, reporter: Reporter) -> OpenedRun:
    """The run in `folder`. Where its F16 file is gone, it is made again in `out`; files in parts are joined there.

    Raises LilmError as `check_run`, when a file is missing or is not what the export wrote, when the F16 file cannot be
    made again to the byte, and when the disk has no room.
    """
    recipe, manifest = check_run(folder)
    export = folder / "export"
    report = read_json_object(export / "report.json")
    made = [_measured(row, export, out, manifest, reporter) for row in report["files"] if row["quant"] != FULL]
    full = next(row for row in report["files"] if row["quant"] == FULL)
    if all((export / name).is_file() for name in _names(full)):
        return OpenedRun(folder, recipe, report, _measured(full, export, out, manifest, reporter), tuple(made))
    return OpenedRun(folder, recipe, report, _again(folder, out, recipe, manifest, reporter), tuple(made))


def _names(row: dict[str, Any]) -> list[str]:
    """The files that the export wrote for a row of its report."""
    names: list[str] = row.get("parts", [row["name"]])
    return names


def _measured(row: dict[str, Any], export: Path, out: Path, manifest: Manifest, reporter: Reporter) -> Measured:
    quant: str = row["quant"]
    base = quant.removesuffix(LEARNED)
    method = REFERENCE if quant == FULL else LEARNT if base != quant else SEARCH if quant.startswith(MIX) else STOCK
    parts = {export / name: _checked(export / name, manifest) for name in _names(row)}
    (path, sha256), *more = parts.items()
    if more:
        path, sha256 = _joined(path, gguf_name(quant), out, reporter)
    note, of = row.get("note", ""), base if method == LEARNT else ""
    return Measured(path, quant, method, of, note, sha256=sha256, parts=parts if more else {})


def _joined(first: Path, name: str, out: Path, reporter: Reporter) -> tuple[Path, str]:
    """The whole file in `out`, made or found, and its hash. first: of its parts."""
    whole, sha256 = out / name, _whole_sha256(first.parent, name)
    if not whole.is_file() or sha256_file(whole) != sha256:
        reporter.say(f"  {name} is in parts: joining them in {out}")
        join_parts(first, whole)
    return whole, sha256


def _whole_sha256(export: Path, name: str) -> str:
    """The hash of a file before it was split, as the export's recipe.json tells it."""
    known = read_recipe(export / RECIPE)
    return next((one.sha256 for one in (known.full, *known.files) if one.name == name), "")


def _checked(path: Path, manifest: Manifest) -> str:
    """The file's hash, which is the manifest's. Raises LilmError for another one."""
    remedy = _make_again(path.parent.parent, "--from")
    if not path.is_file():
        raise LilmError("no such file, and the export wrote it", where=str(path), remedy=remedy)
    entry = manifest.outputs.get(path.name)
    stat = path.stat()
    if entry is not None and (stat.st_size, stat.st_mtime_ns) == (entry["bytes"], entry["mtime_ns"]):
        return str(entry["sha256"])
    found = sha256_file(path)
    if entry is None or entry["sha256"] != found:
        raise LilmError("it is not the file that the export wrote", where=str(path), remedy=remedy)
    return found


def _again(folder: Path, out: Path, recipe: Recipe, manifest: Manifest, reporter: Reporter) -> Measured:
    """The F16 file, made again in `out`, or found there."""
    path = folder / "export" / gguf_name(FULL)
    entry = manifest.outputs.get(path.name)
    wanted = str(entry["sha256"]) if entry is not None else _whole_sha256(path.parent, path.name)
    again = out / path.name
    if not again.is_file() or sha256_file(again) != wanted:
        from lilm.export.gguf_writer import write_gguf

        if read_manifest(folder / "finetune") is None:
            what = "the F16 file is gone, and so is the model that it was made from"
            raise LilmError(what, where=str(path), remedy=_make_again(folder, "--to"))
        reporter.say(f"  {path.name} is gone from the run: making it again")
        languages = (recipe.language, recipe.base_language)
        origin = read_origin(folder / "base") if "base" in manifest.inputs else None
        write_gguf(folder / "finetune", again, languages, origin=origin, license_name=recipe.export.license)
    if sha256_file(again) != wanted:
        again.unlink()
        what = "the F16 file is gone, and the model makes another one now"
        raise LilmError(what, where=str(path), remedy=_make_again(folder, "--from"))
    return Measured(again, FULL, REFERENCE, sha256=wanted)
