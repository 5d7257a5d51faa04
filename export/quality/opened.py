"""A finished run as the measurement finds it: its recipe, its F16 file and the files made from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilm.commands import command
from lilm.errors import LilmError
from lilm.export.retyped import retyped_bytes
from lilm.export.stage import FULL, gguf_name
from lilm.gguf_file import open_gguf
from lilm.json_file import read_json_object
from lilm.pipeline.artifact import Manifest, read_manifest
from lilm.pipeline.hashing import sha256_file
from lilm.pipeline.stage import stage_named
from lilm.pipeline.work import changed_setting
from lilm.progress import Reporter
from lilm.recipe import LEARNED, MIX, Recipe, load_recipe

REFERENCE, STOCK, STOCK_IMATRIX, SEARCH, LEARNT = "reference", "stock", "stock + imatrix", "search", "learnt"
BY_ERROR, BY_CHANCE = "by error", "by chance"


@dataclass(frozen=True)
class Measured:
    """A file to measure. quant: what it is called. method: how it came to be. based_on: the quant that a learnt or
    imatrix file has the types of. note: for the reader. control: the measurement made it."""

    path: Path
    quant: str
    method: str
    based_on: str = ""
    note: str = ""
    control: bool = False
    sha256: str = ""

    @property
    def name(self) -> str:
        return self.path.name


@dataclass(frozen=True)
class Controls:
    """files: what was made. missing: by label, why a file was not. imatrix_documents: hashes of the text that an
    importance matrix was collected on here; empty where the run has one."""

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
    """(recipe, the export's manifest). Raises LilmError when there is no run, or it has no export or no corpus, and when
    its recipe is no longer the one that it was taught and exported with: which chats training read, it tells."""
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
    """The run in `folder`. Where its F16 file is gone, it is made again in `out`.

    Raises LilmError as `check_run`, when a file is missing or is not what the export wrote, and when the F16 file
    cannot be made again to the byte.
    """
    recipe, manifest = check_run(folder)
    export = folder / "export"
    report = read_json_object(export / "report.json")
    made = [_measured(export / row["name"], row, manifest) for row in report["files"] if row["quant"] != FULL]
    full = _full(folder, out, recipe, manifest, reporter)
    return OpenedRun(folder, recipe, report, full, tuple(made))


def _measured(path: Path, row: dict[str, Any], manifest: Manifest) -> Measured:
    quant: str = row["quant"]
    base = quant.removesuffix(LEARNED)
    method = LEARNT if base != quant else SEARCH if quant.startswith(MIX) else STOCK
    sha256 = _checked(path, manifest)
    return Measured(path, quant, method, base if method == LEARNT else "", row.get("note", ""), sha256=sha256)


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


def _full(folder: Path, out: Path, recipe: Recipe, manifest: Manifest, reporter: Reporter) -> Measured:
    path = folder / "export" / gguf_name(FULL)
    if path.is_file():
        return Measured(path, FULL, REFERENCE, sha256=_checked(path, manifest))
    wanted = manifest.outputs.get(path.name, {}).get("sha256", "")
    again = out / gguf_name(FULL)
    if not again.is_file() or sha256_file(again) != wanted:
        from lilm.export.gguf_writer import write_gguf

        if read_manifest(folder / "finetune") is None:
            what = "the F16 file is gone, and so is the model that it was made from"
            raise LilmError(what, where=str(path), remedy=_make_again(folder, "--to"))
        reporter.say(f"  {path.name} is gone from the run: making it again")
        write_gguf(folder / "finetune", again, (recipe.language, recipe.base_language))
    if sha256_file(again) != wanted:
        again.unlink()
        what = "the F16 file is gone, and the model makes another one now"
        raise LilmError(what, where=str(path), remedy=_make_again(folder, "--from"))
    return Measured(again, FULL, REFERENCE, sha256=wanted)
