"""How the text of a cell becomes a number, a date or a category: one rule for training, evaluation and prediction.

Imports polars only when it is used.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..specs.columns import Column

if TYPE_CHECKING:
    import polars as pl

MISSING = (
    *("", "na", "n/a", "#n/a", "#n/a n/a", "#na", "<na>", "nan", "-nan", "+nan", "nat", "null", "none", "?"),
    *("1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
)
"""Cells that are missing values, in lower case: those of pandas in any case, ``?`` and ``NaT``."""
LARGEST_NUMBER = 3.4028235e38
"""The largest float32; a larger number is not accepted."""
BOOLEANS = (("false", "true"), ("no", "yes"), ("off", "on"), ("f", "t"), ("n", "y"))
"""Words for false and true; they are read in any case."""
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
PARTS = ("year", "month", "weekday", "hour")
"""The parts of a date; ``hour`` only if there are times. A weekday is 1 for Monday to 7."""
THOUSANDS = {"": "", ",": ",", ".": r"\.", "'": "['\u2019]", "space": r"[ \u00a0\u2009\u202f]"}
"""Separators of thousands by their name in options, as regular expressions."""
_NUMBER = re.compile(r"(?![+-]?0\d)[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,6})?")
_NAMES = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
_TIME = (
    r"(?:[T ]\s*(?<hour>\d{1,2}):[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?(?:\s*(?<half>[AaPp])\.?[Mm]\.?)?"
    r"(?:\s*(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}))?)?"
)
_DATES: dict[str, tuple[tuple[str, str], ...]] = {
    "year-month-day": ((r"\d{4}-\d{1,2}-\d{1,2}", "%Y-%m-%d"),),
    "year/month/day": ((r"\d{4}/\d{1,2}/\d{1,2}", "%Y/%m/%d"),),
    "year.month.day": ((r"\d{4}\.\d{1,2}\.\d{1,2}", "%Y.%m.%d"),),
    "day.month.year": ((r"\d{1,2}\.\d{1,2}\.\d{4}", "%d.%m.%Y"), (r"\d{1,2}\.\d{1,2}\.\d{2}", "%d.%m.%y")),
    "day/month/year": ((r"\d{1,2}/\d{1,2}/\d{4}", "%d/%m/%Y"), (r"\d{1,2}/\d{1,2}/\d{2}", "%d/%m/%y")),
    "month/day/year": ((r"\d{1,2}/\d{1,2}/\d{4}", "%m/%d/%Y"), (r"\d{1,2}/\d{1,2}/\d{2}", "%m/%d/%y")),
    "day-month-year": ((r"\d{1,2}-\d{1,2}-\d{4}", "%d-%m-%Y"),),
    "month-day-year": ((r"\d{1,2}-\d{1,2}-\d{4}", "%m-%d-%Y"),),
    "day name year": ((rf"\d{{1,2}} {_NAMES} \d{{4}}", "%d %b %Y"), (rf"\d{{1,2}}-{_NAMES}-\d{{4}}", "%d-%b-%Y")),
    "name day, year": ((rf"{_NAMES} \d{{1,2}}, \d{{4}}", "%b %d, %Y"), (rf"{_NAMES} \d{{1,2}} \d{{4}}", "%b %d %Y")),
}
"""For each form of a date: regular expressions and the formats of polars for what they match."""
DATE_FORMS = tuple(_DATES)


@dataclass(frozen=True, slots=True)
class Notation:
    """How numbers are written.

    Args:
        decimal: the decimal mark, ``.`` or ``,``.
        thousands: the separator of thousands, a name of :data:`THOUSANDS`.
        percent: whether every number is followed by ``%``; it is read in percent.
    """

    decimal: str = "."
    thousands: str = ""
    percent: bool = False

    @classmethod
    def parse(cls, text: str) -> Notation:
        """The notation from :attr:`zoo.Column.reading`."""
        found = dict(word.partition("=")[::2] for word in text.split())
        return cls(found.get("decimal", "."), found.get("thousands", ""), "percent" in found)

    def __str__(self) -> str:
        """The text for :attr:`zoo.Column.reading`: empty for plain numbers."""
        words = ["decimal=,"] if self.decimal == "," else []
        words += [f"thousands={self.thousands}"] if self.thousands else []
        return " ".join([*words, "percent"] if self.percent else words)


PLAIN = Notation()


@dataclass(frozen=True, slots=True)
class Values:
    """The cells of some rows as a model takes them.

    Args:
        array: float32 ``[N, F]``, NaN for missing and unseen ones.
        wrong: which cells the model cannot use, ``[N, F]``.
        unseen: which cells are categories that the column does not have, ``[N, F]``.
    """

    array: NDArray[np.float32]
    wrong: NDArray[np.bool_]
    unseen: NDArray[np.bool_]


def is_missing(cells: pl.Series) -> pl.Series:
    """A mask of the missing values, of the length of ``cells``."""
    return cells.str.to_lowercase().is_in(MISSING)


def parse_numbers(cells: pl.Series, notation: Notation = PLAIN) -> tuple[pl.Series, pl.Series]:
    """The cells of a column as float64 numbers, null for other text, and a mask of the missing values.

    Both are of the length of ``cells``. A number is finite and fits into float32; :data:`MISSING` lists missing values.
    """
    import polars as pl

    x = pl.col("x")
    if notation.percent:
        x = pl.when(x.str.ends_with("%")).then(x.str.strip_suffix("%").str.strip_chars_end())
    if notation.thousands:
        mark, decimal = THOUSANDS[notation.thousands], re.escape(notation.decimal)
        grouped = x.str.contains(rf"^[+-]?\d{{1,3}}(?:{mark}\d{{3}})+(?:{decimal}\d*)?$")
        x = pl.when(grouped).then(x.str.replace_all(mark, "")).otherwise(x)
    if notation.decimal == ",":
        x = pl.when(~x.str.contains(".", literal=True)).then(x.str.replace(",", ".", literal=True))
    frame = cells.to_frame("x").select(x.cast(pl.Float64, strict=False).alias("x"))
    numbers = frame.select(pl.when(pl.col("x").abs() <= LARGEST_NUMBER).then("x")).to_series()
    return numbers, is_missing(cells)


def why_no_number(cell: str) -> str:
    """Why a cell that looks like a number is none for float32."""
    try:
        value = float(cell[:100])
    except ValueError:
        return ""
    return "" if "_" in cell or math.isnan(value) else " (larger than float32 can hold)"


def parse_dates(cells: pl.Series, form: str) -> pl.DataFrame:
    """The cells of a column as dates of a form of :data:`DATE_FORMS`.

    Returns:
        The columns of :data:`PARTS`, null for other text. ``hour`` is null without a time. Time zones are left out: an
        hour is that of the clock.
    """
    import polars as pl

    days, hours = [], []
    for pattern, format_of in _DATES[form]:
        found = pl.col("x").str.extract_groups(rf"^(?<date>{pattern}){_TIME}$").struct
        hour = found.field("hour").cast(pl.Int64, strict=False)
        half = found.field("half").str.to_lowercase()
        hour = pl.when(half.is_not_null()).then(hour % 12 + 12 * (half == "p").cast(pl.Int64)).otherwise(hour)
        day = found.field("date")
        day = day.str.replace(r"([A-Z][a-z]{2})[a-z]*\.?", "$1") if "%b" in format_of else day
        days.append(pl.when(hour.is_null() | (hour < 24)).then(day.str.to_date(format_of, strict=False)))
        hours.append(hour)
    frame = cells.to_frame("x").select(day=pl.coalesce(days), hour=pl.coalesce(hours))
    day = pl.col("day")
    return frame.select(
        year=day.dt.year().cast(pl.Int64),
        month=day.dt.month().cast(pl.Int64),
        weekday=day.dt.weekday().cast(pl.Int64),
        hour=pl.when(day.is_not_null()).then("hour"),
    )


def category_key(cell: str) -> str:
    """What two cells of the same category have in common: the exact number if it is one, else the text.

    ``1``, ``1.0`` and ``+1`` are the same; 16777216 and 16777217 are not, nor are 0.1 and 0.10000001. A number with
    leading zeros is text: it is a code.
    """
    if not _NUMBER.fullmatch(cell):
        return cell
    try:
        sign, digits, exponent = Decimal(cell).as_tuple()
    except InvalidOperation:
        return cell
    text = "".join(map(str, digits)).lstrip("0")
    kept = text.rstrip("0")
    if not kept:
        return "0"
    return f"{'-' if sign else ''}{kept}e{int(exponent) + len(text) - len(kept)}"


def category_values(column: Column) -> dict[str, float]:
    """The value of each category of ``column`` by its key; see :func:`category_key`."""
    if column.reading == "boolean":
        return {label.casefold(): value for label, value in zip(column.labels, column.values, strict=True)}
    if column.labels:
        return {category_key(label): value for label, value in zip(column.labels, column.values, strict=True)}
    found = {category_key(repr(value)): value for value in column.values}
    for value in column.values:  # numbers that were rounded to float32 when they were recorded
        found.setdefault(category_key(str(np.float32(value))), value)
    return found


def find_categories(cells: pl.Series, known: dict[str, float], boolean: bool = False) -> pl.Series:
    """The value of each cell in ``known``, float64; null for others."""
    import polars as pl

    own: dict[str, float] = {}
    for cell in cells.unique().drop_nulls().to_list():
        key = cell.casefold() if boolean else category_key(cell)
        if key in known:
            own[cell] = known[key]
    if not own:
        return pl.Series([None] * len(cells), dtype=pl.Float64)
    return cells.replace_strict(own, default=None, return_dtype=pl.Float64)


def to_values(cells: Sequence[pl.Series], columns: Sequence[Column]) -> Values:
    """The cells of some rows as a model takes them.

    Args:
        cells: for each column the cells of its column in the file.
        columns: as the model declares them; none if all columns are plain numbers that must not be missing.
    """
    import polars as pl

    shape = (len(cells[0]) if cells else 0, len(cells))
    found = Values(np.empty(shape, np.float32), np.zeros(shape, np.bool_), np.zeros(shape, np.bool_))
    dates: dict[tuple[str, str], pl.DataFrame] = {}
    for place, own in enumerate(cells):
        column = columns[place] if columns else None
        missing = is_missing(own).fill_null(False)
        if column is None:
            numbers = parse_numbers(own)[0]
            wrong, unseen = numbers.is_null(), missing & False
        elif column.source:
            part, _, form = column.reading.partition(" of ")
            if (column.source, form) not in dates:
                dates[column.source, form] = parse_dates(own, form)
            numbers, wrong, unseen = _take_part(dates[column.source, form], part, missing, column)
        elif column.values:
            numbers = find_categories(own, category_values(column), column.reading == "boolean")
            wrong, unseen = missing & False, numbers.is_null() & ~missing
        else:
            numbers = parse_numbers(own, Notation.parse(column.reading))[0]
            wrong, unseen = numbers.is_null() & ~missing, missing & False
        found.array[:, place] = numbers.cast(pl.Float32).fill_null(math.nan).to_numpy()
        found.wrong[:, place], found.unseen[:, place] = wrong.to_numpy(), unseen.to_numpy()
    return found


def _take_part(
    dates: pl.DataFrame, part: str, missing: pl.Series, column: Column
) -> tuple[pl.Series, pl.Series, pl.Series]:
    """A part of dates, float64, and which cells are wrong and which unseen. Without a time, the hour is missing."""
    import polars as pl

    numbers = dates[part].cast(pl.Float64)
    wrong = dates["year"].is_null() & ~missing
    if not column.values:
        return numbers, wrong, missing & False
    known = numbers.is_in(list(column.values)).fill_null(False)
    unseen = numbers.is_not_null() & ~known
    return numbers.to_frame("x").select(pl.when(pl.lit(known)).then("x")).to_series(), wrong, unseen
