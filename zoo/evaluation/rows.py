"""Rows of a table as samples for a model: columns matched by name, every cell checked. Imports no torch."""

from __future__ import annotations

import csv
import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..data.table_reader import parse_numbers, read_blocks
from ..errors import DataError, closest
from ..formatting import shortened
from ..models.description import ModelDescription
from ..specs.columns import Column

if TYPE_CHECKING:
    import polars as pl

Row = NDArray[np.float32]
NOTHING = "nothing to predict"
"""The end of the error of an input without images or rows."""
LONGEST_ROW = 100_000
"""Characters of a row on the command line; below the limit of a cell."""


def read_rows(source: Path | BinaryIO, description: ModelDescription) -> Iterator[tuple[int, Row | str]]:
    """The rows of a CSV file (``.gz`` too) or a stream, one after another, at constant memory.

    The first row names the columns, in any order; columns that the model does not use are ignored. A file whose rows
    hold exactly the model's columns needs no such header.

    Returns:
        For each row its line, and the sample ``[F]`` or an error message.

    Raises:
        DataError: the file cannot be read, or lacks columns.
    """
    blocks = read_blocks(source)
    first = next(blocks, None)
    if first is None:
        raise DataError(f"no rows: {NOTHING}")
    header: list[str] = list(first.row(0)[2:])
    places = _match_columns(header, description)
    if places is not None:
        first = first[1:]
    rows = 0
    for block in itertools.chain([first], blocks):
        rows += len(block)
        yield from _check_rows(block, places or range(len(header)), len(header), description)
    if not rows:
        raise DataError(f"no rows under the header: {NOTHING}")


def parse_row(text: str, description: ModelDescription) -> Row | str:
    """A row from the command line (``5.1,3.5,1.4,0.2`` or ``temp=0.5,hum=0.8``): a sample ``[F]`` or an error message.

    In the second form, columns that are not named are missing values.
    """
    import polars as pl

    if len(text) > LONGEST_ROW:
        return f"a row of more than {LONGEST_ROW:,} characters; put it into a file"
    cells = next(csv.reader([text]), [])
    names = [description.column_name(place) for place in range(description.input_shape[0])]
    if not all("=" in cell for cell in cells):
        if len(cells) != len(names):
            return f"{len(cells)} numbers, but {description.name} takes {len(names)}: {', '.join(names)}"
    else:
        given = dict(cell.split("=", 1) for cell in cells)
        for name in given:
            if name not in names:
                guess = closest(name, names)
                advice = f", did you mean {guess!r}?" if guess else f": {', '.join(names)}"
                return f"there is no column {name!r}{advice}"
        cells = [given.get(name, "") for name in names]
    columns = [pl.Series([cell.strip()]) for cell in cells]
    values, wrong = _to_values(columns, description)
    return _message(columns, 0, int(wrong[0].argmax()), description) if wrong.any() else values[0]


def _match_columns(header: Sequence[str], description: ModelDescription) -> list[int] | None:
    """The place of each of the model's columns in the file; None if the first row is data, not a header.

    Raises:
        DataError: a column is missing.
    """
    import polars as pl

    count = description.input_shape[0]
    numbers, missing = parse_numbers(pl.Series(header))
    is_data = bool((numbers.is_not_null() | missing).all())
    if not description.columns:
        if len(header) != count:
            raise DataError(f"{len(header)} columns, but {description.name} takes {count}")
        return None if is_data else list(range(count))
    if is_data and len(header) == count:
        return None
    names = [column.name for column in description.columns]
    places = _find_columns(header, names)
    lacking = [name for name in names if name not in places]
    if lacking:
        listed = ", ".join(lacking[:5]) + (" …" if len(lacking) > 5 else "")
        given = shortened(", ".join(header[:12]), 300)
        raise DataError(f"lacks the column{'s' if len(lacking) > 1 else ''} {listed}; it has {given}")
    return [places[name] for name in names]


def _find_columns(header: Sequence[str], names: Sequence[str]) -> dict[str, int]:
    """The place of each of ``names`` in the header: the exact name, else the one name that differs only in case.

    Raises:
        DataError: two columns could be meant.
    """
    exact: dict[str, list[int]] = {}
    folded: dict[str, list[int]] = {}
    for place, cell in enumerate(header):
        exact.setdefault(cell, []).append(place)
        folded.setdefault(cell.casefold(), []).append(place)
    alike = Counter(name.casefold() for name in names)
    places = {}
    for name in names:
        found = exact.get(name) or (folded.get(name.casefold(), []) if alike[name.casefold()] == 1 else [])
        if len(found) > 1:
            raise DataError(f"has {len(found)} columns that could be {name}: {', '.join(header[k] for k in found[:5])}")
        if found:
            places[name] = found[0]
    return places


def _check_rows(
    block: pl.DataFrame, places: Sequence[int], width: int, description: ModelDescription
) -> Iterator[tuple[int, Row | str]]:
    columns = [block[str(place)] for place in places]
    values, wrong = _to_values(columns, description)
    unusable = set(np.flatnonzero(wrong.any(axis=1)).tolist())
    for row, (line, count) in enumerate(block.select("line", "count").iter_rows()):
        if count != width:
            yield line, f"{count} cells, but the first line has {width}"
        elif row in unusable:
            yield line, _message(columns, row, int(wrong[row].argmax()), description)
        else:
            yield line, values[row]


def _to_values(
    columns: Sequence[pl.Series], description: ModelDescription
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Cells as float32 ``[N, F]``, NaN for missing ones, and which cells the model cannot use."""
    import polars as pl

    values = np.empty((len(columns[0]), len(columns)), dtype=np.float32)
    wrong = np.zeros(values.shape, dtype=bool)
    for place, cells in enumerate(columns):
        column = description.columns[place] if description.columns else None
        numbers, missing = parse_numbers(cells)
        numbers = numbers.cast(pl.Float32)
        if column is not None and column.values:
            allowed = pl.Series(column.values, dtype=pl.Float32)
            numbers = numbers.set(~numbers.is_in(allowed.implode()), None)
            if column.labels:
                codes = dict(zip(column.labels, column.values, strict=True))
                numbers = cells.replace_strict(codes, default=None, return_dtype=pl.Float32).fill_null(numbers)
        values[:, place] = numbers.fill_null(math.nan).to_numpy()
        wrong[:, place] = (numbers.is_null() & ~(missing & (column is not None))).to_numpy()
    return values, wrong


def _message(columns: Sequence[pl.Series], row: int, place: int, description: ModelDescription) -> str:
    """Why the model cannot use a cell."""
    text, name = columns[place][row], description.column_name(place)
    column = description.columns[place] if description.columns else None
    if column is None and parse_numbers(columns[place][row : row + 1])[1].item():
        return f"{name} is missing"
    problem = f"none of {_list_values(column)}" if column is not None and column.values else "not a number"
    return f"{name} is {text[:40]!r}, which is {problem}"


def _list_values(column: Column) -> str:
    names = column.labels or tuple(f"{value:g}" for value in column.values)
    return ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
