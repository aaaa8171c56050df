"""Put the names of points into a plot so that they cover neither each other nor a point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.transforms import Bbox

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation

_DISTANCES = (9, 15, 24, 36, 52, 70)
"""From the point to the edge of its name, in points."""
_ANGLES = (0, 180, 90, 270, 45, 135, 315, 225)
"""In degrees, the best first: right, left, above, below, the diagonals."""
_NEAR = 15
"""Names further away than this get a line to their point."""
_MARKER = 6.0
"""Half the size of the marker of a point, in points."""


def place_names(
    figure: Figure, named: Sequence[tuple[Axes, float, float, str]], obstacles: Sequence[tuple[Axes, Bbox]]
) -> list[Annotation]:
    """Write the name of each point beside it, and return the texts.

    Each name goes to the nearest place, inside its axes, where it covers no other name, no point and no obstacle. If
    there is none, it goes where it covers least.

    Args:
        named: for each point its axes, its place in the units of the axes, and its name.
        obstacles: areas in the units of the axes, such as error bars, or points of a line.
    """
    renderer: Any = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    figure.draw_without_rendering()  # the layout must be final: places are in pixels
    unit = figure.dpi / 72
    texts = []
    taken: dict[Axes, list[Bbox]] = {axes: [] for axes, *_ in named}
    for axes, x, y, _ in named:
        centre = axes.transData.transform((x, y))
        taken[axes].append(Bbox([centre - _MARKER * unit, centre + _MARKER * unit]))
    for axes, area in obstacles:
        corners = axes.transData.transform(area.get_points())
        taken[axes].append(Bbox([corners.min(axis=0) - 1, corners.max(axis=0) + 1]))
    for axes, x, y, name in named:
        text = axes.annotate(name, (x, y), (0, 0), textcoords="offset points", ha="center", va="center", fontsize=9)
        text.set_in_layout(False)
        size = text.get_window_extent(renderer)
        (across, up), far = _best_offset(axes, (x, y), (size.width, size.height), taken[axes], unit)
        text.set_position((across / unit, up / unit))
        if far:
            axes.annotate("", (x, y), (across / unit, up / unit), textcoords="offset points", arrowprops=_line(size))
        taken[axes].append(_area(_pixels(axes, (x, y)), (across, up), (size.width, size.height)))
        texts.append(text)
    return texts


def _line(size: Bbox) -> dict[str, object]:
    """A thin line from the name to its point."""
    return {"arrowstyle": "-", "color": "#777777", "linewidth": 0.7, "shrinkA": size.height / 2, "shrinkB": 4}


def _best_offset(
    axes: Axes, point: tuple[float, float], size: tuple[float, float], taken: Sequence[Bbox], unit: float
) -> tuple[tuple[float, float], bool]:
    """The offset of the centre of a name from its point in pixels, and whether it is far away."""
    centre, inside = _pixels(axes, point), axes.bbox
    found = []
    for distance in _DISTANCES:
        for angle in _ANGLES:
            right, above = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            across = right * distance * unit + math.copysign(size[0] / 2, right) * (abs(right) > 0.1)
            up = above * distance * unit + math.copysign(size[1] / 2, above) * (abs(above) > 0.1)
            area = _area(centre, (across, up), size)
            outside = not (inside.contains(*area.min) and inside.contains(*area.max))
            covered = sum(_overlap(area, other) for other in taken) + outside * 1e9
            if not covered:
                return (across, up), distance > _NEAR
            found.append((covered, (across, up), distance > _NEAR))
    _, offset, far = min(found)
    return offset, far


def _pixels(axes: Axes, point: tuple[float, float]) -> tuple[float, float]:
    """A point in the units of the axes, in pixels."""
    x, y = axes.transData.transform(point)
    return float(x), float(y)


def _area(centre: tuple[float, float], offset: tuple[float, float], size: tuple[float, float]) -> Bbox:
    """The area of a name, in pixels, with a margin of two pixels."""
    x, y = centre[0] + offset[0], centre[1] + offset[1]
    return Bbox.from_extents(x - size[0] / 2 - 2, y - size[1] / 2 - 2, x + size[0] / 2 + 2, y + size[1] / 2 + 2)


def _overlap(one: Bbox, other: Bbox) -> float:
    """The common area in square pixels."""
    common = Bbox.intersection(one, other)
    return 0.0 if common is None else float(common.width * common.height)
