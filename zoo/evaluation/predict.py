"""Predict samples from user files, one batch after another, in constant memory. Imports no torch."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..data.images import reason
from ..data.table_reader import check_encoding
from ..data.user_paths import as_path
from ..errors import DataError, UsageError
from ..inputs.reader import InputReader, InputSample, load_reader
from ..inputs.user_files import STDIN, read_samples
from ..models.api import open_model
from ..models.description import ModelDescription
from ..models.inference import Array, InferenceModel, confidence
from ..registry.origins import needed_by
from ..registry.registry import Registry, create_registry
from .image_preparation import NO_FILE, ImagePreparation, image_sources, kind_of_path, prepare_image
from .rows import Row, is_row, parse_row, read_rows

_T = TypeVar("_T")
Describe = Callable[[Array], dict[str, float]]
"""An answer of the model for one sample as named numbers."""
BATCH_SIZE = 64


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction of a model for one image or row.

    Args:
        source: the file, with the line number for a row (``patients.csv:7``); the row itself if it was passed as text.
        label: the name of the predicted class; empty for other tasks.
        probabilities: the probability of each class, 0 to 1, by class name; None for other tasks.
        values: for a regression the predicted value of each target in its own unit, by target name; for the task of a
            plugin what it says; None for a classifier.
        steps: how the image was prepared: ``inverted``, ``framed``, ``crop to 28x28`` (or ``pad``, ``stretch``).
        error: why there is no prediction, in one line; empty if there is one.
        unsure: whether the calibrated confidence is below the limit that was chosen on validation; see docs/using.md.
            None for a regression, and if the model has no recorded calibration.
        pixels: the image that the network was given, uint8 ``[C, H, W]``; None for a row, or without a prediction.
        unseen: the cells of categories that the training data lack, by column: they count as none of the categories.
    """

    source: str
    label: str = ""
    probabilities: dict[str, float] | None = None
    values: dict[str, float] | None = None
    steps: tuple[str, ...] = ()
    error: str = ""
    unseen: dict[str, str] | None = None
    unsure: bool | None = None
    pixels: Array | None = field(default=None, compare=False, repr=False)

    @property
    def probability(self) -> float | None:
        """The probability of the predicted class, 0 to 1; None for a regression."""
        return self.probabilities[self.label] if self.probabilities else None

    def to_dict(self) -> dict[str, Any]:
        """The fields for JSON, without empty ones."""
        content = {name: getattr(self, name) for name in self.__slots__ if name != "pixels"}
        content["steps"] = list(self.steps)
        content["probability"] = self.probability
        return {name: value for name, value in content.items() if value not in ("", None, [])}


def predict(
    reference: Path | str | InferenceModel,
    inputs: Iterable[Path | str] | Path | str,
    *,
    preparation: ImagePreparation | None = None,
    encoding: str = "",
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
) -> Iterator[Prediction]:
    """Predict images, rows, or samples of another kind, in order. A file is read only when its turn comes.

    Args:
        reference: an exported file, an architecture, a run, or an open model.
        inputs: one or several of: an image, a folder of images, a CSV file, a row as text (``5.1,3.5,1.4,0.2``), or
            ``-`` for standard input: an image, file names (one in each line), or CSV rows. For other kinds of input:
            files that the reader of the kind can read, or ``-``.
        preparation: how images are converted to the input of the network.
        encoding: of the text of CSV files; default: UTF-8, or UTF-16 after its byte order mark.

    Returns:
        One prediction for each sample. If an input cannot be read, its prediction has an ``error``.

    Raises:
        RunNotFound, UnknownName, ZooError: as for :func:`open_model`.
        PluginError: no plugin registers the task of the model, or its kind of input.
        UsageError: files cannot be read as this kind of input.
    """
    if isinstance(inputs, str | Path):
        inputs = (inputs,)  # one input, not a sequence of letters
    given = reference if isinstance(reference, InferenceModel) else None
    model = given or open_model(reference, runs_dir=runs_dir, registry=registry)  # type: ignore[arg-type]
    check_encoding(encoding)
    description = model.description
    describe = _describe(description, registry)
    if description.takes_images or description.takes_rows:
        return _answers(model, inputs, preparation or ImagePreparation(), encoding, describe)
    samples = read_samples(inputs, reader_of(description, registry), encoding)
    return _answers_of(model, samples, describe)


def reader_of(description: ModelDescription, registry: Registry | None = None) -> InputReader:
    """The reader of user files for a model that takes neither images nor rows.

    Raises:
        PluginError: no plugin registers its kind of input.
        UsageError: files cannot be read as this kind.
    """
    with needed_by(description.content):
        kind = (registry or create_registry()).input(description.input_kind)
    reader = load_reader(kind, description.input_shape, description.input_options)
    if reader is None:
        raise UsageError(f"zoo predict cannot read files as {kind.name}: this kind of input has no reader.")
    return reader


def _answers_of(
    model: InferenceModel, samples: Iterable[InputSample], describe: Describe | None
) -> Iterator[Prediction]:
    for batch in _batches(samples):
        yield from _batch_answers(model, batch, describe)


def _describe(description: ModelDescription, registry: Registry | None) -> Describe | None:
    """How the task of a plugin describes an answer; None if the prediction is a class or numbers."""
    if description.predicts in ("class", "numbers"):
        return None
    from ..models.guarded_task import load_task

    with needed_by(description.content):
        methods = load_task((registry or create_registry()).task(description.task))
    return lambda answer: methods.describe(answer, description.labels)


def _answers(
    model: InferenceModel,
    inputs: Iterable[Path | str],
    preparation: ImagePreparation,
    encoding: str,
    describe: Describe | None,
) -> Iterator[Prediction]:
    description = model.description
    if not description.takes_images:
        yield from _answers_of(model, _rows(inputs, description, encoding), describe)
        return

    def read(source: tuple[str, Path | bytes | str]) -> InputSample:
        return _read_image(*source, description, preparation)

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:  # decoding releases the GIL
        for sources in _batches(image_sources(inputs)):
            yield from _batch_answers(model, list(pool.map(read, sources)), describe)


def _batch_answers(
    model: InferenceModel, samples: Sequence[InputSample], describe: Describe | None
) -> Iterator[Prediction]:
    good = [sample.array for sample in samples if sample.array is not None]
    outputs = model.run(np.stack(good)) if good else ()
    answers: Iterator[Array] = iter(outputs[-1] if good else ())
    unsure: Iterator[bool | None] = _unsure(model.description, outputs[0]) if good else iter(())
    for sample in samples:
        if sample.array is None:
            yield Prediction(sample.source, error=sample.error)
            continue
        answer, doubt = next(answers), next(unsure)
        if not np.isfinite(answer).all():
            yield Prediction(sample.source, error="the output of the model is NaN or infinite")
        else:
            made = _prediction(model.description, sample, answer, doubt, describe)
            yield replace(made, pixels=sample.array) if model.description.takes_images else made


def _unsure(description: ModelDescription, logits: Array) -> Iterator[bool | None]:
    """Whether the answer of each sample is unsure, from the logits ``[N, K]``; None if the model is not calibrated."""
    if description.calibration is None:
        return itertools.repeat(None, len(logits))
    temperature, limit = description.calibration
    return (not confident >= limit for confident in confidence(logits, temperature).tolist())


def _prediction(
    description: ModelDescription,
    sample: InputSample,
    answer: Array,
    unsure: bool | None = None,
    describe: Describe | None = None,
) -> Prediction:
    """``answer`` is the model's last output for one sample, ``[K]``; for the task of a plugin what it says."""
    if describe is not None:
        return Prediction(sample.source, values=describe(answer), steps=sample.steps, unseen=sample.unseen)
    named = {description.label(place): float(value) for place, value in enumerate(answer)}
    if not description.decides:
        if not description.labels:
            named = {"prediction" if len(answer) == 1 else f"prediction {k}": v for k, v in named.items()}
        return Prediction(sample.source, values=named, steps=sample.steps, unseen=sample.unseen)
    label = description.label(int(answer.argmax()))
    return Prediction(sample.source, label, named, steps=sample.steps, unseen=sample.unseen, unsure=unsure)


def _read_image(
    name: str, source: Path | bytes | str, description: ModelDescription, preparation: ImagePreparation
) -> InputSample:
    if isinstance(source, str):
        return InputSample(name, error=source)
    try:
        array, steps = prepare_image(source, description, preparation)
    except Exception as error:  # whatever a damaged file makes the decoder raise
        return InputSample(name, error=reason(error))
    return InputSample(name, array, steps)


def _rows(inputs: Iterable[Path | str], description: ModelDescription, encoding: str) -> Iterator[InputSample]:
    """Each row of every table, and each row given as text."""
    for given in inputs:
        text = str(given)
        path = as_path(given)
        kind = STDIN if text == STDIN else kind_of_path(path)
        if kind == "missing" and is_row(text):
            yield _row_sample(text, parse_row(text, description))
        elif kind in (STDIN, "file"):
            yield from _table_rows(text, sys.stdin.buffer if kind == STDIN else path, description, encoding)
        else:
            yield InputSample(text, error=NO_FILE.get(kind, kind))


def _table_rows(name: str, source: Path | Any, description: ModelDescription, encoding: str) -> Iterator[InputSample]:
    try:
        for line, row in read_rows(source, description, encoding):
            yield _row_sample(f"{name}:{line}", row)
    except DataError as error:
        yield InputSample(name, error=str(error))


def _row_sample(source: str, row: Row) -> InputSample:
    return InputSample(source, row.values, error=row.error, unseen=row.unseen or None)


def _batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, BATCH_SIZE)):
        yield batch
