"""The description of a model, read from an exported file or a checkpoint. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from ..errors import PluginError, ZooError
from ..runs.record import ColumnRecord, Name, Size, Value
from ..schema import convert
from ..specs.columns import Column, columns_from_json
from ..specs.dataset import IMAGE, TABLE
from ..specs.task import Task

_TEXTS = ("architecture", "task", "dataset", "dataset_fingerprint", "checkpoint_sha256", "precision")
"""The entries of an ONNX file's metadata that are text, even if they look like JSON."""
_BEFORE = {"classification": ("class", ()), "binary": ("class", ("no", "yes")), "regression": ("numbers", ())}
"""What the tasks predict that descriptions without the entry ``predicts`` can have, and the usual names of classes."""
_IMAGE_DIMENSIONS = 3


class _Normalisation(Struct):
    """The mean of each channel of an image. Tables have an entry for each column instead."""

    mean: list[float] | None = None


class _Calibration(Struct):
    """See :func:`zoo.models.inference.calibrate`."""

    temperature: Annotated[float, Meta(gt=0, le=1e6)]
    limit: Annotated[float, Meta(ge=0, le=1)]


class _Input(Struct):
    """What a sample is. Files that take images or columns name no kind."""

    kind: Name = TABLE
    options: dict[str, Value] = {}
    type: str = ""
    holds: str = ""


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
    input: _Input | None = None


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What is needed to use a model: its inputs, and the names of its outputs.

    Args:
        name: the name of the architecture.
        task: ``classification``, ``binary``, ``regression``, or the task of a plugin.
        input_shape: the shape of one raw sample: ``(channels, height, width)`` for images (uint8, 0 to 255),
            ``(columns,)`` for rows of a table (float32, each column in its own unit); for another kind of input as its
            declaration says, see :class:`zoo.Input`.
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
        if _kind_of(content, found.input_shape) == IMAGE:
            if len(found.input_shape) != _IMAGE_DIMENSIONS:
                raise ZooError("The description of the model is damaged: its input_shape is not that of images.")
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
    def input_kind(self) -> str:
        """The name of the kind of input: ``image``, ``table`` or another one; see :class:`zoo.Input`."""
        return _kind_of(self.content, self.input_shape)

    @property
    def input_options(self) -> dict[str, Any]:
        """The options of the kind of input, as the dataset set them; empty for images and tables."""
        return dict(_input_entry(self.content).get("options") or {})

    @property
    def takes_images(self) -> bool:
        """Whether a sample is an image, uint8 ``[C, H, W]``."""
        return self.input_kind == IMAGE

    @property
    def takes_rows(self) -> bool:
        """Whether a sample is a row of a table, float32 ``[F]``."""
        return self.input_kind == TABLE

    @property
    def input_type(self) -> str:
        """The type of the elements of a raw sample: ``uint8``, ``float32`` or ``int64``."""
        if self.takes_images or self.takes_rows:
            return "uint8" if self.takes_images else "float32"
        return str(_input_entry(self.content).get("type") or "float32")

    @property
    def input_text(self) -> str:
        """``1 x 28 x 28 pixels, uint8, 0 to 255``."""
        size = " x ".join(map(str, self.input_shape))
        if self.takes_images:
            return f"{size} pixels, uint8, 0 to 255"
        if self.takes_rows:
            return f"{size} column{'s' if size != '1' else ''}, float32, in their original units"
        return f"{size}, {self.input_type}: {_input_entry(self.content).get('holds') or 'inputs of ' + self.input_kind}"

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


def input_kind_entries(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What the entry ``input`` of a description says of the kind; nothing for the kinds that files always had."""
    if kind in (IMAGE, TABLE):
        return {}
    return {"kind": kind, "options": {name: _plain(value) for name, value in options.items()}}


def _plain(value: Any) -> Any:
    """A value of an option as JSON gives it back."""
    return list(value) if isinstance(value, tuple) else value


def _input_entry(content: Mapping[str, Any]) -> Mapping[str, Any]:
    entry = content.get("input")
    return entry if isinstance(entry, Mapping) else {}


def _kind_of(content: Mapping[str, Any], shape: Sequence[int]) -> str:
    """The kind of input: by its name, else by the shape of a sample."""
    return str(_input_entry(content).get("kind") or (IMAGE if len(shape) == _IMAGE_DIMENSIONS else TABLE))


def _parsed(text: str) -> Any:
    """Objects, lists, null and whole numbers from JSON; anything else stays text."""
    if not text.startswith(("{", "[", "null")) and not text.lstrip("-").isdigit():
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return text
