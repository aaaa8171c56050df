"""Metrics, times, sizes and tables as text. Imports nothing heavy."""

from __future__ import annotations

import itertools
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

ORDER = ("accuracy", "auc", "f1", "mae", "rmse", "r2")
"""The metrics of the tasks, in the order that they are told in; the first that is there is the main one."""
PERCENTAGES = frozenset({"accuracy"})
NAMES = {"mae": "MAE", "rmse": "RMSE", "r2": "R²", "auc": "AUC", "f1": "F1"}


def metric_names(metrics: Iterable[str]) -> list[str]:
    """The names of all but the loss, in :data:`ORDER`; others follow as they come."""
    names = [name for name in metrics if name != "loss"]
    return sorted(names, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


def main_metric(metrics: Iterable[str]) -> str:
    """The name of the metric that matters most."""
    return metric_names(metrics)[0]


def metric_name(name: str) -> str:
    """``MAE`` for ``mae``."""
    return NAMES.get(name, name)


def metric_text(name: str, value: float) -> str:
    """``99.29%`` for an accuracy, four digits for anything else."""
    if name in PERCENTAGES:
        return f"{value:.2%}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 10_000 else f"{value:,.0f}"


def metrics_text(metrics: Mapping[str, float]) -> str:
    """All but the loss: ``accuracy 76.97%, AUC 0.829, F1 0.651``."""
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
    columns: Sequence[str], rows: Sequence[Sequence[object]], numeric: Sequence[str] = (), wrap: Sequence[str] = ()
) -> str:
    """Rows under a header, aligned.

    Made by hand: rich's tables take longer to import than `zoo list` may take, and cut words off where columns have a
    smallest width.

    Args:
        numeric: names of columns to align to the right.
        wrap: names of columns that wrap where standard output is a terminal too narrow for them. The others stay
            whole, whatever the width: the terminal breaks the line, and nothing is lost.
    """
    cells = [list(columns), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    if sys.stdout.isatty():
        _narrow(widths, [i for i, name in enumerate(columns) if name in wrap])
    lines = [line for row in cells for line in _row_lines(row, widths, [name in numeric for name in columns])]
    return "\n".join(lines)


def _narrow(widths: list[int], flexible: list[int]) -> None:
    """Take from the flexible columns, the widest first, what the terminal has too little of; leave each legible."""
    legible = 16
    excess = sum(widths) + 2 * (len(widths) - 1) - shutil.get_terminal_size().columns
    while excess > 0 and flexible:
        widest = max(flexible, key=lambda i: widths[i])
        if widths[widest] <= legible:
            return
        widths[widest] -= 1
        excess -= 1


def _row_lines(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> Iterator[str]:
    wrapped = [
        textwrap.wrap(cell, width, break_on_hyphens=False) or [""] for cell, width in zip(row, widths, strict=True)
    ]
    for parts in itertools.zip_longest(*wrapped, fillvalue=""):
        padded = (p.rjust(w) if r else p.ljust(w) for p, w, r in zip(parts, widths, right, strict=True))
        yield "  ".join(padded).rstrip()


def html_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows under a header, every cell escaped; no header where there are no columns."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{f'<tr>{head}</tr>' if columns else ''}{body}</table>"
