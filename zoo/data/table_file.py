"""A CSV file as a dataset: a header, a target column, and the columns that it is predicted from."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import DataError, UnknownName, UsageError
from ..formatting import brief, printable, shortened
from ..specs.columns import Column
from ..specs.dataset import Dataset
from ..specs.options import Option
from .splits import Split, Splits, random_split
from .table_reader import parse_numbers, read_blocks, why_no_number

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger("zoo")

OPTIONS = (
    Option(name="target", default="", help="the target column; --target is short for it"),
    Option(name="drop", default=("",), help="columns to leave out"),
    Option(name="categories", default=("",), help="columns of numbers to use as categories, not as quantities"),
    Option(name="test", default=0.2, help="fraction of the rows in the test split", above=0, below=1),
    Option(name="split", default=0, help="seed of the random test split", minimum=0),
)

MOST_CATEGORIES = 100
NO_CATEGORY = 255


def open_table(path: Path, name: str, task: str, options: dict[str, Any]) -> Dataset:
    """Read a CSV file and declare it as a dataset.

    Memory use is that of the float32 values and of one block of rows.

    Args:
        name: for the dataset.
        task: of the architecture; the target column must suit it.
        options: all of :data:`OPTIONS`.

    Raises:
        UsageError: an option names a column that the file does not have.
        DataError: the file cannot be used; the message names the line.
    """
    table = _Table(path, options["target"], options["drop"])
    categories = {_known_column(path, table.header, column, "categories") for column in options["categories"] if column}
    table.read()
    targets, labels = _targets(path, table.target, task)
    columns = _declare(table, categories)
    inputs = np.empty((len(targets), len(columns)), dtype=np.float32)
    for place, (column, cells) in enumerate(columns):
        inputs[:, place] = cells.take_values(column)
    whole = Split(torch.from_numpy(inputs), targets)

    def load(folder: Path, download: bool, **options: Any) -> Splits:
        held_out = max(1, round(len(whole) * options["test"]))
        kept, held = random_split(whole.targets, held_out, options["split"])
        return Splits(whole.take(kept), whole.take(held))

    return Dataset(
        name=name,
        summary=printable(f"{table.target.name} of {path.name}")[:1_000],
        task=task,
        loader=load,
        input_shape=(len(columns),),
        num_outputs=len(labels) if task == "classification" else 1,
        labels=labels,
        columns=tuple(column for column, _ in columns),
        options=OPTIONS,
        source=str(path),
    )


class _Cells:
    """The cells of one column: as numbers, and as categories as long as there are few.

    Args:
        name: of the column.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.present = 0
        self.words = 0
        """How many cells hold neither a number nor a missing value."""
        self.first_word: tuple[int, str] | None = None
        """Line and cell."""
        self.kinds: dict[str, int] = {}
        """A code for each different cell; no more are added after :data:`MOST_CATEGORIES`."""
        self._numbers: list[NDArray[np.float32]] = []
        self._codes: list[NDArray[np.uint8]] = []

    @property
    def few(self) -> bool:
        """Whether the cells are few enough kinds for a category."""
        return len(self.kinds) <= MOST_CATEGORIES

    def add(self, cells: pl.Series, lines: pl.Series) -> None:
        """Add the cells of a block of rows, and the lines that they are on."""
        import polars as pl

        numbers, missing = parse_numbers(cells)
        self._numbers.append(numbers.cast(pl.Float32).fill_null(math.nan).to_numpy())
        self.present += len(cells) - int(missing.sum())
        word = numbers.is_null() & ~missing
        self.words += int(word.sum())
        if self.first_word is None and word.any():
            place = word.arg_max() or 0
            self.first_word = lines[place], cells[place]
        if not self.few:
            return
        for kind in cells.filter(~missing).unique().to_list():
            self.kinds.setdefault(kind, len(self.kinds))
        if self.few:
            codes = cells.replace_strict(self.kinds, default=NO_CATEGORY, return_dtype=pl.UInt8)
            self._codes.append(codes.to_numpy())
        else:
            self._codes.clear()

    def numbers(self) -> NDArray[np.float32]:
        """All cells, NaN for those that are not numbers."""
        return np.concatenate(self._numbers)

    def codes(self, kinds: Sequence[str]) -> NDArray[np.int64]:
        """The place of each cell in ``kinds``; -1 for a missing one."""
        place_of = np.full(NO_CATEGORY + 1, -1)
        place_of[[self.kinds[kind] for kind in kinds]] = np.arange(len(kinds))
        return place_of[np.concatenate(self._codes)]

    def take_values(self, column: Column) -> NDArray[np.float32]:
        """The values of the declared ``column``; frees what was read."""
        if column.labels:
            codes = self.codes(column.labels)
            values = np.where(codes < 0, np.float32(math.nan), codes.astype(np.float32))
        else:
            values = self.numbers()
        self._numbers.clear()
        self._codes.clear()
        return values


class _Table:
    """The columns of a CSV file: the target and those that are not dropped.

    Raises:
        UsageError, DataError: as for :func:`open_table`.
    """

    def __init__(self, path: Path, target: str, drop: Sequence[str]) -> None:
        self.path = path
        self._blocks = _read(path)
        first = next(self._blocks, None)
        self.header: list[str] = [] if first is None else list(first.row(0)[2:])
        _check_header(path, self.header)
        self._blocks = itertools.chain([] if first is None else [first[1:]], self._blocks)
        self.target = _Cells(_known_column(path, self.header, target, "target"))
        left_out = {target, *(_known_column(path, self.header, column, "drop") for column in drop if column)}
        self.columns = [_Cells(name) for name in self.header if name not in left_out]

    def read(self) -> None:
        """Read all rows; leave out those without a target."""
        place_of = {name: str(place) for place, name in enumerate(self.header)}
        rows = unlabelled = first_unlabelled = 0
        for block in self._blocks:
            for line, count in block.filter(block["count"] != len(self.header)).select("line", "count").rows():
                raise DataError(f"{self.path}, line {line}: {count} cells under {len(self.header)} columns.")
            rows += len(block)
            missing = parse_numbers(block[place_of[self.target.name]])[1]
            if missing.any():
                unlabelled += int(missing.sum())
                first_unlabelled = first_unlabelled or block["line"][missing.arg_max() or 0]
                block = block.filter(~missing)
            for cells in (self.target, *self.columns):
                cells.add(block[place_of[cells.name]], block["line"])
        if rows < 2:
            count = "one row" if rows else "no rows"
            raise DataError(f"{self.path} has {count} under its header; at least two are needed.")
        if unlabelled:
            text = "%s: %d rows have no %s and are left out (line %d first)."
            log.warning(text, self.path.name, unlabelled, self.target.name, first_unlabelled)
        if rows - unlabelled < 2:
            raise DataError(f"{self.path} has no rows with a {self.target.name}.")


def _read(path: Path) -> Iterator[pl.DataFrame]:
    try:
        yield from read_blocks(path)
    except DataError as error:
        raise DataError(f"Cannot read {path} as a table: {error}.") from error


def _check_header(path: Path, header: Sequence[str]) -> None:
    if not any(header):
        raise DataError(f"{path} is empty.")
    import polars as pl

    if parse_numbers(pl.Series(header, dtype=pl.String))[0].null_count() == 0:
        raise DataError(f"{path}: the first line must name the columns; it holds numbers.")
    known = set()
    for place, name in enumerate(header):
        if not name:
            raise DataError(f"{path}: column {place + 1} has no name.")
        if name in known:
            raise DataError(f"{path}: two columns are called {brief(name)}.")
        known.add(name)


def _known_column(path: Path, header: Sequence[str], name: str, option: str) -> str:
    listed = shortened(", ".join(header[:20]) + (" …" if len(header) > 20 else ""), 500)
    if not name:
        raise UsageError(f"Which column of {path.name} is the target? Give --target COLUMN; it has: {listed}.")
    if name not in header:
        raise UnknownName(f"column ({option})", name, header, f"{path.name} has: {listed}.")
    return name


def _targets(path: Path, cells: _Cells, task: str) -> tuple[Tensor, tuple[str, ...]]:
    """The targets as the task needs them, and labels."""
    if task == "regression":
        if cells.first_word:
            line, cell = cells.first_word
            raise DataError(
                f"{path}, line {line}: {cells.name} is {brief(cell)}, which is not a number{why_no_number(cell)}."
            )
        return torch.from_numpy(cells.numbers())[:, None], (cells.name,)
    different = str(len(cells.kinds)) if cells.few else f"more than {MOST_CATEGORIES}"
    if task == "binary" and len(cells.kinds) != 2:
        raise DataError(
            f"{path}: {cells.name} has {different} different values, but a binary target has two. "
            "`zoo list --task classification` and `--task regression` show architectures for other targets."
        )
    if len(cells.kinds) < 2 or not cells.few:
        raise DataError(
            f"{path}: {cells.name} has {different} different values, which are no classes. "
            "`zoo list --task regression` shows architectures that predict a number."
        )
    values = _sort_labels(cells.kinds)
    return torch.from_numpy(cells.codes(values)), values


def _sort_labels(kinds: dict[str, int]) -> tuple[str, ...]:
    """Numbers by value, then words."""
    import polars as pl

    names = sorted(kinds)
    numbers = parse_numbers(pl.Series(names, dtype=pl.String))[0].to_list()
    keys = sorted((number is None, number or 0.0, name) for number, name in zip(numbers, names, strict=True))
    return tuple(name for *_, name in keys)


def _declare(table: _Table, categories: set[str]) -> list[tuple[Column, _Cells]]:
    """The declaration of every column that is not empty."""
    columns = []
    for cells in table.columns:
        if cells.present:
            columns.append((_declare_column(table.path, cells, cells.name in categories), cells))
        else:
            log.warning("%s: the column %s is empty and left out.", table.path.name, cells.name)
    if not columns:
        raise DataError(f"{table.path} has no column to predict {table.target.name} from.")
    return columns


def _declare_column(path: Path, cells: _Cells, categorical: bool) -> Column:
    if cells.first_word and cells.words * 20 <= cells.present:  # a few words among numbers are a mistake, no category
        line, cell = cells.first_word
        raise DataError(
            f"{path}, line {line}: {cells.name} is {brief(cell)}, but other rows have numbers{why_no_number(cell)}."
        )
    if cells.first_word:
        _refuse_many(path, cells.name, len(cells.kinds))
        kinds = tuple(sorted(cells.kinds))
        return Column(name=cells.name, kind="category", values=tuple(map(float, range(len(kinds)))), labels=kinds)
    if not categorical:
        return Column(name=cells.name)
    values = np.unique(cells.numbers())
    values = values[~np.isnan(values)]
    _refuse_many(path, cells.name, len(values))
    return Column(name=cells.name, kind="category", values=tuple(values.tolist()))


def _refuse_many(path: Path, name: str, count: int) -> None:
    if count > MOST_CATEGORIES:
        raise DataError(
            f"{path}: {name} has more than {MOST_CATEGORIES} different values, too many for a category. "
            f"Leave it out with --data-option drop={name}."
        )
