"""The columns of a table: what each holds, and how many numbers a network gets for it."""

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
    """One column of a table, as it stands in the raw input: one float32, NaN where it is missing.

    Args:
        name: as in the file it comes from.
        kind: ``number`` is standardised, ``as-is`` is not, ``category`` becomes one 0 or 1 for each of ``values``.
        values: the raw values of a category.
        labels: what the values are called, in the same order, where they are words in the file.
    """

    name: str
    kind: str = "number"
    values: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise PluginError(f"Column {self.name!r}: kind {self.kind!r} is not one of {', '.join(KINDS)}.")
        if (self.kind == "category") != bool(self.values):
            raise PluginError(f"Column {self.name!r}: a category lists its values, anything else has none.")
        if self.labels and len(self.labels) != len(self.values):
            raise PluginError(f"Column {self.name!r}: {len(self.labels)} labels for {len(self.values)} values.")

    @property
    def width(self) -> int:
        """How many numbers the network gets for it."""
        return len(self.values) or 1


def network_shape(input_shape: tuple[int, ...], columns: tuple[Column, ...]) -> tuple[int, ...]:
    """Shape of a sample behind the normalisation: as the network sees it."""
    return (sum(column.width for column in columns),) if columns else input_shape


def columns_to_json(columns: Iterable[Column]) -> list[dict[str, Any]]:
    """As plain data."""
    return [asdict(column) for column in columns]


def columns_from_json(content: Iterable[Mapping[str, Any]]) -> tuple[Column, ...]:
    """What :func:`columns_to_json` gave."""
    return tuple(
        Column(name=c["name"], kind=c["kind"], values=tuple(c["values"]), labels=tuple(c["labels"])) for c in content
    )
