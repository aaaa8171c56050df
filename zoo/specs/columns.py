"""The columns of a table: kind, values, and number of network inputs."""

from __future__ import annotations

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
    """

    name: str
    kind: str = "number"
    values: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise PluginError(f"Column {self.name!r}: kind {self.kind!r} is not one of {', '.join(KINDS)}.")
        if (self.kind == "category") != bool(self.values):
            raise PluginError(f"Column {self.name!r}: a category lists its values, other kinds have none.")
        if self.labels and len(self.labels) != len(self.values):
            raise PluginError(f"Column {self.name!r}: {len(self.labels)} labels for {len(self.values)} values.")

    @property
    def width(self) -> int:
        """Number of network inputs for this column."""
        return len(self.values) or 1


def network_shape(input_shape: tuple[int, ...], columns: tuple[Column, ...]) -> tuple[int, ...]:
    """Shape of a sample after input normalisation, as the network gets it."""
    return (sum(column.width for column in columns),) if columns else input_shape


def columns_to_json(columns: Iterable[Column]) -> list[dict[str, Any]]:
    """``columns`` as lists and dictionaries for JSON."""
    return [asdict(column) for column in columns]


def columns_from_json(content: Iterable[Mapping[str, Any]]) -> tuple[Column, ...]:
    """The columns from the output of :func:`columns_to_json`."""
    return tuple(
        Column(name=c["name"], kind=c["kind"], values=tuple(c["values"]), labels=tuple(c["labels"])) for c in content
    )
