"""A person's own table as a dataset: a CSV file with a header, one column of which is to be told from the others."""

from __future__ import annotations

import csv
import gzip
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError, UnknownName, UsageError
from ..specs.columns import Column
from ..specs.options import Option
from ..specs.specs import Dataset
from .splits import Split, Splits, random_split

log = logging.getLogger("zoo")

OPTIONS = (
    Option(name="target", default="", help="the column to tell; --target is short for it"),
    Option(name="drop", default=("",), help="columns to leave out"),
    Option(name="categories", default=("",), help="columns of numbers that stand for kinds, not quantities"),
    Option(name="test", default=0.2, help="part of the rows held out for testing", above=0, below=1),
    Option(name="split", default=0, help="seed of that part", minimum=0),
)

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
MOST_CATEGORIES = 100
DELIMITERS = ",;\t|"


@dataclass(frozen=True, slots=True)
class _Table:
    path: Path
    header: list[str]
    rows: list[list[str]]
    lines: list[int]


def open_table(path: Path, name: str, task: str, options: dict[str, Any]) -> Dataset:
    """Read the file, and say what dataset it is.

    Args:
        name: for the dataset.
        task: what the architecture learns; the target has to suit it.
        options: all of :data:`OPTIONS`.

    Raises:
        UsageError: a column is named that the file does not have.
        DataError: the file cannot be used; the line is named.
    """
    table = _read(path)
    target = _known_column(table, options["target"], "target")
    dropped = {_known_column(table, column, "drop") for column in options["drop"] if column}
    categories = {_known_column(table, column, "categories") for column in options["categories"] if column}
    table = _with_target(table, target)
    targets, labels = _targets(table, target, task)
    names = [column for column in table.header if column != target and column not in dropped]
    columns, arrays = [], []
    for column in names:
        declared, values = _column(table, column, column in categories)
        if declared is None:
            log.warning("%s: the column %s is empty and left out.", path.name, column)
            continue
        columns.append(declared)
        arrays.append(values)
    if not columns:
        raise DataError(f"{path} has no column to tell {target} from.")
    whole = Split(torch.from_numpy(np.stack(arrays, axis=1)), targets)

    def load(folder: Path, download: bool, **options: Any) -> Splits:
        held_out = max(1, round(len(whole) * options["test"]))
        kept, held = random_split(whole.targets, held_out, options["split"])
        return Splits(whole.take(kept), whole.take(held))

    return Dataset(
        name=name,
        summary=f"{target} of {path.name}",
        task=task,
        loader=load,
        input_shape=(len(columns),),
        num_outputs=len(labels) if task == "classification" else 1,
        labels=labels,
        columns=tuple(columns),
        options=OPTIONS,
        source=str(path),
    )


def _read(path: Path) -> _Table:
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8-sig", newline="")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8-sig", newline="") as handle
        ):
            sample = handle.read(65_536)
            handle.seek(0)
            reader = csv.reader(handle, delimiter=_delimiter(sample))
            header = [cell.strip() for cell in next(reader, [])]
            rows, lines = [], []
            for row in reader:
                if not any(cell.strip() for cell in row):
                    continue
                if len(row) != len(header):
                    raise DataError(f"{path}, line {reader.line_num}: {len(row)} cells under {len(header)} columns.")
                rows.append([cell.strip() for cell in row])
                lines.append(reader.line_num)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"Cannot read {path} as a table: {' '.join(str(error).split())}.") from error
    _check_header(path, header)
    if len(rows) < 2:
        raise DataError(f"{path} has {'one row' if rows else 'no rows'} under its header; at least two are needed.")
    return _Table(path, header, rows, lines)


def _delimiter(sample: str) -> str:
    """The delimiter that the first line has most of."""
    first = sample.partition("\n")[0]
    return max(DELIMITERS, key=first.count)


def _check_header(path: Path, header: Sequence[str]) -> None:
    if not any(header):
        raise DataError(f"{path} is empty.")
    if all(_number(name) is not None for name in header):
        raise DataError(f"{path}: the first line must name the columns; it holds numbers.")
    for place, name in enumerate(header):
        if not name:
            raise DataError(f"{path}: column {place + 1} has no name.")
        if name in header[:place]:
            raise DataError(f"{path}: two columns are called {name!r}.")


def _known_column(table: _Table, name: str, option: str) -> str:
    listed = ", ".join(table.header[:20]) + (" …" if len(table.header) > 20 else "")
    if not name:
        raise UsageError(f"Which column of {table.path.name} is to be told? Give --target COLUMN; it has: {listed}.")
    if name not in table.header:
        raise UnknownName(f"column ({option})", name, table.header, f"{table.path.name} has: {listed}.")
    return name


def _with_target(table: _Table, target: str) -> _Table:
    """The rows whose target is there."""
    place = table.header.index(target)
    kept = [i for i, row in enumerate(table.rows) if row[place].lower() not in MISSING]
    if len(kept) < len(table.rows):
        first = next(line for row, line in zip(table.rows, table.lines, strict=True) if row[place].lower() in MISSING)
        count = len(table.rows) - len(kept)
        log.warning("%s: %d rows have no %s and are left out (line %d first).", table.path.name, count, target, first)
    if len(kept) < 2:
        raise DataError(f"{table.path} has no rows with a {target}.")
    return _Table(table.path, table.header, [table.rows[i] for i in kept], [table.lines[i] for i in kept])


def _targets(table: _Table, target: str, task: str) -> tuple[Tensor, tuple[str, ...]]:
    """The targets as the task takes them, and labels."""
    place = table.header.index(target)
    cells = [row[place] for row in table.rows]
    numbers = [_number(cell) for cell in cells]
    if task == "regression":
        for cell, number, line in zip(cells, numbers, table.lines, strict=True):
            if number is None:
                raise DataError(f"{table.path}, line {line}: {target} is {cell!r}, which is no number to regress on.")
        return torch.tensor(numbers, dtype=torch.float32)[:, None], (target,)
    values = sorted(set(cells), key=lambda cell: (_number(cell) is None, _number(cell) or 0.0, cell))
    if task == "binary" and len(values) != 2:
        raise DataError(
            f"{table.path}: {target} has {len(values)} different values, and yes or no takes two. "
            "`zoo list --task classification` and `--task regression` show what learns others."
        )
    if len(values) < 2 or len(values) > MOST_CATEGORIES:
        raise DataError(
            f"{table.path}: {target} has {len(values)} different values, which are no classes. "
            "`zoo list --task regression` shows what learns a number."
        )
    place_of = {value: index for index, value in enumerate(values)}
    return torch.tensor([place_of[cell] for cell in cells], dtype=torch.int64), tuple(values)


def _column(table: _Table, name: str, categorical: bool) -> tuple[Column | None, np.ndarray[Any, np.dtype[np.float32]]]:
    """A column's declaration and values; None where nothing is in it."""
    place = table.header.index(name)
    cells = [row[place] for row in table.rows]
    present = [cell.lower() not in MISSING for cell in cells]
    numbers = [_number(cell) if there else math.nan for cell, there in zip(cells, present, strict=True)]
    if not any(present):
        return None, np.empty(0, np.float32)
    _refuse_slips(table, name, cells, present)
    kinds = sorted({cell for cell, there in zip(cells, present, strict=True) if there})
    if None not in numbers:
        values = np.array(numbers, dtype=np.float32)
        if not categorical:
            return Column(name=name), values
        distinct = tuple(sorted({float(value) for value in values if not math.isnan(value)}))
        _refuse_many(table, name, len(distinct))
        return Column(name=name, kind="category", values=distinct), values
    _refuse_many(table, name, len(kinds))
    codes = {kind: float(code) for code, kind in enumerate(kinds)}
    coded = np.array([codes.get(cell, math.nan) for cell in cells], dtype=np.float32)
    return Column(name=name, kind="category", values=tuple(codes.values()), labels=tuple(kinds)), coded


def _refuse_slips(table: _Table, name: str, cells: Sequence[str], present: Sequence[bool]) -> None:
    """A column of numbers with a few words in it is a mistake, not a category."""
    odd = [i for i, cell in enumerate(cells) if present[i] and _number(cell) is None]
    if odd and len(odd) * 20 <= sum(present):
        raise DataError(
            f"{table.path}, line {table.lines[odd[0]]}: {name} is {cells[odd[0]]!r}, where other rows have numbers."
        )


def _refuse_many(table: _Table, name: str, count: int) -> None:
    if count > MOST_CATEGORIES:
        raise DataError(
            f"{table.path}: {name} has {count} different values, too many for a category. "
            f"Leave it out with --data-option drop={name}."
        )


def _number(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in cell else None
