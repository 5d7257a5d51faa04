"""Measures what each group of matrices costs in each type: how far rounding it moves the model's output."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lilm.export.block_types import BlockType
from lilm.export.budget.groups import Group, sizes
from lilm.export.budget.inputs import inputs_sharing
from lilm.export.budget.probe import Probe
from lilm.export.budget.table import Choice, Row
from lilm.export.chunk import Matrix, dequantise_matrix, quantise_matrix
from lilm.export.imatrix.importance import Importance
from lilm.export.matrices import matrices, read_matrix
from lilm.gguf_file import GGUFFile

# Types of so many bits per weight or fewer are tried with and without importance. llama.cpp rounds each way by other
# code; with it Q3_K may come out twice as far. With more bits the difference is small, and so is what it decides.
BOTH_WAYS = 4.5


@dataclass(frozen=True)
class Rounder:
    """Rounds matrices of `full`, an F16 GGUF file, to block types. Errors are weighted by `importance`, if given, but
    when the matrices in `plain` (names) are rounded."""

    full: GGUFFile
    importance: Importance | None
    threads: int
    plain: frozenset[str] = frozenset()

    def weights(self, name: str) -> Matrix | None:
        """Returns the importance of a matrix's columns [columns], or None when there is none."""
        known = self.importance is not None and name in self.importance.sums
        return self.importance.means(name) if self.importance is not None and known else None

    def blocks(self, name: str, kind: str) -> Any:
        """Returns the matrix in blocks of the type `kind`, uint8 [rows, bytes of a row]."""
        matrix = read_matrix(self.full, self.full.tensors[name])
        weights = None if name in self.plain else self.weights(name)
        return quantise_matrix(matrix, kind, weights, self.threads)

    def rounded(self, names: Sequence[str], kind: str) -> tuple[dict[str, Matrix], float]:
        """Returns (the matrices after rounding to `kind`, by name; the sum of their squared errors, each times its
        column's importance)."""
        after = {name: dequantise_matrix(self.blocks(name, kind), kind) for name in names}
        return after, sum(self._error(name, matrix) for name, matrix in after.items())

    def outputs(self, names: Sequence[str]) -> float:
        """Returns what `rounded` would answer as the error of matrices that became 0."""
        return sum(self._weighted(name, read_matrix(self.full, self.full.tensors[name])) for name in names)

    def _error(self, name: str, after: Matrix) -> float:
        return self._weighted(name, after - read_matrix(self.full, self.full.tensors[name]))

    def _weighted(self, name: str, matrix: Matrix) -> float:
        columns, weights = np.square(matrix).sum(0, dtype=np.float64), self.weights(name)
        return float(columns.sum() if weights is None else columns @ weights.astype(np.float64))


def steps_of(rounder: Rounder, group: Group, by_bytes: Mapping[int, Sequence[BlockType]], layers: int) -> int:
    """Returns how many layers are computed to measure the group: steps of the progress bar."""
    tries = sum(len(_ways(rounder, group, alike)) for kinds in by_bytes.values() for alike in by_inputs(kinds))
    return tries * (layers - group.layer + 1)


def _ways(rounder: Rounder, group: Group, kinds: Sequence[BlockType]) -> list[Rounder]:
    """How the group is rounded to each of `kinds`, which are of one size: as `rounder` does, and plainly."""
    has_weights = any(rounder.weights(name) is not None for name in group.names)
    plain = [replace(rounder, plain=frozenset(group.names))] if has_weights and kinds[0].bits <= BOTH_WAYS else []
    return [rounder, *plain]


def by_inputs(kinds: Sequence[BlockType]) -> list[list[BlockType]]:
    """Returns the types that round their inputs alike, together."""
    found: dict[int, list[BlockType]] = {}
    for kind in kinds:
        found.setdefault(inputs_sharing(kind.name), []).append(kind)
    return list(found.values())


def measure(
    rounder: Rounder,
    probe: Probe,
    groups: Sequence[Group],
    types: tuple[str, ...],
    layers: int,
    done: Sequence[Row] = (),
    on_row: Callable[[Row, int], None] | None = None,
) -> list[Row]:
    """Returns one row for each group, in their order.

    Of types in which a group has equally many bytes, the nearest is taken, and of few bits the nearer way to round; of
    those that round their inputs alike, too, only the one with the smallest error is measured. types: names of block
    types. layers: how many the model has. done: the rows of the first groups, measured by a try that was stopped.
    on_row(row, steps) is called after each new row, with the steps of `steps_of`.
    """
    found = matrices(rounder.full)
    rows = list(done)
    for group in groups[len(rows) :]:
        by_bytes = sizes(group, found, types)
        choices = []
        for total, kinds in by_bytes.items():
            tried = [
                _tried(way, probe, group, alike, total)
                for alike in by_inputs(kinds)
                for way in _ways(rounder, group, alike)
            ]
            choices.append(min(tried, key=lambda choice: choice.kld))
        rows.append(Row(group.names, tuple(choices)))
        if on_row is not None:
            on_row(rows[-1], steps_of(rounder, group, by_bytes, layers))
    return rows


def _tried(rounder: Rounder, probe: Probe, group: Group, kinds: Sequence[BlockType], total: int) -> Choice:
    """Of `kinds` the one with the smallest error, measured."""
    name, (changed, error) = kinds[0].name, rounder.rounded(group.names, kinds[0].name)
    for kind in kinds[1:]:
        other = rounder.rounded(group.names, kind.name)
        if other[1] < error:
            name, (changed, error) = kind.name, other
    return Choice(name, total, error, probe.kld(changed, group.layer, name), bool(rounder.plain))
