"""Metrics, times, sizes and tables as text. Imports nothing heavy."""

from __future__ import annotations

import io
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Literal, NamedTuple, TextIO


class MetricFormat(NamedTuple):
    """How the values of a metric are shown; see :class:`zoo.Metric`."""

    title: str
    percent: bool = False
    unit: str = ""
    higher_is_better: bool = True


METRICS = {
    "accuracy": MetricFormat("accuracy", percent=True),
    "auc": MetricFormat("AUC"),
    "f1": MetricFormat("F1"),
    "mae": MetricFormat("MAE", higher_is_better=False),
    "rmse": MetricFormat("RMSE", higher_is_better=False),
    "r2": MetricFormat("R²"),
}
"""The usual metrics in display order, then those that tasks of plugins declare. The first one is the main metric."""
WIDTH = 100
"""The width of a table that is printed into a pipe or file."""
_LEGIBLE, _LONG_WORD = 16, 24
_GAP = 2
_LARGEST_IN_FULL = 1e15
_CONTROLS = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that move the cursor, change the direction, end a line or cannot be encoded."""
_JOINERS = "\u200c\u200d"
"""Control characters that ordinary text needs: in Persian, in Indian scripts and in emoji."""


def printable(text: object, *, lines: bool = False) -> str:
    """``text`` as it may go to a terminal or log: control characters become escapes such as ``\\x1b`` or ``\\n``.

    Names come from files and plugins. As they are, they could forge lines, colour the terminal or fail to encode.

    Args:
        lines: keep the ends of lines and tabs, for text that was made of several lines on purpose.
    """
    plain = str(text)
    if (plain.replace("\n", "").replace("\t", "") if lines else plain).isprintable():
        return plain
    return "".join(character if _is_plain(character, lines) else _escape(character) for character in plain)


def one_line(text: object) -> str:
    """``text`` in one line: runs of white space become a space, other control characters become escapes."""
    return printable(" ".join(str(text).split()))


def brief(value: object, longest: int = 100) -> str:
    """``repr(value)`` for a message: at most ``longest`` characters, printable, and never an error."""
    try:
        text = repr(value)
    except Exception:  # a plugin's object may do anything
        text = f"<{type(value).__name__}>"
    return printable(shortened(text, longest))


def shortened(text: str, longest: int) -> str:
    """``text``, or its beginning and three dots if it has more than ``longest`` characters."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _is_plain(character: str, lines: bool) -> bool:
    if character.isprintable() or character in _JOINERS or (lines and character in "\n\t"):
        return True
    return unicodedata.category(character) not in _CONTROLS


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def metric_names(metrics: Iterable[str]) -> list[str]:
    """The names of all metrics but the loss, in the order of :data:`METRICS`; others follow in the given order."""
    order = list(METRICS)
    names = [name for name in metrics if name != "loss"]
    return sorted(names, key=lambda name: order.index(name) if name in METRICS else len(order))


def main_metric(metrics: Iterable[str]) -> str:
    """The name of the main metric."""
    return metric_names(metrics)[0]


def metric_name(name: str) -> str:
    """Display name of a metric: ``MAE`` for ``mae``."""
    return METRICS[name].title if name in METRICS else name


def is_known_metric(name: str) -> bool:
    """Whether it is known how a metric is shown; those of plugins are known when the plugins are loaded."""
    return name == "loss" or name in METRICS


def is_percentage(name: str) -> bool:
    """Whether the values of a metric are shown as percentages."""
    return name in METRICS and METRICS[name].percent


def is_better(name: str, value: float, other: float) -> bool:
    """Whether ``value`` of a metric is better than ``other``."""
    higher = name not in METRICS or METRICS[name].higher_is_better
    return value > other if higher else value < other


def metric_text(name: str, value: float) -> str:
    """``99.29%`` for an accuracy; about four digits for other metrics, and their unit."""
    if is_percentage(name) and abs(value) < _LARGEST_IN_FULL:
        return f"{value:.2%}"
    unit = f" {METRICS[name].unit}" if name in METRICS and METRICS[name].unit else ""
    if abs(value) >= _LARGEST_IN_FULL:
        return f"{value:.3g}{unit}"
    digits = f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 10_000 else f"{value:,.0f}"
    return digits + unit


def metric_figure(name: str, value: float) -> str:
    """A value for checks, with enough digits for one sample of 10,000: ``99.2900%``, or six digits."""
    return f"{value:.4%}" if is_percentage(name) else f"{value:.6g}"


def metrics_text(metrics: Mapping[str, float]) -> str:
    """All metrics but the loss: ``accuracy 76.97%, AUC 0.829, F1 0.651``."""
    return ", ".join(f"{metric_name(name)} {metric_text(name, metrics[name])}" for name in metric_names(metrics))


def duration(seconds: float) -> str:
    """``7 s``, ``1:05``, ``2:03:04``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def time_text(seconds: float) -> str:
    """``85 µs``, ``1.23 ms``, ``2.1 s``."""
    if seconds < 0.000_999_5:
        return f"{seconds * 1e6:.3g} µs"
    return f"{seconds * 1e3:.3g} ms" if seconds < 0.999_5 else f"{seconds:.3g} s"


def size_text(count: int) -> str:
    """``172 kB``, ``1.3 MB``."""
    if count < 1_000:
        return f"{count} bytes"
    if count < 999_500:
        return f"{count / 1_000:.3g} kB" if count < 99_950 else f"{count / 1_000:.0f} kB"
    return f"{count / 1_000_000:.1f} MB"


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    numeric: Sequence[str] = (),
    wrap: Sequence[str] = (),
    one_line: bool = False,
    optional: Sequence[str] = (),
) -> str:
    """Rows under a header, aligned in columns two spaces apart.

    The table is as wide as ``$COLUMNS`` or the terminal, and :data:`WIDTH` in a pipe or file. Columns of text wrap to
    fit. Names and numbers are never cut or wrapped: if they need more width, the table is wider.

    Args:
        numeric: names of the columns to align to the right.
        wrap: names of the columns of text, which wrap.
        one_line: in a pipe or file, keep each row on one line, for ``grep`` and ``awk``.
        optional: names of columns that are left out on a terminal that is too narrow, one after the other.
    """
    if one_line and not sys.stdout.isatty():
        wrap = ()
    cells = [[_cell(cell) for cell in row] for row in rows]
    columns, numeric, wrap = (list(map(_cell, names)) for names in (columns, numeric, wrap))
    for name in optional if sys.stdout.isatty() else ():
        if _least_width(columns, cells, wrap) <= shutil.get_terminal_size((WIDTH, 24)).columns:
            break
        kept = [place for place, column in enumerate(columns) if column != name]
        columns, cells = [columns[place] for place in kept], [[row[place] for place in kept] for row in cells]
    wrap = [name for name in wrap if name in columns]
    if not wrap:
        return _aligned(columns, cells, numeric)
    return _wrapped(columns, cells, numeric, wrap)


def _least_width(columns: Sequence[str], cells: Sequence[Sequence[str]], wrap: Sequence[str]) -> int:
    """The number of characters that a table needs."""
    widest = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    least = (min(width, _LEGIBLE) if name in wrap else width for name, width in zip(columns, widest, strict=True))
    return sum(least) + _GAP * (len(columns) - 1)


def counted(count: int, noun: str) -> str:
    """``1 sample``, ``1,000 samples``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def wrapped(text: str, *, indent: int = 0, stream: TextIO | None = None) -> str:
    """``text`` in lines that fit the terminal; in a pipe or file as it is. Words, such as paths, are never cut.

    Args:
        indent: number of spaces before each line but the first.
        stream: where it is printed; standard output by default.
    """
    if not (stream or sys.stdout).isatty():
        return text
    import textwrap

    width = max(40, shutil.get_terminal_size((WIDTH, 24)).columns)
    if len(text) <= width:
        return text
    return textwrap.fill(
        text,
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
        replace_whitespace=False,
    )


def _cell(content: object) -> str:
    return printable(" ".join(str(content).splitlines()).rstrip())


def _aligned(columns: Sequence[str], cells: Sequence[Sequence[str]], numeric: Sequence[str]) -> str:
    """A table whose cells are never wrapped. Ten thousand rows take a fraction of a second."""
    from rich.cells import cell_len

    grid = [list(columns), *cells]
    wide = [[len(cell) if cell.isascii() else cell_len(cell) for cell in row] for row in grid]
    widths = [max(column) for column in zip(*wide, strict=True)]
    right = [name in numeric for name in columns]
    lines = []
    for row, own in zip(grid, wide, strict=True):
        padded = (
            " " * (width - length) + cell if at_right else cell + " " * (width - length)
            for cell, length, width, at_right in zip(row, own, widths, right, strict=True)
        )
        lines.append((" " * _GAP).join(padded).rstrip())
    return "\n".join(lines)


def _wrapped(
    columns: Sequence[str], cells: Sequence[Sequence[str]], numeric: Sequence[str], wrap: Sequence[str]
) -> str:
    """A table whose columns in ``wrap`` wrap to fit the terminal."""
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # a padded edge, stripped below: without it rich computes the last column's width wrongly and cuts words off
    grid = Table(box=None, show_edge=False, pad_edge=True, padding=(0, _GAP, 0, 0), header_style="")
    needed = _GAP * len(columns)
    for place, name in enumerate(columns):
        widest = max(map(cell_len, [name, *(row[place] for row in cells)]))
        longest_word = max((len(word) for row in cells for word in row[place].split()), default=0)
        legible = max(_LEGIBLE, min(_LONG_WORD, longest_word))
        least = min(widest, legible) if name in wrap else widest
        needed += least
        align: Literal["left", "right"] = "right" if name in numeric else "left"
        grid.add_column(Text(name), justify=align, min_width=least, no_wrap=name not in wrap, overflow="fold")
    for row in cells:
        grid.add_row(*map(Text, row))
    width = max(needed, shutil.get_terminal_size((WIDTH, 24)).columns + _GAP)
    text = io.StringIO()
    Console(file=text, width=width, height=24, color_system=None, legacy_windows=False).print(grid, crop=False)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def html_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """An HTML table with all cells escaped. Without ``columns``, it has no header."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{f'<tr>{head}</tr>' if columns else ''}{body}</table>"
