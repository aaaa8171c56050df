"""How user files are read as token sequences and as signals. Imports no torch."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from zoo import DataError, InputReader, InputSample, Tokenizer, read_lines

LARGEST_STREAM = 2**28
"""Bytes of an array on standard input; one in a file is mapped and may be larger."""
Rows = Iterator[tuple[int, list[str]]]
"""The cells of each line that is not blank, with the number of the line."""
_LETTERS = 20
"""A character is composed of at most so many."""
_NPY = b"\x93NUMPY"
_SEPARATOR = re.compile(r"\s*[,;\t ]\s*")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)


class TokenReader(InputReader):
    """Reads texts, one sequence in each line. Blank lines are left out."""

    def read(self, name: str, source: Path | BinaryIO, encoding: str) -> Iterator[InputSample]:
        """A sample for each line that is not blank; a line with more tokens than the model takes is an error."""
        tokenizer = Tokenizer.of(self.options)
        what = "word" if tokenizer.separator else "character"
        for number, line in read_lines(source, encoding):
            text = line.strip()
            if text:
                yield self._sample(f"{name}:{number}", text, tokenizer, what)

    def text(self, sample: NDArray[Any]) -> str:
        """The text of a sequence."""
        return Tokenizer.of(self.options).decode(sample.tolist())

    def demo(self) -> dict[str, Any]:
        """The vocabulary, and how texts are split."""
        return {name: self.options[name] for name in ("vocabulary", "separator", "lower")}

    def _sample(self, source: str, text: str, tokenizer: Tokenizer, what: str) -> InputSample:
        (length,) = self.shape
        if not tokenizer.separator and len(text) > _LETTERS * length:  # far too long to be split
            return InputSample(source, error=f"{len(text):,} {what}s, but the model takes at most {length}")
        tokens = tokenizer.split(text)
        if len(tokens) > length:
            return InputSample(source, error=f"{len(tokens):,} {what}s, but the model takes at most {length}")
        if not tokens:
            return InputSample(source, error=f"no {what}s")
        unknown = next((token for token in tokens if tokenizer.number(token) == Tokenizer.UNKNOWN), "")
        (array,) = tokenizer.encode([text], length)
        return InputSample(source, array, unseen={f"a {what}": unknown} if unknown else None)


class SignalReader(InputReader):
    """Reads signals from a NumPy file or from text: one signal in each line, or one in the columns of the file."""

    def read(self, name: str, source: Path | BinaryIO, encoding: str) -> Iterator[InputSample]:
        """The signals of a ``.npy`` array ``[T]``, ``[C, T]`` or ``[N, C, T]``, or of lines of numbers."""
        if isinstance(source, Path):
            with source.open("rb") as file:
                start = file.read(len(_NPY))
        else:
            start = source.read(len(_NPY))
        if start == _NPY:
            yield from self._of_array(name, _open_array(source))
        else:
            stream = source if isinstance(source, Path) else _Rest(start, source)
            yield from self._of_lines(name, read_lines(stream, encoding))  # type: ignore[arg-type]

    @property
    def _wanted(self) -> str:
        channels, length = self.shape
        return f"the model takes {channels} channel{'s' if channels > 1 else ''} of {length:,} values"

    def _of_array(self, name: str, array: NDArray[Any]) -> Iterator[InputSample]:
        channels, length = self.shape
        if array.dtype.kind not in "iuf":
            raise DataError(f"an array of type {array.dtype}, not of numbers")
        if array.shape == self.shape or (channels == 1 and array.shape == (length,)):
            yield self._checked(name, np.asarray(array).reshape(self.shape))
        elif array.shape[1:] == self.shape or (channels == 1 and array.shape[1:] == (length,)):
            for place, sample in enumerate(array):
                yield self._checked(f"{name}[{place}]", np.asarray(sample).reshape(self.shape))
        else:
            raise DataError(f"an array of shape {array.shape}, but {self._wanted}")

    def _of_lines(self, name: str, lines: Iterator[tuple[int, str]]) -> Iterator[InputSample]:
        rows: Rows = ((number, _SEPARATOR.split(line.strip())) for number, line in lines if line.strip())
        first = next(rows, None)
        if first is not None and not any(map(_NUMBER.fullmatch, first[1])):
            first = next(rows, None)  # the first line names the columns
        if first is None:
            return
        channels, length = self.shape
        rows = itertools.chain([first], rows)
        if len(first[1]) == channels and length > 1:
            yield self._in_columns(name, rows)
            return
        for number, cells in rows:
            if len(cells) != channels * length:
                wanted = f"{channels * length:,} in each line, or {channels} in each of {length:,} lines"
                yield InputSample(f"{name}:{number}", error=f"{len(cells):,} values, but {self._wanted}: {wanted}")
            elif problem := _wrong_cell(cells):
                yield InputSample(f"{name}:{number}", error=problem)
            else:
                yield self._checked(f"{name}:{number}", np.array(cells, dtype=np.float64).reshape(self.shape))

    def _in_columns(self, name: str, rows: Rows) -> InputSample:
        """The one signal of a file with a column for each channel."""
        channels, length = self.shape
        found: list[list[str]] = []
        for number, cells in rows:
            problem = f"{len(cells):,} values, not {channels}" if len(cells) != channels else _wrong_cell(cells)
            if problem or len(found) == length:
                return InputSample(f"{name}:{number}", error=problem or f"more than {length:,} lines; {self._wanted}")
            found.append(cells)
        if len(found) < length:
            return InputSample(name, error=f"{len(found):,} lines of values, but {self._wanted}")
        return self._checked(name, np.array(found, dtype=np.float64).T)

    def _checked(self, source: str, values: NDArray[Any]) -> InputSample:
        """The sample; an error if a value is missing, infinite or too large for float32."""
        with np.errstate(over="ignore"):
            array = np.ascontiguousarray(values, dtype=np.float32)
        wrong = np.argwhere(~np.isfinite(array))
        if len(wrong):
            channel, time = wrong[0]
            value = values[channel, time]
            what = "missing (NaN)" if np.isnan(value) else f"{value:g}, which is too large"
            return InputSample(source, error=f"value {time + 1} of channel {channel + 1} is {what}")
        return InputSample(source, array)


def _open_array(source: Path | BinaryIO) -> NDArray[Any]:
    """The array of a ``.npy`` file, mapped, or of a stream whose first bytes were read."""
    try:
        if isinstance(source, Path):
            return np.lib.format.open_memmap(source, mode="r")
        content = _NPY + source.read(LARGEST_STREAM)
        if len(content) > LARGEST_STREAM:
            raise DataError(f"an array of more than {LARGEST_STREAM:,} bytes; save it to a file")
        array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
        return array
    except (ValueError, EOFError, OSError, MemoryError, SyntaxError) as error:
        raise DataError(f"not an array of NumPy: {' '.join(str(error).split())[:200]}") from error


def _wrong_cell(cells: list[str]) -> str:
    for place, cell in enumerate(cells):
        if not _NUMBER.fullmatch(cell):
            return (
                f"value {place + 1} is {cell[:40]!r}, which is not a number"
                if cell
                else f"value {place + 1} is missing"
            )
    return ""


class _Rest:
    """A stream whose first bytes were read."""

    def __init__(self, start: bytes, stream: BinaryIO) -> None:
        self._start, self._stream = start, stream

    def read1(self, size: int = -1) -> bytes:
        """As that of :class:`io.BufferedReader`."""
        start, self._start = self._start, b""
        return start or self._stream.read1(size)  # type: ignore[attr-defined]
