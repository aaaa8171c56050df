"""The elements of a picture in SVG: texts, lines, colours for light and dark pages, and parts that are put together."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from ..formatting import one_line

Shape = tuple[int, ...] | None

_LETTER = {"bold": 8.4, "main": 7.5, "small": 6.9}
"""The mean width of a character, in pixels, in DejaVu Sans, which is wider than most fonts."""
_COLOURS = {
    "ground": ("#ffffff", "#15171a"),
    "ink": ("#1b1c1d", "#e6e7e9"),
    "soft": ("#50555b", "#b0b5bb"),
    "line": ("#6b7280", "#8d949c"),
    "weights": ("#e3f0fa", "#10324a"),
    "weights-edge": ("#0072b2", "#56b4e9"),
    "normal": ("#f0e8f5", "#35264a"),
    "normal-edge": ("#7b52a8", "#b794e0"),
    "activation": ("#fdf1d8", "#43320f"),
    "activation-edge": ("#a66f00", "#e6b04d"),
    "other": ("#f0f1f3", "#25292e"),
    "other-edge": ("#868d95", "#7b828b"),
}
"""Each colour on a light and on a dark page."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the picture, in a frame of its own. Its input is at the top, its result at the bottom, in the middle.

    Args:
        open_top: whether lines of its own begin at the top edge; a box has an arrow to it instead.
        open_bottom: whether lines of its own end at the bottom edge.
    """

    width: float
    height: float
    body: str
    open_top: bool = False
    open_bottom: bool = False


def style() -> str:
    """The colours and fonts. The rules hold inside the picture only, also if it is part of a page."""
    light, dark = (";".join(f"--{name}:{colours[mode]}" for name, colours in _COLOURS.items()) for mode in (0, 1))
    boxes = "".join(
        f".zoo-network .{name}{{fill:var(--{name});stroke:var(--{name}-edge)}}"
        for name in ("weights", "normal", "activation", "other")
    )
    return (
        f".zoo-network{{{light};max-width:100%;height:auto;font-family:system-ui,sans-serif}}"
        f"@media screen and (prefers-color-scheme:dark){{.zoo-network{{{dark}}}}}"
        ".zoo-network text{fill:var(--ink);font-size:13px}.zoo-network .t{font-size:15px;font-weight:600}"
        ".zoo-network .k{font-weight:600}.zoo-network .s{fill:var(--soft);font-size:12px}"
        f"{boxes}.zoo-network .ground{{fill:var(--ground)}}"
        ".zoo-network .frame{fill:var(--ground);stroke:var(--line);stroke-dasharray:5 4}"
        ".zoo-network .join{fill:var(--ground);stroke:var(--line)}"
        ".zoo-network .line{fill:none;stroke:var(--line);stroke-width:1.5}.zoo-network .head{fill:var(--line)}"
    )


def plain(text: str) -> str:
    """Text for the picture. Names come from plugins: they are never markup, and stay in one line."""
    return escape(one_line(text).encode("utf-8", "backslashreplace").decode())


def text_length(text: str, size: str) -> float:
    """The width of a text in pixels, about; characters that are no letters of Europe may be twice as wide."""
    return _LETTER[size] * sum(2 if ord(letter) > 0x2E7F else 1 for letter in text)


def fitted(text: str, width: float, size: str) -> str:
    """``text``, shortened if it is wider than ``width``."""
    text = one_line(text)
    if text_length(text, size) <= width:
        return text
    while text and text_length(text + "…", size) > width:
        text = text[:-1]
    return text + "…"


def text_element(x: float, y: float, text: str, kind: str = "", anchor: str = "") -> str:
    """A text that begins at ``x``, or is in the middle of it or ends there."""
    place = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{x:g}" y="{y:g}"{place}' + (f' class="{kind}">' if kind else ">") + f"{plain(text)}</text>"


def moved(part: Part, x: float, y: float) -> str:
    """A part at its place."""
    return f'<g transform="translate({x:g} {y:g})">{part.body}</g>'


def line(*points: tuple[float, float], arrow: bool = False) -> str:
    """A line through points; with ``arrow``, it ends in a head, straight down."""
    path = "M" + "L".join(f"{x:g} {y:g}" for x, y in points)
    (x, y) = points[-1]
    head = f'<path class="head" d="M{x:g} {y:g}l-4 -7h8z"/>' if arrow else ""
    return f'<path class="line" d="{path}"/>{head}'


def shape_text(shape: Shape) -> str:
    """``16 × 12 × 12``; for one number nothing but ``1``."""
    return "" if shape is None else " × ".join(map(str, shape)) or "1"
