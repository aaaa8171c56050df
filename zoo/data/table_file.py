"""A CSV file as a dataset: a header, a target column, and the columns that it is predicted from."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import DataError, UnknownName, UsageError
from ..formatting import brief, counted, printable, shortened
from ..specs.columns import Column, ColumnSummary
from ..specs.dataset import Dataset
from ..specs.task import Task
from .cells import Notation, category_values, find_categories, is_missing, parse_numbers, to_values, why_no_number
from .splits import Split, Splits, hold_out_validation, random_split
from .table_columns import OPTIONS, Declared, declare_all, find_labels
from .table_findings import (
    FEWEST_ROWS,
    check_target,
    find_constants,
    find_unused,
    keep_seen,
    summarise,
    tell_unused,
)
from .table_reader import NotText, check_encoding, check_header, read_blocks
from .table_statistics import ColumnCells, Reading

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger("zoo")


@dataclass(frozen=True, slots=True)
class OpenedTable:
    """A CSV file that was read.

    Args:
        spec: the dataset.
        summary: a line for each column; empty for a table that was read as another one.
        unused: why columns are left out although the user did not say so, by name: a key of ``REASONS``.
        target_reading: how the numbers of the target are written; see :attr:`zoo.Column.reading`.
    """

    spec: Dataset
    summary: tuple[ColumnSummary, ...] = ()
    unused: Mapping[str, str] = field(default_factory=dict)
    target_reading: str = ""


def open_table(
    path: Path, name: str, task: Task, options: Mapping[str, Any], declared: Declared | None = None
) -> OpenedTable:
    """Read a CSV file and declare it as a dataset.

    The file is read twice: to find out what its columns hold, and to take their values. Memory use is that of the
    float32 values, of 8 bytes for each cell that could be an identifier, and of one block of rows.

    Args:
        name: for the dataset.
        task: of the architecture, which predicts a class or numbers; the target column must suit it.
        options: all of :data:`OPTIONS`.
        declared: how to read the file, if a model was trained already.

    Raises:
        UsageError: an option names a column that the file does not have, or an unknown encoding.
        DataError: the file cannot be used; the message names the line.
    """
    table = _Table(path, task, options)
    if not (declared and declared.columns):
        return _open_new(table, name, options)
    for column in declared.columns:
        table.known_column(column.file_column, "a column of the model")
    notation = _target_notation(table, declared)
    inputs, targets = table.read(declared.columns, declared.labels, notation)
    return OpenedTable(_declare_dataset(table, name, declared.columns, declared.labels, inputs, targets))


def _target_notation(table: _Table, declared: Declared) -> Notation:
    """How the numbers of the target are written."""
    if declared.target_reading is not None or table.task.predicts != "numbers":
        return Notation.parse(declared.target_reading or "")
    table.columns = []
    return find_labels(table.count()[0], table.task, table.reading)[1]


def _open_new(table: _Table, name: str, options: Mapping[str, Any]) -> OpenedTable:
    """Find out what the columns of ``table`` are, then read them."""
    file, task = str(table.path), table.task
    target, cells = table.count()
    labels, notation = find_labels(target, task, table.reading)
    columns, unused = declare_all(cells, table.categories, table.reading)
    inputs, targets = table.read(columns, labels, notation)
    plain = targets.flatten().numpy()
    if task.predicts == "numbers":
        check_target(file, target.name, plain)
    unused |= find_unused(inputs, plain, columns, {own.name: own for own in cells}, table.keep)
    columns, inputs = _leave_out(columns, inputs, [k for k, c in enumerate(columns) if c.file_column in unused])
    training = _training_rows(targets, options)
    columns = keep_seen(inputs, training, columns)
    no_columns = DataError(f"{file} has no column to predict {target.name} from.")
    if not columns:
        tell_unused(table.path.name, unused)
        raise no_columns
    known = inputs[training] if training.sum() >= FEWEST_ROWS else inputs
    constant = [k for k in find_constants(known, columns) if columns[k].file_column not in table.keep]
    unused |= dict.fromkeys((columns[k].file_column for k in constant), "constant")
    columns, inputs = _leave_out(columns, inputs, constant)
    for column in columns:  # of a date, other parts may vary
        unused.pop(column.file_column, None)
    tell_unused(table.path.name, unused)
    if not columns:
        raise no_columns
    summary = summarise(target, task, cells, columns, inputs, unused)
    return OpenedTable(_declare_dataset(table, name, columns, labels, inputs, targets), summary, unused, str(notation))


def _leave_out(
    columns: Sequence[Column], inputs: NDArray[np.float32], places: Sequence[int]
) -> tuple[list[Column], NDArray[np.float32]]:
    if not places:
        return list(columns), inputs
    kept = [place for place in range(len(columns)) if place not in places]
    return [columns[place] for place in kept], np.ascontiguousarray(inputs[:, kept])


def _declare_dataset(
    table: _Table,
    name: str,
    columns: Sequence[Column],
    labels: tuple[str, ...],
    inputs: NDArray[np.float32],
    targets: Tensor,
) -> Dataset:
    whole = Split(torch.from_numpy(inputs), targets)

    def load(folder: Path, download: bool, **options: Any) -> Splits:
        return _divide(whole, options)

    return Dataset(
        name=name,
        summary=printable(f"{table.target} of {table.path.name}")[:1_000],
        task=table.task.name,
        loader=load,
        input_shape=(len(columns),),
        num_outputs=table.task.num_outputs or len(labels),
        labels=labels,
        columns=tuple(columns),
        options=OPTIONS,
        source=str(table.path),
    )


def _divide(whole: Split, options: Mapping[str, Any]) -> Splits:
    held_out = max(1, round(len(whole) * options["test"]))
    kept, held = random_split(whole.targets, held_out, options["split"])
    return Splits(whole.take(kept), whole.take(held))


def _training_rows(targets: Tensor, options: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Which rows are used for training: neither for the test nor for validation."""
    rows = Split(torch.arange(len(targets)), targets)
    found = np.zeros(len(targets), np.bool_)
    found[hold_out_validation(_divide(rows, options)).train.inputs.numpy()] = True
    return found


class _Table:
    """A CSV file with the options of the user.

    Raises:
        UsageError, DataError: as for :func:`open_table`.
    """

    def __init__(self, path: Path, task: Task, options: Mapping[str, Any]) -> None:
        self.path, self.task = path, task
        self.reading = Reading.of(str(path), options)
        self._encoding = "" if options["encoding"] == "auto" else options["encoding"]
        check_encoding(self._encoding)
        first = next(self._blocks(), None)
        self.header: list[str] = [] if first is None else list(first.row(0)[2:])
        check_header(path, self.header)
        self.target = self.known_column(options["target"], "target")
        named = {
            option: {self.known_column(name, option) for name in options[option] if name}
            for option in ("drop", "keep", "categories")
        }
        self.keep, self.categories = named["keep"], named["categories"]
        self.columns = [name for name in self.header if name != self.target and name not in named["drop"]]

    def known_column(self, name: str, option: str) -> str:
        """``name``, if the file has such a column."""
        header = self.header
        listed = shortened(", ".join(header[:20]) + (" …" if len(header) > 20 else ""), 500)
        if not name:
            raise UsageError(f"Which column of {self.path.name} is the target? Give --target COLUMN; it has: {listed}.")
        if name not in header:
            raise UnknownName(f"column ({option})", name, header, f"{self.path.name} has: {listed}.")
        return name

    def count(self) -> tuple[ColumnCells, list[ColumnCells]]:
        """The target and the other columns, counted. Rows without a target are left out, with a warning."""
        target, cells = ColumnCells(self.target), [ColumnCells(name) for name in self.columns]
        for block in self._labelled_rows(warn=True):
            for own in (target, *cells):
                own.add(block[self._place(own.name)], block["line"])
        return target, cells

    def read(
        self, columns: Sequence[Column], labels: Sequence[str], notation: Notation
    ) -> tuple[NDArray[np.float32], Tensor]:
        """The values of ``columns``, ``[N, F]``, and the targets."""
        inputs, targets = [], []
        unseen: dict[str, int] = {}
        for block in self._labelled_rows(warn=False):
            cells = [block[self._place(column.file_column)] for column in columns]
            found = to_values(cells, columns)
            for row, place in np.argwhere(found.wrong)[:1]:
                kind = "not a date" if columns[place].source else "not a number"
                raise DataError(self._at(block, row, columns[place].file_column, f"which is {kind}"))
            for column, count in zip(columns, found.unseen.sum(axis=0), strict=True):
                unseen[column.file_column] = unseen.get(column.file_column, 0) + int(count)
            inputs.append(found.array)
            targets.append(self._targets(block, labels, notation))
        for name, count in unseen.items():
            if count:
                text = "%s: %s of %s have values that the training data lack; they count as none of its categories."
                log.warning(text, self.path.name, counted(count, "row"), shortened(name, 100))
        values = np.concatenate(targets)
        made = torch.from_numpy(values)
        return np.concatenate(inputs), made[:, None] if self.task.predicts == "numbers" else made

    def _targets(self, block: pl.DataFrame, labels: Sequence[str], notation: Notation) -> NDArray[Any]:
        import polars as pl

        cells = block[self._place(self.target)]
        if self.task.predicts == "numbers":
            values, what = parse_numbers(cells, notation)[0].cast(pl.Float32), "which is not a number"
        else:
            places = tuple(map(float, range(len(labels))))
            reading = "boolean" if len({label.casefold() for label in labels}) == len(labels) == 2 else ""
            known = category_values(
                Column(name="x", kind="category", values=places, labels=tuple(labels), reading=reading)
            )
            values, what = find_categories(cells, known, bool(reading)), f"which is none of {', '.join(labels[:8])}"
        if values.null_count():
            row = values.is_null().arg_max() or 0
            raise DataError(self._at(block, row, self.target, what + why_no_number(cells[row])))
        return values.to_numpy() if self.task.predicts == "numbers" else values.cast(pl.Int64).to_numpy()

    def _at(self, block: pl.DataFrame, row: int, name: str, what: str) -> str:
        line, cell = block["line"][int(row)], block[self._place(name)][int(row)]
        return f"{self.path}, line {line}: {name} is {brief(cell)}, {what}."

    def _place(self, name: str) -> str:
        return str(self.header.index(name))

    def _labelled_rows(self, warn: bool) -> Iterator[pl.DataFrame]:
        """The rows under the header that have a target."""
        rows = unlabelled = first = 0
        for number, block in enumerate(self._blocks()):
            block = block if number else block[1:]
            for line, count in block.filter(block["count"] != len(self.header)).select("line", "count").rows():
                raise DataError(f"{self.path}, line {line}: {count} cells under {len(self.header)} columns.")
            rows += len(block)
            missing = is_missing(block[self._place(self.target)])
            if missing.any():
                unlabelled += int(missing.sum())
                first = first or block["line"][missing.arg_max() or 0]
                block = block.filter(~missing)
            if len(block):
                yield block
        if rows < 2:
            count = "one row" if rows else "no rows"
            raise DataError(f"{self.path} has {count} under its header; at least two are needed.")
        if unlabelled and warn:
            text = "%s: %d rows have no %s and are left out (line %d first)."
            log.warning(text, self.path.name, unlabelled, self.target, first)
        if rows - unlabelled < 2:
            raise DataError(f"{self.path} has no rows with a {self.target}.")

    def _blocks(self) -> Iterator[pl.DataFrame]:
        try:
            yield from read_blocks(self.path, self._encoding)
        except NotText as error:
            remedy = "Give its encoding, such as --data-option encoding=latin-1 (or cp1252, utf-16)"
            raise DataError(f"Cannot read {self.path} as a table: {error}. {remedy}.") from error
        except DataError as error:
            raise DataError(f"Cannot read {self.path} as a table: {error}.") from error
