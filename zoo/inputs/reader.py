"""How user files are read as samples of a kind of input: the base class of readers, and lines of text. No torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray

from ..data.table_reader import NotText
from ..data.table_reader import read_lines as lines_of
from ..errors import DataError, PluginError
from ..specs.dataset import Input
from ..specs.references import resolve_reference


@dataclass(frozen=True, slots=True)
class InputSample:
    """A sample that was read from a user's file, or why it cannot be used.

    Args:
        source: where it is from, with the place in the file: ``words.txt:7``.
        array: the raw sample, of the shape and type of the kind; None if there is an error.
        steps: how it was prepared; see :attr:`zoo.Prediction.steps`.
        error: why the model cannot use it, in one line; empty if it can.
        unseen: what the training data lack and the model takes as unknown, by what it is: ``{"character": "ß"}``.
    """

    source: str
    array: NDArray[Any] | None = None
    steps: tuple[str, ...] = ()
    error: str = ""
    unseen: dict[str, str] | None = None


class InputReader(ABC):
    """How ``zoo predict`` reads user files; ``zoo.Input(reader=…)`` names a subclass.

    Every object has ``spec``, ``shape`` and ``options``. :func:`zoo.read_lines` reads the lines of a text.

    Args:
        spec: the declaration of the kind.
        shape: of one raw sample.
        options: all options of the kind, as the dataset sets them.
    """

    def __init__(self, spec: Input, shape: tuple[int, ...], options: Mapping[str, Any]) -> None:
        self.spec, self.shape, self.options = spec, shape, options

    @abstractmethod
    def read(self, name: str, source: Path | BinaryIO, encoding: str) -> Iterator[InputSample]:
        """The samples of a file or a stream, one after another, at constant memory.

        A sample that the model cannot use has an ``error``; the others are still read. Whatever is raised counts as
        the error of the whole file.

        Args:
            name: of the source, for :attr:`InputSample.source`.
            source: a regular file, or a binary stream such as standard input.
            encoding: of text; empty for the default.
        """

    def text(self, sample: NDArray[Any]) -> str:
        """A raw sample as text for reports; empty if it cannot be shown as text."""
        return ""

    def demo(self) -> dict[str, Any]:
        """What the browser demo needs, as JSON values; ``text`` needs ``vocabulary``, ``separator`` and ``lower``."""
        return {}


def read_lines(source: Path | BinaryIO, encoding: str = "") -> Iterator[tuple[int, str]]:
    """The lines of a text file (``.gz`` too) or a stream, with their numbers from 1, at constant memory.

    Lines have no line end, and no more than 16 million characters.

    Args:
        encoding: of the text; default: UTF-8, or UTF-16 after its byte order mark.

    Raises:
        UsageError: there is no such encoding.
        DataError: the source cannot be read, or is not text in this encoding.
    """
    try:
        yield from lines_of(source, encoding)
    except NotText as error:
        raise DataError(f"{error}; give its encoding, such as --encoding latin-1 (or cp1252, utf-16)") from error


def load_reader(kind: Input, shape: tuple[int, ...], options: Mapping[str, Any]) -> InputReader | None:
    """The reader of a kind of input for samples of ``shape``; None if the kind has none.

    Raises:
        PluginError: it cannot be imported, or is no :class:`InputReader`.
        UnknownName, InvalidValue: the options are not those of the kind.
        DataError: samples of this kind have no such shape.
    """
    if len(shape) != kind.dimensions:
        raise DataError(f"Samples of the kind {kind.name} have {kind.dimensions} dimensions, not {len(shape)}.")
    if kind.reader is None:
        return None
    reader = resolve_reference(kind.reader)(kind, tuple(shape), kind.check_options(options))
    if not isinstance(reader, InputReader):
        raise PluginError(f"{kind.label}: reader must be a subclass of zoo.InputReader.")
    return reader
