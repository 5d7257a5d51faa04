"""An importance matrix of one's own, instead of one that is measured: refused before hours are spent, never guessed."""

import shutil
from dataclasses import replace
from pathlib import Path

from lilm.disk import replacing
from lilm.errors import LilmError
from lilm.export.imatrix.file import read_imatrix
from lilm.export.imatrix.importance import Importance, check_importance, check_numbers
from lilm.llama.layout import layout
from lilm.llama.shape import Shape
from lilm.recipe import ExportConfig


def read_given(config: ExportConfig) -> Importance:
    """What is in the file of `export.imatrix`. Raises LilmError for no such file, for what is no importance matrix in
    GGUF, and for sums and counts that none can have."""
    where = _where(config)
    try:
        found = read_imatrix(Path(config.imatrix_file))
    except LilmError as error:
        raise LilmError(error.what, where=where, remedy=error.remedy) from error
    check_numbers(found, where)
    return found


def check_given(config: ExportConfig, shape: Shape, whole: bool = True) -> None:
    """Raises LilmError as `read_given`, and for a matrix that the file lacks or that has other columns there than in a
    model of that shape. whole: without it only the layers' matrices are looked at: whether the embedding is the output
    too, the weights of a base decide, not its config.json."""
    importance = read_given(config)
    entries = {entry.target: entry for entry in layout(shape) if len(entry.shape) == 2}
    if not whole:
        entries = {name: entry for name, entry in entries.items() if name.startswith("blk.")}
        sums = {name: one for name, one in importance.sums.items() if name.startswith("blk.")}
        importance = replace(importance, sums=sums)
    check_importance(importance, entries, _where(config))


def copy_given(config: ExportConfig, target: Path) -> None:
    """To `target`, byte for byte: beside the file that is rounded with it, which can so be made again."""
    with replacing(target, sync=True) as part:
        shutil.copyfile(config.imatrix_file, part)


def _where(config: ExportConfig) -> str:
    return f"export.imatrix {config.imatrix_file}"
