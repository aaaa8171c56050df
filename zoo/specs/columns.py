"""The columns of a table: kind, values, and number of network inputs."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import PluginError
from .declarations import declaration

KINDS = ("number", "as-is", "category")


@declaration
@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column of a table. In the raw input, it is one float32 per sample, NaN if the value is missing.

    Args:
        name: as in the data file.
        kind: ``number`` is standardised, ``as-is`` is not; ``category`` is one-hot encoded, one input per value.
        values: the raw values of a category.
        labels: the words in the data file that the values of a category stand for, in the same order.
        source: the column of the data file, if it has another name: a date becomes several columns.
        reading: how the cells are written: ``decimal=, thousands=. percent`` (any of the three) for numbers,
            ``boolean`` for yes and no in any case, ``month of day.month.year`` for a part of a date; empty for plain
            cells.
    """

    name: str
    kind: str = "number"
    values: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    source: str = ""
    reading: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise PluginError(f"Column {self.name!r}: kind {self.kind!r} is not one of {', '.join(KINDS)}.")
        if (self.kind == "category") != bool(self.values):
            raise PluginError(f"Column {self.name!r}: a category lists its values, other kinds have none.")
        if self.labels and len(self.labels) != len(self.values):
            raise PluginError(f"Column {self.name!r}: {len(self.labels)} labels for {len(self.values)} values.")
        if len(set(map(_float32, self.values))) < len(self.values):
            raise PluginError(
                f"Column {self.name!r}: its values must be different float32 numbers; use labels instead."
            )

    @property
    def file_column(self) -> str:
        """The column of the data file that the values come from."""
        return self.source or self.name

    @property
    def width(self) -> int:
        """Number of network inputs for this column."""
        return len(self.values) or 1


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """One line of the summary of a table.

    Args:
        name: of the column in the file.
        use: how it is read: ``number``, ``category``, ``date``, ``target`` or ``left out: why``.
        distinct: how many different values it has; None if that was not counted.
        missing: how many cells are missing.
        range: the lowest and the highest number, or the first categories.
    """

    name: str
    use: str
    distinct: int | None
    missing: int
    range: str = ""


def network_shape(input_shape: tuple[int, ...], columns: tuple[Column, ...]) -> tuple[int, ...]:
    """Shape of a sample after input normalisation, as the network gets it."""
    return (sum(column.width for column in columns),) if columns else input_shape


def columns_to_json(columns: Iterable[Column]) -> list[dict[str, Any]]:
    """``columns`` as lists and dictionaries for JSON."""
    return [
        {key: value for key, value in asdict(column).items() if value or key not in ("source", "reading")}
        for column in columns
    ]


def columns_from_json(content: Iterable[Mapping[str, Any]]) -> tuple[Column, ...]:
    """The columns from the output of :func:`columns_to_json`."""
    return tuple(
        Column(
            name=c["name"],
            kind=c["kind"],
            values=tuple(c["values"]),
            labels=tuple(c["labels"]),
            source=c.get("source", ""),
            reading=c.get("reading", ""),
        )
        for c in content
    )


def _float32(value: float) -> float:
    """``value`` as the float32 that a model gets; one that is too large is infinite."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)
