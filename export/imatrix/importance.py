"""The importance of input columns, and the check that it belongs to a model."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lilm.errors import LilmError
from lilm.export.chunk import Matrix
from lilm.export.matrices import input_of

# What a column has at least, as a part of the mean of all and as it is. Where all columns that share a scale count for
# nothing, llama.cpp's rounding makes their weights 0, and other text than was measured may well need them.
LEAST, LEAST_OF_ALL = 1e-10, 1e-30
MOST = 1e26  # of a mean square: rounding multiplies it by squares of half floats and sums a block's, in float32


@dataclass(frozen=True)
class Importance:
    """How large the inputs of each matrix's columns are.

    sums: by a matrix's GGUF name, the sum of its squared inputs [columns]. counts: by the same names, over how many
    inputs. datasets: names of the text that was read. chunks: how many windows it had, of chunk_size tokens each.
    """

    sums: dict[str, NDArray[np.float64]]
    counts: dict[str, int]
    datasets: tuple[str, ...]
    chunks: int
    chunk_size: int

    def means(self, name: str) -> Matrix:
        """Returns the mean squared input of each column, float32 [columns], where there was next to none a little
        instead. Rounding weights its errors by it."""
        means = self.sums[name] / self.counts[name]
        mean: Matrix = np.maximum(means, max(float(means.mean()) * LEAST, LEAST_OF_ALL)).astype(np.float32)
        return mean


class Sided(Protocol):
    """A matrix, of a file or of a layout."""

    @property
    def shape(self) -> tuple[int, ...]:
        """[rows, columns]"""


def check_numbers(importance: Importance, where: str) -> None:
    """Raises LilmError unless each matrix was measured on some input, and has finite numbers from 0 on, none of them
    beyond all inputs."""
    for name, sums in importance.sums.items():
        if importance.counts[name] < 1:
            raise _bad(f"{name} was not measured (no inputs)", where)
        if not np.isfinite(sums).all():
            raise _bad(f"{name} has values that are no numbers", where)
        if (sums < 0).any():
            raise _bad(f"{name} has values below 0, and squares have none", where)
        if (most := float(sums.max()) / importance.counts[name]) > MOST:
            raise _bad(f"{name} has a mean square of {most:.0e}, which no input has", where)


def check_importance(importance: Importance, found: Mapping[str, Sided], where: str) -> None:
    """Raises LilmError unless `importance` names each matrix of the model that has inputs, and nothing else, with one
    finite number from 0 on for each column. (llama.cpp ignores unknown names, and rounds a matrix without importance
    as if all its columns mattered alike.)

    llama.cpp ignores a name that it does not know, and rounds a matrix without importance plainly; here each name must
    be of a matrix, and each matrix with inputs be named, but for an embedding that is the output too: llama-imatrix
    never has it. Raises LilmError for the first that is not, and for lengths and numbers that cannot be.
    """
    tied = "output.weight" not in found
    wanted = {name for name in found if input_of(name, tied)}
    for name, sums in importance.sums.items():
        if name not in wanted:
            raise _bad(f"it names {name}, which is no matrix with inputs in this model", where)
        if sums.shape != (found[name].shape[-1],):
            raise _bad(f"{name} has {sums.size} columns there and {found[name].shape[-1]} in the model", where)
    check_numbers(importance, where)
    missing = _first(wanted - importance.sums.keys() - {"token_embd.weight"})
    if missing:
        remedy = "collect it again, with llama-imatrix --process-output for output.weight"
        raise LilmError(f"{missing} is not in it", where=where, remedy=remedy)


def _first(names: Iterable[str]) -> str:
    return min(names, default="")


def _bad(what: str, where: str) -> LilmError:
    return LilmError(what, where=where, remedy="use the importance matrix of this very model, whole")
