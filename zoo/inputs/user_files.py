"""The samples of a user's files, read by the reader of a kind of input. Imports no torch."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from ..data.user_paths import as_path, kind_of, why
from ..errors import ZooError
from .reader import InputReader, InputSample

STDIN = "-"
NOTHING = "nothing to predict"
"""The end of the error of an input without samples."""
_NO_FILE = {"missing": "no such file", "folder": "a folder, not a file", "other": "not a regular file"}


def read_samples(inputs: Iterable[Path | str], reader: InputReader, encoding: str) -> Iterator[InputSample]:
    """The samples of each of ``inputs``, one after another: files, or ``-`` for standard input.

    Whatever cannot be read is a sample with an error; nothing is raised for it.
    """
    for given in inputs:
        name, path = str(given), as_path(given)
        kind = STDIN if name == STDIN else _kind_of_path(path)
        if kind not in (STDIN, "file"):
            yield InputSample(name, error=_NO_FILE.get(kind, kind))
            continue
        yield from read_samples_of(reader, name, sys.stdin.buffer if kind == STDIN else path, encoding)


def read_samples_of(
    reader: InputReader, name: str, source: Path | BinaryIO, encoding: str = ""
) -> Iterator[InputSample]:
    """The samples of one file or stream, or why it cannot be read."""
    count = 0
    try:
        for sample in reader.read(name, source, encoding):
            count += 1
            yield _checked(sample, reader)
    except ZooError as error:
        yield InputSample(name, error=str(error))
    except Exception as error:  # whatever a damaged file makes a reader raise
        yield InputSample(name, error=f"{type(error).__name__}: {why(error)}")
    else:
        if not count:
            yield InputSample(name, error=f"no samples: {NOTHING}")


def _checked(sample: InputSample, reader: InputReader) -> InputSample:
    """The sample; with an error in place of an array that is not of the kind of input."""
    array = sample.array
    if array is None:
        return sample if sample.error else replace(sample, error=f"the reader of {reader.spec.name} gave nothing")
    if array.shape != reader.shape or array.dtype.name != reader.spec.type:
        problem = f"the reader of {reader.spec.name} gave {array.dtype.name} {list(array.shape)}"
        return replace(sample, array=None, error=f"{problem}, not {reader.spec.type} {list(reader.shape)}")
    return sample


def _kind_of_path(path: Path) -> str:
    try:
        return kind_of(path)
    except OSError as error:
        return why(error)
