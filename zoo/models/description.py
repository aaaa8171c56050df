"""The description of a model, read from an exported file or a checkpoint. Imports nothing heavy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ZooError
from ..specs.columns import Column, columns_from_json

_YES_OR_NO = ("no", "yes")


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What is needed to use a model: its inputs, and the names of its outputs.

    Args:
        name: the name of the architecture.
        task: ``classification``, ``binary`` or ``regression``.
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
            ZooError: an entry is missing.
        """
        try:
            return cls(
                name=content["architecture"],
                task=content["task"],
                input_shape=tuple(content["input_shape"]),
                labels=tuple(content["labels"]),
                columns=columns_from_json(content.get("columns") or ()),
                dataset=content["dataset"],
                origin=origin or f"checkpoint {content['checkpoint_sha256'][:12]}",
                test=content.get("test"),
                content=dict(content),
            )
        except (KeyError, TypeError) as error:
            raise ZooError(f"The description of the model has no entry {error}.") from error

    @classmethod
    def from_metadata(cls, texts: Mapping[str, str]) -> ModelDescription:
        """A description from an ONNX file's ``metadata_props``: plain text, or JSON for everything else.

        Raises:
            ZooError: as for :meth:`from_dict`.
        """
        return cls.from_dict({key: _parsed(text) for key, text in texts.items()})

    @property
    def takes_images(self) -> bool:
        """Whether a sample is an image, uint8 ``[C, H, W]``, and not a row of a table, float32 ``[F]``."""
        return len(self.input_shape) == 3

    @property
    def decides(self) -> bool:
        """Whether the model predicts a class, and not a number."""
        return self.task != "regression"

    def label(self, index: int) -> str:
        """The name of a class or target; its index if it has no name."""
        labels = self.labels or (_YES_OR_NO if self.task == "binary" else ())
        return labels[index] if index < len(labels) else str(index)

    def column_name(self, index: int) -> str:
        """The name of an input column; ``column 1`` … if it has no name."""
        return self.columns[index].name if self.columns else f"column {index + 1}"

    @property
    def mean_pixel(self) -> float | None:
        """The mean pixel of the training images, 0 to 255; None for tables, and if it is unknown."""
        means = (self.content.get("normalisation") or {}).get("mean")
        return sum(means) / len(means) if self.takes_images and means else None


def _parsed(text: str) -> Any:
    """Objects, lists, null and whole numbers from JSON; anything else stays text."""
    if not text.startswith(("{", "[", "null")) and not text.lstrip("-").isdigit():
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
