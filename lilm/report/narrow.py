"""Tables on terminals that are narrower than they are."""

from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Column, Table

UNBOUND = 10_000  # columns of a terminal


class Narrowed:
    """A table that is cut between columns where the terminal is too narrow for it, instead of its figures: what does
    not fit stands below, beside the first column again."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        first, *others = self._table.columns
        parts: list[list[Column]] = [[]]
        for column in others:
            whole = self._made([first, *parts[-1], column])
            if parts[-1] and Measurement.get(console, options.update(width=UNBOUND), whole).maximum > options.max_width:
                parts.append([])
            parts[-1].append(column)
        if len(parts) == 1:
            yield self._table
            return
        for place, columns in enumerate(parts):
            part = self._made([first, *columns])
            part.title = None if place else self._table.title
            part.caption = self._table.caption if columns is parts[-1] else None
            yield part

    def _made(self, columns: Sequence[Column]) -> Table:
        like = self._table
        made = Table(
            title_justify=like.title_justify, caption_justify=like.caption_justify, box=like.box, padding=like.padding
        )
        for place, column in enumerate(columns):  # one that is too wide even alone is folded
            made.add_column(column.header, justify=column.justify, overflow="fold", no_wrap=place == 0)
        for cells in zip(*(column.cells for column in columns), strict=True):
            made.add_row(*cells)
        return made
