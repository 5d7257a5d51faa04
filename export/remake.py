"""`lilm export remake`: the files of a recipe.json again, byte for byte, from the F16 file."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from lilm.disk import require_space, results_folder
from lilm.errors import LilmError
from lilm.export.delivery import Delivered, deliver
from lilm.export.recipe_json import QuantEntry, RecipeFile, folder_digest, made_by, read_recipe
from lilm.gguf_parts import is_part
from lilm.pipeline.hashing import sha256_file
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe.export import BlockName
from lilm.temporary import temporary_folder


def remake(
    recipe: Path, full: Path, out_dir: Path, reporter: Reporter, names: Sequence[str] = (), run: Path | None = None
) -> list[Path]:
    """Make the files of the recipe.json at `recipe` again in `out_dir`. Returns them.

    full: its F16 file, or the first of that one's parts. names: of the files, as they were whole; none: all. run: the
    folder of the run, which learnt blocks are learnt from again.
    Raises LilmError for another F16 file, another importance matrix or another run than the recipe's, and when a file
    comes out otherwise; that file is then not there.
    """
    known = read_recipe(recipe)
    wanted = _chosen(known, names, recipe)
    with results_folder(out_dir), temporary_folder("remake", out_dir) as work:
        whole = _full(known, full, work)
        maker = _Maker(known, recipe, whole, work, run, reporter)
        for entry in wanted:  # before any work
            maker.check(entry)
        require_space(out_dir, sum(2 * entry.bytes for entry in wanted), "making the files again", "free some space")
        return [path for entry in wanted for path in maker.make(entry, out_dir)]


def _chosen(known: RecipeFile, names: Sequence[str], recipe: Path) -> list[QuantEntry]:
    by_name = {entry.name: entry for entry in known.files}
    for name in names:
        if name not in by_name:
            raise LilmError(f"no file {name!r}", where=str(recipe), remedy=f"choose of {', '.join(by_name)}")
    return [by_name[name] for name in dict.fromkeys(names)] if names else list(known.files)


def _full(known: RecipeFile, full: Path, work: Path) -> Path:
    """The F16 file, whole, under its own name."""
    from lilm.export.shards import join_parts
    from lilm.llamacpp.engine import check_gguf

    check_gguf(full)
    whole = full
    if is_part(full):
        whole = work / known.full.name
        join_parts(full, whole)
    found = sha256_file(whole)
    if found != known.full.sha256:
        raise LilmError(
            f"it is another file than the recipe's {known.full.name} (SHA-256 {found[:12]}…, "
            f"{known.full.sha256[:12]}… there)",
            where=str(full),
            remedy="give the F16 file that lies beside the recipe.json",
        )
    return whole


class _Maker:
    """Makes one file after another in `work`, and what they begin with where that is needed."""

    def __init__(
        self, known: RecipeFile, recipe: Path, full: Path, work: Path, run: Path | None, reporter: Reporter
    ) -> None:
        self._known, self._recipe, self._full, self._work, self._run = known, recipe, full, work, run
        first, second = known.languages
        self._context = Context(known.seed, known.threads, first, second, reporter)
        self._makers: Mapping[str, Callable[[QuantEntry, Path], None]] = {
            "llama.cpp": self._quantise,
            "mix": self._mix,
            "learned": self._learn,
        }

    def check(self, entry: QuantEntry) -> None:
        """Raises LilmError when what it is made from, besides the F16 file, is missing or something else, and when the
        recipe does not say how."""
        if entry.imatrix is not None:
            path = self._recipe.parent / entry.imatrix.path
            if not path.is_file() or sha256_file(path) != entry.imatrix.sha256:
                state = "is not the recipe's" if path.is_file() else "is not there"
                what = f"the importance matrix of {entry.name} {state}"
                raise LilmError(what, where=str(path), remedy="put it back beside the recipe.json")
        if entry.how == "llama.cpp" and entry.quant is None:
            raise self._unsaid(f"{entry.name} has no quant")
        if entry.how == "mix":
            self._check_types(entry)
        if entry.how != "learned":
            return
        if entry.settings is None:
            raise self._unsaid(f"{entry.name} has no settings")
        start = self._entry(entry.begins_with)
        if start.how == "learned":
            raise self._unsaid(f"{entry.name} begins with {start.name}, which is learnt itself")
        self.check(start)
        if self._run is None:
            raise LilmError(
                f"the blocks of {entry.name} were learnt from text",
                where="--run",
                remedy="give the run's folder with --run, which learns them again, or choose other files with --only",
            )
        for name, digest in entry.learnt_from.items():
            if not (self._run / name).is_dir() or folder_digest(self._run / name) != digest:
                what = f"it is not what {entry.name} was learnt from"
                raise LilmError(what, where=str(self._run / name), remedy="give the run that the recipe.json is of")

    def _check_types(self, entry: QuantEntry) -> None:
        from lilm.export.block_types import WHOLE, block_type
        from lilm.export.matrices import matrices
        from lilm.gguf_file import open_gguf

        for name, tensor in matrices(open_gguf(self._full)).items():
            kind = entry.types.get(name)
            if kind is None:
                raise self._unsaid(f"{entry.name} has no type for {name}")
            if kind not in (*get_args(BlockName), WHOLE) or not block_type(kind).fits(tensor.shape[-1]):
                raise self._unsaid(f"{entry.name} has {kind} for {name}, which it cannot be")

    def _unsaid(self, what: str) -> LilmError:
        return LilmError(what, where=str(self._recipe), remedy="give the recipe.json as it was written")

    def make(self, entry: QuantEntry, out_dir: Path) -> tuple[Path, ...]:
        """The file, or its parts, in `out_dir`."""
        made = self._whole(entry)
        found: Delivered = deliver(made, self._known.shard_mb, self._context.reporter)
        if found.as_json().get("parts", []) != [part.model_dump() for part in entry.parts]:
            raise _other(entry, self._known)
        return tuple(path.replace(out_dir / path.name) for path in found.files)

    def _whole(self, entry: QuantEntry) -> Path:
        path = self._work / entry.name
        self._makers[entry.how](entry, path)
        if sha256_file(path) != entry.sha256:
            raise _other(entry, self._known)
        return path

    def _entry(self, name: str) -> QuantEntry:
        found = next((entry for entry in self._known.files if entry.name == name), None)
        if found is None:
            raise self._unsaid(f"it names {name!r}, which is none of its files")
        return found

    def _quantise(self, entry: QuantEntry, target: Path) -> None:
        from lilm.export.quantise import quantise

        if entry.quant is None:
            raise self._unsaid(f"{entry.name} has no quant")
        with self._context.reporter.bar(target.stem, len(entry.types)) as bar:
            quantise(self._full, target, entry.quant, self._known.threads, lambda done, total: bar.advance(1))

    def _mix(self, entry: QuantEntry, target: Path) -> None:
        from lilm.export.budget.measure import Rounder
        from lilm.export.imatrix.file import read_imatrix
        from lilm.export.matrices import matrices
        from lilm.export.retyped import write_retyped
        from lilm.gguf_file import open_gguf

        full = open_gguf(self._full)
        importance = None if entry.imatrix is None else read_imatrix(self._recipe.parent / entry.imatrix.path)
        rounder = Rounder(full, importance, self._known.threads, frozenset(entry.plain))
        types = {name: entry.types[name] for name in matrices(full)}
        with self._context.reporter.bar(target.stem, len(types)) as bar:

            def blocks(tensor: Any, kind: str) -> Any:
                bar.advance(1)
                return rounder.blocks(tensor.name, kind)

            write_retyped(full, target, types, blocks)

    def _learn(self, entry: QuantEntry, target: Path) -> None:
        from lilm.export.learned.learn import learn

        if self._run is None or entry.settings is None:
            raise self._unsaid(f"{entry.name} has no settings")
        start = self._whole(self._entry(entry.begins_with))
        model, pack = self._run / "finetune", self._run / "pack"
        learn(entry.settings, model, pack, start, target, self._work / f"log-{entry.name}", self._context)


def _other(entry: QuantEntry, known: RecipeFile) -> LilmError:
    now = made_by()
    changed = [
        f"{name} {was} there, {now[name]} here" for name, was in known.made_by.items() if now.get(name, was) != was
    ]
    why = f" ({'; '.join(changed)})" if changed else " (another processor may round otherwise)"
    return LilmError(
        f"{entry.name} came out with other bytes{why}",
        where="lilm export remake",
        remedy="install the versions that the recipe.json names",
    )
