"""The table of measurements: what each group of matrices costs in each of its types."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lilm.export.budget.knapsack import Option


@dataclass(frozen=True)
class Choice:
    """One type for a group.

    type: name of a block type. bytes: of the group's matrices in a file, in this type. error: sum over the weights of
    the squared error times the column's importance. kld: KL(full model || model with this group rounded), in nats per
    token. plain: rounded without importance, which came nearer.
    """

    type: str
    bytes: int
    error: float
    kld: float
    plain: bool = False


@dataclass(frozen=True)
class Row:
    """A group's matrices and its choices, fewest bytes first."""

    names: tuple[str, ...]
    choices: tuple[Choice, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Row":
        """Returns the row of which `data` is the `as_json`; it may have been read from a file."""
        return cls(tuple(data["names"]), tuple(Choice(**one) for one in data["choices"]))


def options(rows: Sequence[Row], cost: Callable[[Choice], float]) -> list[list[Option]]:
    """Returns the rows' choices as options for `allocate`; `cost` gives the cost of a choice."""
    return [[Option(choice.bytes, cost(choice)) for choice in row.choices] for row in rows]


def types_of(rows: Sequence[Row], chosen: Sequence[int]) -> dict[str, str]:
    """Returns each matrix's type by name, where row i takes its choice chosen[i]."""
    return {name: row.choices[at].type for row, at in zip(rows, chosen, strict=True) for name in row.names}


def plain_of(rows: Sequence[Row], chosen: Sequence[int]) -> frozenset[str]:
    """Returns the names of the matrices that are rounded without importance, where row i takes its choice chosen[i]."""
    picked = ((row.names, row.choices[at]) for row, at in zip(rows, chosen, strict=True))
    return frozenset(name for names, choice in picked if choice.plain for name in names)
