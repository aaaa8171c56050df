"""What the values of a table say of its columns: identifiers, constants, leaks, and the summary before a training."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..formatting import counted, shortened
from ..specs.columns import Column, ColumnSummary
from ..specs.task import Task
from .table_columns import data_option
from .table_statistics import ColumnCells

log = logging.getLogger("zoo")

FEWEST_ROWS = 20
"""In fewer rows, all values may differ, and a column may follow the target or be constant, by chance."""
FEWEST_EQUAL = 5
"""In fewer rows, a column may equal the target by chance."""
REASONS = {
    "empty": "it is empty",
    "text": "nearly all its values are different texts, which are no categories",
    "identifier": "all its values are different, so it only names the rows",
    "leak": "it is another form of the target: each of its values belongs to exactly one value of the target",
    "constant": "it has the same value in all training rows",
}
"""Why a column is left out."""
_IDENTIFIER = re.compile(
    r"(^|[\W_])(id|ids|uid|uuid|guid|index|idx|key|nr|no|num|number|row|unnamed)([\W_\d]|$)|[a-z]I[dD]$", re.I
)


def find_unused(
    inputs: NDArray[np.float32],
    targets: NDArray[np.generic],
    columns: Sequence[Column],
    cells: Mapping[str, ColumnCells],
    keep: Collection[str],
) -> dict[str, str]:
    """Columns of the file that are no use for a prediction, and why: ``identifier`` or ``leak``.

    If no column would be left, the leaks and the numbers are kept, with a warning.

    Args:
        inputs: ``[N, F]``.
        targets: ``[N]``: class indices, or numbers.
        keep: columns that the user wants to keep.
    """
    found = {}
    for place, column in enumerate(columns):
        name = column.file_column
        if name in keep or column.source or name in found:
            continue
        values = inputs[:, place]
        if _is_leak(values, targets):
            found[name] = "leak"
        elif _is_identifier(values, targets, column, cells[name]):
            found[name] = "identifier"
    if set(found) < {column.file_column for column in columns}:
        return found
    for column in columns:
        if column.kind == "number" and column.name in found:
            log.warning(
                "%s is kept as the only column, although %s.",
                shortened(column.name, 100),
                REASONS[found.pop(column.name)],
            )
    return found


def _is_leak(values: NDArray[np.float32], targets: NDArray[np.generic]) -> bool:
    """Whether a column is a one-to-one function of the target.

    If most targets are different, as measured numbers are, any other column would be one; it must then rise or fall
    with the target throughout.
    """
    present = ~np.isnan(values)
    x, y = values[present], targets[present]
    if len(x) < FEWEST_EQUAL or len(np.unique(y)) < 2:
        return False
    if np.array_equal(x, y) and targets.dtype.kind == "f":
        return True
    if len(x) < FEWEST_ROWS:
        return False
    (_, own), (_, other) = (np.unique(part, return_inverse=True) for part in (x, y))
    counts = own.max() + 1, other.max() + 1
    if counts[0] != counts[1] or len(np.unique(own * counts[1] + other)) != counts[0]:
        return False
    if counts[1] * 2 <= len(y):
        return True
    return bool(np.array_equal(own, other) or np.array_equal(own, counts[1] - 1 - other))


def _is_identifier(
    values: NDArray[np.float32], targets: NDArray[np.generic], column: Column, cells: ColumnCells
) -> bool:
    """Whether all values differ: words, or whole numbers that are in order, or named so, or unrelated to the target.

    Areas or prices can be different whole numbers too; they are related to the target.
    """
    if cells.distinct != cells.present:
        return False
    if column.kind == "category":
        return True
    whole = values.astype(np.float64)
    if cells.missing or len(whole) < FEWEST_ROWS or cells.points or not (whole == np.round(whole)).all():
        return False
    steps = np.diff(whole)
    in_order = bool((steps > 0).all() or (steps < 0).all())
    in_sequence = whole.max() - whole.min() == len(whole) - 1
    named = _IDENTIFIER.search(column.name) is not None
    return in_order or bool(in_sequence) or named or _is_unrelated(whole, targets)


def _is_unrelated(values: NDArray[np.float64], targets: NDArray[np.generic]) -> bool:
    """Whether the ranks of different ``values`` vary with the target no more than chance allows: three deviations."""
    n = len(values)
    ranks = np.empty(n)
    ranks[np.argsort(values)] = np.arange(n)
    ranks -= ranks.mean()
    if targets.dtype.kind == "f":
        others = np.unique(targets, return_inverse=True)[1].astype(float)
        return bool(abs(np.corrcoef(ranks, others)[0, 1]) < 3 / (n - 1) ** 0.5)
    sums, counts = np.bincount(targets, ranks), np.bincount(targets)  # Kruskal and Wallis
    deviation = 12 / (n * (n + 1)) * (sums**2 / np.maximum(counts, 1)).sum()
    free = np.count_nonzero(counts) - 1
    return bool(deviation < free + 3 * (2 * free) ** 0.5)


def find_constants(inputs: NDArray[np.float32], columns: Sequence[Column]) -> list[int]:
    """Places of columns that have the same value in all training rows. A category that is sometimes missing has not.

    Args:
        inputs: of the training rows, ``[N, F]``.
    """
    found = []
    for place, column in enumerate(columns):
        values = inputs[:, place]
        present = values[~np.isnan(values)]
        sometimes = column.kind == "category" and 0 < len(present) < len(values)
        if not len(present) or ((present == present[0]).all() and not sometimes):
            found.append(place)
    return found


def keep_seen(inputs: NDArray[np.float32], training: NDArray[np.bool_], columns: Sequence[Column]) -> list[Column]:
    """The columns with only those categories that training rows have. Others become NaN in ``inputs``, in place.

    A category that no training row has would be an input that nothing was learned for.
    """
    found = []
    for place, column in enumerate(columns):
        if column.kind != "category":
            found.append(column)
            continue
        values = inputs[:, place]
        seen = np.isin(np.array(column.values, np.float32), values[training])
        seen = seen if seen.any() else np.ones_like(seen)
        kept = [value for value, is_seen in zip(column.values, seen, strict=True) if is_seen]
        labels = [label for label, is_seen in zip(column.labels, seen, strict=False) if is_seen]
        values[~np.isin(values, np.array(kept, np.float32))] = np.nan
        if column.labels and not column.source:  # the values are the places of the labels
            inputs[:, place] = np.where(np.isnan(values), np.nan, np.searchsorted(kept, np.nan_to_num(values)))
            kept = list(map(float, range(len(kept))))
        found.append(replace(column, values=tuple(kept), labels=tuple(labels)))
    return found


def tell_unused(file: str, unused: Mapping[str, str]) -> None:
    """One line for each column that is left out."""
    for name, why in unused.items():
        remedy = "" if why in ("empty", "text") else f" {data_option('keep', name)} uses it."
        log.warning("%s: the column %s is left out: %s.%s", file, shortened(name, 100), REASONS[why], remedy)


def check_target(file: str, name: str, targets: NDArray[np.float32]) -> None:
    """Raises:
    DataError: all targets of a regression are equal.
    """
    if len(targets) and (targets == targets[0]).all():
        raise DataError(f"{file}: {name} is {targets[0]:g} in all rows; there is nothing to learn.")


def summarise(
    target: ColumnCells,
    task: Task,
    cells: Sequence[ColumnCells],
    columns: Sequence[Column],
    inputs: NDArray[np.float32],
    unused: Mapping[str, str],
) -> tuple[ColumnSummary, ...]:
    """A line for each column of the file that was not dropped by the user, the target first.

    Args:
        columns: those that are used, with their values in ``inputs`` ``[N, F]``.
        unused: why others are left out: a key of :data:`REASONS`.
    """
    kind = "target" if task.predicts == "numbers" else f"target, {counted(len(target.labels()), 'class')}"
    words = ", ".join(target.labels()) if task.predicts == "class" else ""
    lines = [ColumnSummary(target.name, kind.replace("classs", "classes"), target.distinct, target.missing, words)]
    for own in cells:
        used = [place for place, column in enumerate(columns) if column.file_column == own.name]
        if not used:
            why = unused.get(own.name, "empty")
            lines.append(ColumnSummary(own.name, f"left out: {why}", own.distinct, own.missing))
            continue
        column = columns[used[0]]
        if column.source:
            parts = ", ".join(columns[place].reading.partition(" of ")[0] for place in used)
            lines.append(ColumnSummary(own.name, f"date: {parts}", own.distinct, own.missing))
        elif column.kind == "category":
            labels = column.labels or tuple(f"{value:g}" for value in column.values)
            lines.append(ColumnSummary(own.name, "category", own.distinct, own.missing, ", ".join(labels)))
        else:
            values = inputs[:, used[0]]
            span = f"{np.nanmin(values):.6g} to {np.nanmax(values):.6g}"
            distinct = len(np.unique(values[~np.isnan(values)])) if own.distinct is None else own.distinct
            reading = f"number ({column.reading})" if column.reading else "number"
            lines.append(ColumnSummary(own.name, reading, distinct, own.missing, span))
    return tuple(lines)
