"""Predict images and table rows from user files, one batch after another, in constant memory. Imports no torch."""

from __future__ import annotations

import io
import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..data.images import SUFFIXES, reason
from ..errors import DataError
from ..models.api import open_model
from ..models.description import ModelDescription
from ..models.inference import Array, InferenceModel
from ..registry.registry import Registry
from .image_preparation import ImagePreparation, prepare_image
from .rows import parse_row, read_rows

_T = TypeVar("_T")
BATCH_SIZE = 64
STDIN = "-"
_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"P4\n", b"P5\n", b"P6\n")


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction of a model for one image or row.

    Args:
        source: the file, with the line number for a row (``patients.csv:7``); the row itself if it was passed as text.
        label: the name of the predicted class; empty for a regression.
        probabilities: the probability of each class, 0 to 1, by class name; None for a regression.
        values: the predicted value of each target in its own unit, by target name; None for a classifier.
        steps: how the image was prepared: ``inverted``, ``framed``, ``crop to 28x28`` (or ``pad``, ``stretch``).
        error: why there is no prediction, in one line; empty if there is one.
    """

    source: str
    label: str = ""
    probabilities: dict[str, float] | None = None
    values: dict[str, float] | None = None
    steps: tuple[str, ...] = ()
    error: str = ""

    @property
    def probability(self) -> float | None:
        """The probability of the predicted class, 0 to 1; None for a regression."""
        return self.probabilities[self.label] if self.probabilities else None

    def to_dict(self) -> dict[str, Any]:
        """The fields for JSON, without empty ones."""
        content = {name: getattr(self, name) for name in self.__slots__}
        content["steps"] = list(self.steps)
        content["probability"] = self.probability
        return {name: value for name, value in content.items() if value not in ("", None, [])}


@dataclass(frozen=True, slots=True)
class _Sample:
    source: str
    array: Array | None = None
    steps: tuple[str, ...] = ()
    error: str = ""


def predict(
    reference: Path | str | InferenceModel,
    inputs: Iterable[Path | str] | Path | str,
    *,
    preparation: ImagePreparation | None = None,
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
) -> Iterator[Prediction]:
    """Predict images and rows in order. A file is read only when its turn comes.

    Args:
        reference: an exported file, an architecture, a run, or an open model.
        inputs: one or several of: an image, a folder of images, a CSV file, a row as text (``5.1,3.5,1.4,0.2``), or
            ``-`` for standard input: an image, file names (one in each line), or CSV rows.
        preparation: how images are converted to the input of the network.

    Returns:
        One prediction for each image or row. If an input cannot be read, its prediction has an ``error``.

    Raises:
        RunNotFound, UnknownName, ZooError: as for :func:`open_model`.
    """
    if isinstance(inputs, str | Path):
        inputs = (inputs,)  # one input, not a sequence of letters
    given = reference if isinstance(reference, InferenceModel) else None
    model = given or open_model(reference, runs_dir=runs_dir, registry=registry)  # type: ignore[arg-type]
    return _answers(model, inputs, preparation or ImagePreparation())


def _answers(
    model: InferenceModel, inputs: Iterable[Path | str], preparation: ImagePreparation
) -> Iterator[Prediction]:
    description = model.description
    if not description.takes_images:
        for batch in _batches(_rows(inputs, description)):
            yield from _batch_answers(model, batch)
        return

    def read(source: tuple[str, Path | bytes | str]) -> _Sample:
        return _read_image(*source, description, preparation)

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:  # decoding releases the GIL
        for sources in _batches(_image_sources(inputs)):
            yield from _batch_answers(model, list(pool.map(read, sources)))


def _batch_answers(model: InferenceModel, samples: Sequence[_Sample]) -> Iterator[Prediction]:
    good = [sample.array for sample in samples if sample.array is not None]
    answers: Iterator[Array] = iter(model.run(np.stack(good))[-1] if good else ())
    for sample in samples:
        if sample.array is None:
            yield Prediction(sample.source, error=sample.error)
            continue
        answer = next(answers)
        if not np.isfinite(answer).all():
            yield Prediction(sample.source, error="the output of the model is NaN or infinite")
        else:
            yield _prediction(model.description, sample, answer)


def _prediction(description: ModelDescription, sample: _Sample, answer: Array) -> Prediction:
    """``answer`` is the model's last output for one sample, ``[K]``."""
    named = {description.label(place): float(value) for place, value in enumerate(answer)}
    if not description.decides:
        if not description.labels:
            named = {"prediction" if len(answer) == 1 else f"prediction {k}": v for k, v in named.items()}
        return Prediction(sample.source, values=named, steps=sample.steps)
    label = description.label(int(answer.argmax()))
    return Prediction(sample.source, label, named, steps=sample.steps)


def _read_image(
    name: str, source: Path | bytes | str, description: ModelDescription, preparation: ImagePreparation
) -> _Sample:
    if isinstance(source, str):
        return _Sample(name, error=source)
    try:
        if isinstance(source, Path) and source.stat().st_size == 0:
            return _Sample(name, error="empty file")
        array, steps = prepare_image(source, description, preparation)
    except Exception as error:  # whatever a damaged file makes the decoder raise
        return _Sample(name, error=reason(error))
    return _Sample(name, array, steps)


def _image_sources(inputs: Iterable[Path | str]) -> Iterator[tuple[str, Path | bytes | str]]:
    """The name of each image, and its path or content; an error message if there is no image."""
    for given in inputs:
        if str(given) == STDIN:
            yield from _stdin_images()
        else:
            yield from _path_images(Path(given).expanduser())


def _path_images(path: Path) -> Iterator[tuple[str, Path | bytes | str]]:
    if not path.is_dir():
        yield str(path), path if path.exists() else "no such file"
        return
    found = False
    for folder, below, names in os.walk(path):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(names):
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                found = True
                yield os.path.join(folder, name), Path(folder, name)
    if not found:
        yield str(path), "no images in this folder"


def _stdin_images() -> Iterator[tuple[str, Path | bytes | str]]:
    """The image on standard input, or the images whose names are there."""
    stream = sys.stdin.buffer
    start = stream.read(64)
    if start.startswith(_SIGNATURES) or b"\0" in start:
        yield STDIN, start + stream.read()
        return
    # the bytes read so far belong to the first names
    rest = io.BufferedReader(_Joined(start, stream))
    for line in io.TextIOWrapper(rest, encoding="utf-8", errors="surrogateescape"):
        if line.strip():
            yield from _path_images(Path(line.rstrip("\r\n")).expanduser())


class _Joined(io.RawIOBase):
    """A stream, preceded by bytes that were read from it before."""

    def __init__(self, start: bytes, rest: Any) -> None:
        self._start, self._rest = start, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._start or self._rest.read1(len(buffer))
        self._start = b""
        buffer[: len(part)] = part
        return len(part)


def _rows(inputs: Iterable[Path | str], description: ModelDescription) -> Iterator[_Sample]:
    """Each row of every table, and each row given as text."""
    for given in inputs:
        text = str(given)
        path = Path(given).expanduser()
        stdin = text == STDIN
        if not stdin and not path.exists() and ("," in text or "=" in text or _is_number(text)):
            yield _row_sample(text, parse_row(text, description))
            continue
        if not stdin and not path.is_file():
            yield _Sample(text, error="no such file" if not path.exists() else "a folder, not a table")
            continue
        try:
            for line, row in read_rows(sys.stdin.buffer if stdin else path, description):
                yield _row_sample(f"{text}:{line}", row)
        except DataError as error:
            yield _Sample(text, error=str(error))


def _row_sample(source: str, row: Array | str) -> _Sample:
    return _Sample(source, error=row) if isinstance(row, str) else _Sample(source, row)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, BATCH_SIZE)):
        yield batch
