"""Metrics, times, sizes and tables as text. Imports nothing heavy."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Literal

ORDER = ("accuracy", "auc", "f1", "mae", "rmse", "r2")
"""The metrics of the tasks in display order. The first one that a task has is its main metric."""
PERCENTAGES = frozenset({"accuracy"})
NAMES = {"mae": "MAE", "rmse": "RMSE", "r2": "R²", "auc": "AUC", "f1": "F1"}
WIDTH = 100
"""The width of a table that is printed into a pipe or file."""
_LEGIBLE, _LONG_WORD = 16, 24


def metric_names(metrics: Iterable[str]) -> list[str]:
    """The names of all metrics but the loss, in :data:`ORDER`; other names follow in the given order."""
    names = [name for name in metrics if name != "loss"]
    return sorted(names, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


def main_metric(metrics: Iterable[str]) -> str:
    """The name of the main metric."""
    return metric_names(metrics)[0]


def metric_name(name: str) -> str:
    """Display name of a metric: ``MAE`` for ``mae``."""
    return NAMES.get(name, name)


def metric_text(name: str, value: float) -> str:
    """``99.29%`` for an accuracy; about four digits for other metrics."""
    if name in PERCENTAGES:
        return f"{value:.2%}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 10_000 else f"{value:,.0f}"


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
) -> str:
    """Rows under a header, aligned in columns two spaces apart.

    The table is as wide as ``$COLUMNS`` or the terminal, and :data:`WIDTH` in a pipe or file. Columns of text wrap to
    fit. Names and numbers are never cut or wrapped: if they need more width, the table is wider.

    Args:
        numeric: names of the columns to align to the right.
        wrap: names of the columns of text, which wrap.
        one_line: in a pipe or file, keep each row on one line, for ``grep`` and ``awk``.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if one_line and not sys.stdout.isatty():
        wrap = ()
    # a padded edge, stripped below: without it rich computes the last column's width wrongly and cuts words off
    gap = 2
    grid = Table(box=None, show_edge=False, pad_edge=True, padding=(0, gap, 0, 0), header_style="")
    cells = [[" ".join(str(cell).splitlines()) for cell in row] for row in rows]
    needed = gap * len(columns)
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
    width = max(needed, shutil.get_terminal_size((WIDTH, 24)).columns + gap)
    text = io.StringIO()
    Console(file=text, width=width, height=24, color_system=None, legacy_windows=False).print(grid, crop=False)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def html_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """An HTML table with all cells escaped. Without ``columns``, it has no header."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{f'<tr>{head}</tr>' if columns else ''}{body}</table>"
