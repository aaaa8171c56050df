"""The cells of one column of a CSV file, counted by how they can be read: number, date, category or text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .cells import (
    BOOLEANS,
    DATE_FORMS,
    LARGEST_NUMBER,
    PLAIN,
    THOUSANDS,
    Notation,
    category_key,
    is_missing,
    parse_dates,
    parse_numbers,
)

if TYPE_CHECKING:
    import polars as pl

MOST_CATEGORIES = 100
_ENOUGH = 1_000
"""After so many cells, readings that fit less than half of them are given up."""
_ODD = r"(?i)^[+-]?(?:inf(?:inity)?|\d+(?:_\d+)+(?:\.\d+)?)$"
_GROUPS = r"^[+-]?\d{1,3}(?:\.\d{3})+$"
NOTATIONS = tuple(Notation(mark, name) for name in THOUSANDS for mark in (".", ",") if mark != name)

Place = tuple[int, str]
"""Line and cell."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the user says of a file, and how messages name it.

    Args:
        file: the path.
        decimal: the decimal mark, or ``auto``.
        thousands: the separator of thousands, or ``auto``.
        dates: ``day-first``, ``month-first`` or ``auto``.
    """

    file: str
    decimal: str = "auto"
    thousands: str = "auto"
    dates: str = "auto"

    @classmethod
    def of(cls, file: str, options: Mapping[str, Any]) -> Reading:
        """The reading from the options of a table."""
        return cls(file, *(str(options[name]) for name in ("decimal", "thousands", "dates")))

    def allows(self, notation: Notation) -> bool:
        """Whether the numbers may be written like this."""
        return self.decimal in ("auto", notation.decimal) and self.thousands in ("auto", notation.thousands)

    @property
    def usual(self) -> Notation:
        """The notation of numbers that fit it, even if they fit another one too."""
        return Notation("," if self.decimal == "," else ".")


class _Count:
    """How many cells a reading fits, and the first that it does not."""

    def __init__(self) -> None:
        self.fits = 0
        self.total = 0.0
        """The sum of the absolute values; two readings of numbers agree if it is the same."""
        self.first_other: Place | None = None

    def add(self, good: pl.Series, cells: pl.Series, lines: pl.Series) -> None:
        self.fits += int(good.sum())
        if self.first_other is None and not good.all():
            place = (~good).arg_max() or 0
            self.first_other = lines[place], cells[place]


class ColumnCells:
    """The cells of one column, as blocks of rows are added.

    Args:
        name: of the column.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.present = self.missing = self.percents = 0
        self.points = self.groups = 0
        """How many numbers have a decimal point, and at how many it could also separate thousands."""
        self.odd = 0
        self.first_odd: Place | None = None
        """Cells that look like numbers but are none: infinite, too large, or with underscores."""
        self.kinds: dict[str, int] = {}
        """Every different cell, counted; no more are added after :data:`MOST_CATEGORIES`."""
        self.has_times = False
        self.numbers = {notation: _Count() for notation in NOTATIONS}
        self._dates = {form: _Count() for form in DATE_FORMS}
        self._hashes: list[NDArray[np.uint64]] | None = []

    @property
    def few(self) -> bool:
        """Whether the cells are few enough kinds for a category."""
        return len(self.kinds) <= MOST_CATEGORIES

    def add(self, cells: pl.Series, lines: pl.Series) -> None:
        """Add the cells of a block of rows, and the lines that they are on."""
        missing = is_missing(cells)
        self.missing += int(missing.sum())
        cells, lines = cells.filter(~missing), lines.filter(~missing)
        if not len(cells):
            return
        self._add_kinds(cells)
        if self.present >= _ENOUGH:
            self.numbers = {k: c for k, c in self.numbers.items() if k == PLAIN or c.fits * 2 >= self.present}
            self._dates = {k: c for k, c in self._dates.items() if c.fits * 2 >= self.present}
        self.present += len(cells)
        percent = cells.str.ends_with("%")
        self.percents += int(percent.sum())
        core = cells.str.strip_suffix("%").str.strip_chars_end() if percent.any() else cells
        plain = parse_numbers(core)[0]
        points = int(core.str.contains(".", literal=True).sum())
        self.points += points
        self.groups += int(core.str.contains(_GROUPS).sum())
        for notation, count in self.numbers.items():
            same = notation == PLAIN or (plain.null_count() == 0 and (notation.decimal == "." or not points))
            numbers = plain if same else parse_numbers(core, notation)[0]
            count.add(numbers.is_not_null(), cells, lines)
            count.total += float(numbers.abs().sum())
        if plain.null_count():
            self._add_words(cells, core, lines)
        else:
            self._dates = {}

    def _add_words(self, cells: pl.Series, core: pl.Series, lines: pl.Series) -> None:
        import polars as pl

        sizes = core.cast(pl.Float64, strict=False).abs()
        odd = core.str.contains(_ODD) | (sizes.is_not_nan() & (sizes > LARGEST_NUMBER)).fill_null(False)
        self.odd += int(odd.sum())
        if self.first_odd is None and odd.any():
            place = odd.arg_max() or 0
            self.first_odd = lines[place], cells[place]
        for form, count in self._dates.items():
            dates = parse_dates(cells, form)
            count.add(dates["year"].is_not_null(), cells, lines)
            self.has_times |= bool((dates["hour"] > 0).any())

    def _add_kinds(self, cells: pl.Series) -> None:
        if self._hashes is not None:
            many = cells.n_unique() * 2 > len(cells)
            self._hashes = [*self._hashes, cells.hash(0).to_numpy()] if many else None
        if self.few:
            for kind in cells.unique().to_list():
                self.kinds.setdefault(kind, len(self.kinds))

    @property
    def distinct(self) -> int | None:
        """How many different cells there are; None if that was not counted: more than 100, and few for the rows."""
        import polars as pl

        if self.few:
            return len(self.kinds)
        return None if self._hashes is None else pl.Series(np.concatenate(self._hashes)).n_unique()

    def date_readings(self) -> list[tuple[str, _Count]]:
        """The forms that fit the most cells as dates."""
        most = max((count.fits for count in self._dates.values()), default=0)
        return [(form, count) for form, count in self._dates.items() if count.fits == most > 0]

    def boolean(self) -> tuple[str, str] | None:
        """The words for false and true, if the cells are no others; as written, if all are written in one way."""
        for pair in BOOLEANS:
            if self.few and self.kinds and {kind.casefold() for kind in self.kinds} <= set(pair):
                spelled = {kind.casefold(): kind for kind in self.kinds}
                same = len(spelled) == len(self.kinds) == 2
                return (spelled[pair[0]], spelled[pair[1]]) if same else pair
        return None

    def labels(self) -> tuple[str, ...]:
        """The categories: numbers by value, then words. Cells that are the same number are one category."""
        pair = self.boolean()
        if pair and len({kind.casefold() for kind in self.kinds}) == 2:
            return pair
        names: dict[str, str] = {}
        for kind in sorted(self.kinds, key=lambda kind: (len(kind), kind)):
            names.setdefault(category_key(kind), kind)
        return sort_labels(names.values())


def sort_labels(names: Iterable[str]) -> tuple[str, ...]:
    """Numbers by value, then words."""
    import polars as pl

    ordered = sorted(names)
    numbers = parse_numbers(pl.Series(ordered, dtype=pl.String))[0].to_list()
    keys = sorted((number is None, number or 0.0, name) for number, name in zip(numbers, ordered, strict=True))
    return tuple(name for *_, name in keys)
