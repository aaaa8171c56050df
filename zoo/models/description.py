"""The description of a model, read from an exported file or a checkpoint. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from ..errors import PluginError, ZooError
from ..runs.record import ColumnRecord, Name, Size
from ..schema import convert
from ..specs.columns import Column, columns_from_json
from ..specs.task import Task

_TEXTS = ("architecture", "task", "dataset", "dataset_fingerprint", "checkpoint_sha256", "precision")
"""The entries of an ONNX file's metadata that are text, even if they look like JSON."""
_BEFORE = {"classification": ("class", ()), "binary": ("class", ("no", "yes")), "regression": ("numbers", ())}
"""What the tasks predict that descriptions without the entry ``predicts`` can have, and the usual names of classes."""


class _Normalisation(Struct):
    """The mean of each channel of an image. Tables have an entry for each column instead."""

    mean: list[float] | None = None


class _Calibration(Struct):
    """See :func:`zoo.models.inference.calibrate`."""

    temperature: Annotated[float, Meta(gt=0, le=1e6)]
    limit: Annotated[float, Meta(ge=0, le=1)]


class _Content(Struct):
    """The entries that are used. Others are kept as they are."""

    architecture: Name
    task: Name
    input_shape: Annotated[list[Size], Meta(min_length=1, max_length=8)]
    labels: list[str]
    dataset: str
    predicts: Literal["", "class", "numbers", "discrete", "continuous"] = ""
    columns: list[ColumnRecord] | None = None
    checkpoint_sha256: str = ""
    test: dict[str, float] | None = None
    normalisation: dict[str, Any] | None = None
    calibration: _Calibration | None = None


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What is needed to use a model: its inputs, and the names of its outputs.

    Args:
        name: the name of the architecture.
        task: ``classification``, ``binary``, ``regression``, or the task of a plugin.
        input_shape: the shape of one raw sample: ``(channels, height, width)`` for images (uint8, 0 to 255),
            ``(columns,)`` for rows of a table (float32, each column in its own unit).
        labels: the names of the classes, in the order of the outputs (two for a binary task, no and yes); for a
            regression, the names of the targets. Empty if they have no names.
        columns: the name, kind and values of each column of a table; empty for images, and if they are unknown.
        dataset: the name of the dataset that the model was trained on.
        origin: where the model comes from: the name of a run, ``weights of NAME``, or ``checkpoint HASH``.
        test: the metrics on the test split that are recorded with the model, by name (an accuracy is between 0 and 1,
            an MAE in the target's units); None if there are none.
        content: the whole description, as :meth:`from_dict` got it.
    """

    name: str
    task: str
    input_shape: tuple[int, ...]
    labels: tuple[str, ...]
    columns: tuple[Column, ...]
    dataset: str
    origin: str
    test: dict[str, float] | None
    content: dict[str, Any] = field(repr=False)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], origin: str = "") -> ModelDescription:
        """A description from plain data.

        Args:
            content: the entries that ``zoo export`` writes.
            origin: see the class. Default: the hash of the checkpoint, which is all that an exported file contains.

        Raises:
            ZooError: an entry is missing, or has the wrong type. The message names it.
        """
        found = convert(dict(content), _Content, "the description of the model")
        predicts, usual = _BEFORE.get(found.task, ("", ()))
        if not (found.predicts or predicts):
            raise ZooError("The description of the model is damaged: it has no entry 'predicts'.")
        if usual and len(found.labels) not in (0, len(usual)):
            raise ZooError(
                f"The description of the model is damaged: {len(found.labels)} labels for a {found.task} task."
            )
        if found.columns and [len(found.columns)] != found.input_shape:
            raise ZooError("The description of the model is damaged: its columns do not fit the input_shape.")
        if len(found.input_shape) == 3:
            convert(found.normalisation or {}, _Normalisation, "the normalisation in the description of the model")
        if not origin and not found.checkpoint_sha256:
            raise ZooError("The description of the model is damaged: it has no entry 'checkpoint_sha256'.")
        try:
            columns = columns_from_json(content.get("columns") or ())
        except PluginError as error:
            raise ZooError(f"The description of the model is damaged: {error}") from error
        return cls(
            name=found.architecture,
            task=found.task,
            input_shape=tuple(found.input_shape),
            labels=tuple(found.labels),
            columns=columns,
            dataset=found.dataset,
            origin=origin or f"checkpoint {found.checkpoint_sha256[:12]}",
            test=found.test,
            content=dict(content),
        )

    @classmethod
    def from_metadata(cls, texts: Mapping[str, str]) -> ModelDescription:
        """A description from an ONNX file's ``metadata_props``: plain text, or JSON for everything else.

        Raises:
            ZooError: as for :meth:`from_dict`.
        """
        return cls.from_dict({key: text if key in _TEXTS else _parsed(text) for key, text in texts.items()})

    @property
    def takes_images(self) -> bool:
        """Whether a sample is an image, uint8 ``[C, H, W]``, and not a row of a table, float32 ``[F]``."""
        return len(self.input_shape) == 3

    @property
    def predicts(self) -> str:
        """What the task predicts: ``class``, ``numbers``, ``discrete`` or ``continuous``; see :class:`zoo.Task`."""
        return str(self.content.get("predicts") or _BEFORE[self.task][0])

    @property
    def decides(self) -> bool:
        """Whether the model predicts a class."""
        return self.predicts == "class"

    def label(self, index: int) -> str:
        """The name of a class or target; its index if it has no name."""
        labels = self.labels or _BEFORE.get(self.task, ("", ()))[1]
        return labels[index] if index < len(labels) else str(index)

    def column_name(self, index: int) -> str:
        """The name of an input column; ``column 1`` … if it has no name."""
        return self.columns[index].name if self.columns else f"column {index + 1}"

    @property
    def calibration(self) -> tuple[float, float] | None:
        """The temperature of the logits, and the confidence below which an answer is unsure; None if unknown."""
        known = self.content.get("calibration") if self.decides else None
        return (float(known["temperature"]), float(known["limit"])) if known else None

    @property
    def mean_pixel(self) -> float | None:
        """The mean pixel of the training images, 0 to 255; None for tables, and if it is unknown."""
        means = (self.content.get("normalisation") or {}).get("mean")
        return sum(means) / len(means) if self.takes_images and means else None


def task_entries(task: Task, labels: list[str]) -> dict[str, Any]:
    """The entries of a description that say what a task predicts; none for the tasks that files always had.

    Args:
        labels: of the dataset; if it has none, those of the task.
    """
    return {} if task.name in _BEFORE else {"predicts": task.predicts, "labels": labels or list(task.labels)}


def _parsed(text: str) -> Any:
    """Objects, lists, null and whole numbers from JSON; anything else stays text."""
    if not text.startswith(("{", "[", "null")) and not text.lstrip("-").isdigit():
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return text
