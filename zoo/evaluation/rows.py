"""Rows of a person's table as a model takes them: by the names of the columns, one at a time. Imports no torch."""

from __future__ import annotations

import csv
import gzip
import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, closest
from ..models.description import ModelDescription
from ..specs.columns import Column

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
DELIMITERS = ",;\t|"
Row = NDArray[np.float32]


def read_rows(
    path: Path | None, stream: io.TextIOBase | None, description: ModelDescription
) -> Iterator[tuple[int, Row | str]]:
    """The rows of a CSV file (``.gz`` too) or a stream: their line, and the sample ``[F]`` or what is wrong with it.

    The first line names the columns, in any order, others beside them; it may be missing where each row holds exactly
    the model's columns.

    Raises:
        DataError: the file cannot be read, or lacks columns.
    """
    try:
        with _opened(path, stream) as handle:
            first = next((line for line in handle if line.strip()), "")
            delimiter = max(DELIMITERS, key=first.count)
            header = [cell.strip() for cell in next(csv.reader([first], delimiter=delimiter), [])]
            if not header:
                raise DataError("no rows")
            places = _places(header, description)
            if places is None:
                places = list(range(len(header)))
                yield 1, _row([header[place] for place in places], description)
            reader = csv.reader(handle, delimiter=delimiter)
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(header):
                    yield reader.line_num + 1, f"{len(cells)} cells where the first line has {len(header)}"
                else:
                    yield reader.line_num + 1, _row([cells[place] for place in places], description)
    except UnicodeDecodeError as error:
        raise DataError("not text in UTF-8") from error
    except (OSError, EOFError, csv.Error) as error:
        raise DataError(" ".join(str(getattr(error, "strerror", None) or error).split())) from error


def parse_row(text: str, description: ModelDescription) -> Row | str:
    """A row written on the command line, ``5.1,3.5,1.4,0.2`` or ``temp=0.5,hum=0.8``, or what is wrong with it.

    By names, columns that are left out are missing.
    """
    cells = next(csv.reader([text]), [])
    count = description.input_shape[0]
    if not all("=" in cell for cell in cells):
        if len(cells) != count:
            return f"{len(cells)} numbers where {description.name} takes {count}: {_listed(description)}"
        return _row(cells, description)
    given = dict(cell.split("=", 1) for cell in cells)
    names = [description.column_name(place) for place in range(count)]
    for name in given:
        if name not in names:
            guess = closest(name, names)
            return f"there is no column {name!r}" + (
                f", did you mean {guess!r}?" if guess else f": {_listed(description)}"
            )
    return _row([given.get(name, "") for name in names], description)


def _opened(path: Path | None, stream: io.TextIOBase | None) -> io.TextIOBase:
    if path is None:
        assert stream is not None
        return stream
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _places(header: Sequence[str], description: ModelDescription) -> list[int] | None:
    """Where each of the model's columns stands; None where the first line is a row already.

    Raises:
        DataError: a column is missing.
    """
    count = description.input_shape[0]
    numbers = all(_number(cell) is not None or cell.lower() in MISSING for cell in header)
    if not description.columns:
        if len(header) != count:
            raise DataError(f"{len(header)} columns where {description.name} takes {count}")
        return None if numbers else list(range(count))
    if numbers and len(header) == count:
        return None
    known = {cell.casefold(): place for place, cell in reversed(list(enumerate(header)))}
    missing = [column.name for column in description.columns if column.name.casefold() not in known]
    if missing:
        listed = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
        raise DataError(f"lacks the column{'s' if len(missing) > 1 else ''} {listed}; it has {', '.join(header[:12])}")
    return [known[column.name.casefold()] for column in description.columns]


def _row(cells: Sequence[str], description: ModelDescription) -> Row | str:
    """A sample, or what is wrong with the first cell that is no value of its column."""
    values = []
    for place, cell in enumerate(cells):
        text = cell.strip()
        column = description.columns[place] if description.columns else None
        if text.lower() in MISSING:
            if column is None:
                return f"{description.column_name(place)} is missing"
            values.append(math.nan)
            continue
        value = _number(text) if column is None or not column.values else _category(text, column)
        if value is None:
            allowed = f"none of {_choices(column)}" if column is not None and column.values else "no number"
            return f"{description.column_name(place)} is {text[:40]!r}, which is {allowed}"
        values.append(value)
    return np.array(values, dtype=np.float32)


def _category(text: str, column: Column) -> float | None:
    if text in column.labels:
        return column.values[column.labels.index(text)]
    number = _number(text)
    return number if number in column.values else None


def _choices(column: Column) -> str:
    names = column.labels or tuple(f"{value:g}" for value in column.values)
    return ", ".join(names[:8]) + (" …" if len(names) > 8 else "")


def _listed(description: ModelDescription) -> str:
    return ", ".join(description.column_name(place) for place in range(description.input_shape[0]))


def _number(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in cell and abs(number) < 3e38 else None
