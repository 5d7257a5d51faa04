"""What each group costs in each of its types, as measured."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lilm.export.budget.knapsack import Option


@dataclass(frozen=True)
class Choice:
    """type: of the group's matrices. bytes: that they take in a file in it. error: the squared errors of all weights,
    each times its column's importance, summed. kld: KL(full || this group so), nats a token."""

    type: str
    bytes: int
    error: float
    kld: float


@dataclass(frozen=True)
class Row:
    """A group's matrices and its choices, fewest bytes first."""

    names: tuple[str, ...]
    choices: tuple[Choice, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Row":
        """From `as_json`, which may have been through a file."""
        return cls(tuple(data["names"]), tuple(Choice(**one) for one in data["choices"]))


def options(rows: Sequence[Row], cost: Callable[[Choice], float]) -> list[list[Option]]:
    """For `allocate`: `cost` decides what a choice costs."""
    return [[Option(choice.bytes, cost(choice)) for choice in row.choices] for row in rows]


def types_of(rows: Sequence[Row], chosen: Sequence[int]) -> dict[str, str]:
    """Each matrix's type, when row i has its choice chosen[i]."""
    return {name: row.choices[at].type for row, at in zip(rows, chosen, strict=True) for name in row.names}
