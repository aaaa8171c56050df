"""Rows of a table as samples for a model: columns matched by name, every cell checked. Imports no torch."""

from __future__ import annotations

import csv
import itertools
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..data.cells import is_missing, parse_numbers, to_values
from ..data.table_reader import NotText, read_blocks
from ..errors import DataError, closest
from ..formatting import shortened
from ..inputs.user_files import NOTHING
from ..models.description import ModelDescription

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger("zoo")

LONGEST_ROW = 100_000
"""Characters of a row on the command line; below the limit of a cell."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table as a sample.

    Args:
        values: the sample, float32 ``[F]``; None if the model cannot use the row.
        unseen: the cells of categories that the training data lack, by column; they count as none of the categories.
        error: why the model cannot use the row.
    """

    values: NDArray[np.float32] | None
    unseen: dict[str, str] = field(default_factory=dict)
    error: str = ""


def read_rows(source: Path | BinaryIO, description: ModelDescription, encoding: str = "") -> Iterator[tuple[int, Row]]:
    """The rows of a CSV file (``.gz`` too) or a stream, one after another, at constant memory.

    The first row names the columns, in any order; columns that the model does not use are ignored. A file whose rows
    hold exactly the model's columns needs no such header.

    Args:
        encoding: of the text; default: UTF-8, or UTF-16 after its byte order mark.

    Returns:
        For each row its line, and the sample or an error message.

    Raises:
        UsageError: there is no such encoding.
        DataError: the file cannot be read, or lacks columns.
    """
    blocks = read_blocks(source, encoding)
    try:
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
            if len(block):
                yield from _check_rows(block, places or range(len(header)), len(header), description)
    except NotText as error:
        raise DataError(f"{error}; give its encoding, such as --encoding latin-1 (or cp1252, utf-16)") from error
    if not rows:
        raise DataError(f"no rows under the header: {NOTHING}")


def parse_row(text: str, description: ModelDescription) -> Row:
    """A row from the command line (``5.1,3.5,1.4,0.2`` or ``temp=0.5,hum=0.8``): a sample or an error message.

    In the second form, columns that are not named are missing values.
    """
    import polars as pl

    if len(text) > LONGEST_ROW:
        return Row(None, error=f"a row of more than {LONGEST_ROW:,} characters; put it into a file")
    cells = next(csv.reader([text]), [])
    names = file_columns(description)
    if not all("=" in cell for cell in cells):
        if len(cells) != len(names):
            problem = f"{len(cells)} numbers, but {description.name} takes {len(names)}: {', '.join(names)}"
            return Row(None, error=problem)
    else:
        given = dict(cell.split("=", 1) for cell in cells)
        for name in given:
            if name not in names:
                guess = closest(name, names)
                advice = f", did you mean {guess!r}?" if guess else f": {', '.join(names)}"
                return Row(None, error=f"there is no column {name!r}{advice}")
        cells = [given.get(name, "") for name in names]
    columns = [pl.Series([cell.strip()], dtype=pl.String) for cell in cells]
    return next(_to_rows(columns, description))


def is_row(text: str) -> bool:
    """Whether a text on the command line is meant as a row, and not as the name of a file."""
    try:
        return "," in text or "=" in text or float(text) is not None
    except ValueError:
        return False


def file_columns(description: ModelDescription) -> list[str]:
    """The columns of a data file that the model needs, in order. A date is one, although the model gets several."""
    names = [column.file_column for column in description.columns]
    return list(dict.fromkeys(names or map(description.column_name, range(description.input_shape[0]))))


def _match_columns(header: Sequence[str], description: ModelDescription) -> list[int] | None:
    """The place of each of the model's columns in the file; None if the first row is data, not a header.

    Raises:
        DataError: a column is missing.
    """
    import polars as pl

    names = file_columns(description)
    count = len(names)
    numbers, missing = parse_numbers(pl.Series(header))
    is_data = bool((numbers.is_not_null() | missing).all())
    if not description.columns:
        if len(header) != count:
            raise DataError(f"{len(header)} columns, but {description.name} takes {count}")
        return None if is_data else list(range(count))
    if len(header) == count and (is_data or _is_sample(header, names, description)):
        return None
    places = _find_columns(header, names, description)
    lacking = [name for name in names if name not in places]
    if lacking:
        listed = ", ".join(lacking[:5]) + (" …" if len(lacking) > 5 else "")
        given = shortened(", ".join(header[:12]), 300)
        raise DataError(f"lacks the column{'s' if len(lacking) > 1 else ''} {listed}; it has {given}")
    return [places[name] for name in names]


def _is_sample(header: Sequence[str], names: Sequence[str], description: ModelDescription) -> bool:
    """Whether the first row holds no name of a column, but cells that the model knows."""
    import polars as pl

    if {cell.casefold() for cell in header} & {name.casefold() for name in names}:
        return False
    row = next(_to_rows([pl.Series([cell], dtype=pl.String) for cell in header], description))
    return not row.error and not row.unseen


def _find_columns(header: Sequence[str], names: Sequence[str], description: ModelDescription) -> dict[str, int]:
    """The place of each of ``names`` in the header: the exact name, else the one name that differs only in case.

    The target of a regression is not one of them. A note says which names differ.

    Raises:
        DataError: two columns could be meant.
    """
    exact: dict[str, list[int]] = {}
    folded: dict[str, list[int]] = {}
    others = set(description.labels) - set(names) if description.predicts == "numbers" else set()
    for place, cell in enumerate(header):
        exact.setdefault(cell, []).append(place)
        if cell not in others:
            folded.setdefault(cell.casefold(), []).append(place)
    alike = Counter(name.casefold() for name in names)
    places = {}
    for name in names:
        found = exact.get(name) or (folded.get(name.casefold(), []) if alike[name.casefold()] == 1 else [])
        if len(found) > 1:
            raise DataError(f"has {len(found)} columns that could be {name}: {', '.join(header[k] for k in found[:5])}")
        if found:
            places[name] = found[0]
            if header[found[0]] != name:
                log.warning("The column %s is taken for %s.", shortened(header[found[0]], 100), shortened(name, 100))
    return places


def _check_rows(
    block: pl.DataFrame, places: Sequence[int], width: int, description: ModelDescription
) -> Iterator[tuple[int, Row]]:
    rows = _to_rows([block[str(place)] for place in places], description)
    for (line, count), row in zip(block.select("line", "count").iter_rows(), rows, strict=True):
        if count != width:
            yield line, Row(None, error=f"{count} cells, but the first line has {width}")
        else:
            yield line, row


def _to_rows(cells: Sequence[pl.Series], description: ModelDescription) -> Iterator[Row]:
    """Rows from the cells of each of :func:`file_columns`."""
    columns, names = description.columns, file_columns(description)
    if columns:
        cells = [cells[names.index(column.file_column)] for column in columns]
    found = to_values(cells, columns)
    wrong, unseen = (set(np.flatnonzero(mask.any(axis=1)).tolist()) for mask in (found.wrong, found.unseen))
    for row, values in enumerate(found.array):
        if row in wrong:
            yield Row(None, error=_message(cells, row, int(found.wrong[row].argmax()), description))
        elif row in unseen:
            places = np.flatnonzero(found.unseen[row]).tolist()
            yield Row(values, {columns[place].file_column: cells[place][row] for place in places})
        else:
            yield Row(values)


def _message(columns: Sequence[pl.Series], row: int, place: int, description: ModelDescription) -> str:
    """Why the model cannot use a cell."""
    text, column = columns[place][row] or "", description.columns[place] if description.columns else None
    if column is None:
        name = description.column_name(place)
        if is_missing(columns[place][row : row + 1]).item():
            return f"{name} is missing"
        return f"{name} is {text[:40]!r}, which is not a number"
    if column.source:
        kind = f"not a date such as {column.reading.partition(' of ')[2]}"
    elif column.reading:
        kind = f"not a number as in the training data ({column.reading})"
    else:
        kind = "not a number"
    return f"{column.file_column} is {text[:40]!r}, which is {kind}"
