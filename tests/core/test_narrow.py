"""A table that is wider than the terminal loses none of its cells."""

from io import StringIO

import pytest
from rich.console import Console
from rich.table import Table

from lilm.report.narrow import Narrowed

FIGURES = 9


def printed(width: int) -> str:
    table = Table(title="figures", caption="said below")
    table.add_column("file", overflow="fold")
    for number in range(FIGURES):
        table.add_column(f"figure\n{number}", justify="right", no_wrap=True)
    for name in ("model-one", "model-two"):
        table.add_row(name, *(f"{number}.12345" for number in range(FIGURES)))
    out = StringIO()
    Console(file=out, width=width).print(Narrowed(table))
    return out.getvalue()


@pytest.mark.parametrize("width", [200, 80, 40, 30])
def test_every_cell_is_whole_at_every_width(width: int) -> None:
    text = printed(width)
    assert "…" not in text and max(map(len, text.splitlines())) <= width
    assert all(text.count(f"{number}.12345") == 2 for number in range(FIGURES))
    tables = text.count("model-one")
    assert tables == text.count("model-two") and (tables > 1) == (width < 200)
    assert text.count("figures") == text.count("said below") == 1
    assert text.index("figures") < text.index("model-one") and text.rindex("model-two") < text.index("said below")
