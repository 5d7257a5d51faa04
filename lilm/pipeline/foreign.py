"""What lies in a stage's folder and is none of its outputs: it stays there when the folder is made again."""

import json
import shutil
from collections.abc import Iterator
from filecmp import cmp
from itertools import chain, count
from pathlib import Path

from lilm.pipeline.artifact import MANIFEST


def put_aside(folder: Path, aside: Path) -> None:
    """Take a stage's old folder out of the way of the new one, at once and whole. aside: does not exist yet."""
    aside.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(aside)


def bring_back(aside: Path, folder: Path) -> list[str]:
    """Move what is foreign from the old folder into the new one, and delete the old one. Returns the names that it has
    there; one that is taken gets ".kept" behind it. After a kill it can be called again."""
    if aside.is_symlink() or not aside.is_dir():  # what stood in the folder's place, and is whole
        target = _free(folder.with_name(f"{folder.name}.kept"))
        aside.rename(target)
        return [f"../{target.name}"]
    moved = []
    for name in foreign_files(aside):
        if (folder / name).is_file() and cmp(folder / name, aside / name, shallow=False):
            continue  # an output of the old folder, whose manifest was lost
        target = _free(folder / name)
        target.parent.mkdir(parents=True, exist_ok=True)
        (aside / name).rename(target)
        moved.append(target.relative_to(folder).as_posix())
    for path in aside.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != MANIFEST:
            path.unlink()
    shutil.rmtree(aside)  # the manifest last: without it all would be foreign
    return moved


def foreign_files(folder: Path) -> list[str]:
    """Files and links below `folder` that its manifest does not name: all where none can be read."""
    known = _outputs(folder / MANIFEST)
    return [name for name in _names(folder) if name not in known]


def _names(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_dir():
            yield path.relative_to(folder).as_posix()


def _outputs(manifest: Path) -> set[str]:
    """The manifest's own name and those in it, also of a manifest of another version."""
    try:
        data = json.loads(manifest.read_text(encoding="utf-8"))
        return {MANIFEST, *data["outputs"], *data["volatile"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {MANIFEST}


def _free(path: Path) -> Path:
    """`path`, or one beside it where nothing is yet."""
    names = chain([path], (path.with_name(f"{path.name}.kept{number or ''}") for number in count()))
    return next(name for name in names if not (name.exists() or name.is_symlink()))
