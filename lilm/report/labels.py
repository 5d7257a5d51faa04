"""Names beside the points of a chart, so that none lies on another, on a point, or outside."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

RINGS = (8.0, 16.0, 26.0, 38.0, 52.0)  # distances of a name from its point that are tried, in points of 1/72 inch
DIRECTIONS = 12
LEADER = 14.0  # a name farther than this is tied to its point by a line
POINT = 4.0  # half the side of what a point takes
WIDER = 1.15  # a browser's font may be wider than the one that is measured with


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the figure."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: "Box") -> float:
        """The area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(0.0, width) * max(0.0, height)

    @property
    def area(self) -> float:
        return (self.right - self.left) * (self.top - self.bottom)


@dataclass(frozen=True)
class Name:
    """text: beside the point (x, y), in the axes' own units. needed: it is written also where there is no free place,
    then at the one that covers least; others are left out."""

    text: str
    x: float
    y: float
    needed: bool = True


def place_names(
    axes: Any, names: Sequence[Name], size: float, colour: str, taken: Iterable[tuple[float, float]] = ()
) -> list[Box]:
    """Write the names on matplotlib axes whose limits are set already; answers the boxes of those that are written.
    taken: more points on which no name may lie. size: of the font."""
    figure = axes.figure
    figure.draw_without_rendering()  # a layout that is constrained moves the axes
    scale = figure.dpi / 72
    inside = axes.get_window_extent()
    frame = Box(inside.x0, inside.y0, inside.x1, inside.y1)
    points = [*((one.x, one.y) for one in names), *taken]
    blocked = [_around(x, y, POINT * scale) for x, y in map(axes.transData.transform, points)]
    written: list[Box] = []
    for name in sorted(names, key=lambda one: not one.needed):
        at = axes.transData.transform((name.x, name.y))
        text = axes.text(0, 0, name.text, fontsize=size, parse_math=False)
        extent = text.get_window_extent()
        text.remove()
        width, height = extent.width * WIDER, extent.height
        best = min(_places(at, width, height, scale), key=lambda place: _cost(place[1], frame, [*blocked, *written]))
        (dx, dy), box = best
        if not name.needed and _cost(box, frame, [*blocked, *written]) > 0:
            continue
        far = math.hypot(dx, dy) > LEADER
        tie = {"arrowstyle": "-", "color": colour, "linewidth": 0.5, "alpha": 0.5, "shrinkA": 0, "shrinkB": 3}
        note = axes.annotate(
            name.text,
            (name.x, name.y),
            _middle(box, at, scale),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=size,
            color=colour,
            parse_math=False,
            arrowprops=tie if far else None,
        )
        note.set_in_layout(False)  # so that the layout stays the one that was measured
        written.append(box)
    return written


def _around(x: float, y: float, half: float) -> Box:
    return Box(x - half, y - half, x + half, y + half)


def _places(at: Any, width: float, height: float, scale: float) -> Iterable[tuple[tuple[float, float], Box]]:
    """(offset in points of the edge that is nearest, box), the nearest first, above before the sides."""
    for ring in RINGS:
        for step in range(DIRECTIONS):
            turn = (step + 1) // 2 * (1 if step % 2 else -1)
            angle = math.pi / 2 + 2 * math.pi * turn / DIRECTIONS
            dx, dy = ring * math.cos(angle), ring * math.sin(angle)
            x = at[0] + dx * scale + width / 2 * math.cos(angle)
            y = at[1] + dy * scale + height / 2 * math.sin(angle)
            yield (dx, dy), Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _cost(box: Box, frame: Box, others: Iterable[Box]) -> float:
    """The area that lies on others or outside."""
    return box.area - box.overlap(frame) + sum(box.overlap(other) for other in others)


def _middle(box: Box, at: Any, scale: float) -> tuple[float, float]:
    return ((box.left + box.right) / 2 - at[0]) / scale, ((box.bottom + box.top) / 2 - at[1]) / scale
