"""What a model says of itself, read from an exported file or a checkpoint. Imports nothing heavy."""

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
    """What is needed to use a model: what goes in, and what the answers are called.

    Args:
        name: of the architecture.
        task: ``classification``, ``binary`` or ``regression``.
        input_shape: of one raw sample: ``(channels, height, width)`` for images, ``(columns,)`` for tables.
        labels: the names of the classes, in order (two for binary); for regression, of the targets. May be empty.
        columns: of a table: what each raw column holds. May be empty.
        dataset: the name of the data it was trained on.
        origin: what it comes from: a run, or a checkpoint by its hash.
        test: the test metrics recorded with it, or None.
        content: everything else that is known, as it was written down.
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
        """From plain data.

        Args:
            origin: the run, where it is known; an exported file tells its checkpoint only.

        Raises:
            ZooError: something is missing that ``zoo export`` writes.
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
            raise ZooError(f"The model's description lacks {error}.") from error

    @classmethod
    def from_metadata(cls, texts: Mapping[str, str]) -> ModelDescription:
        """From an ONNX file's ``metadata_props``: a text as it is, everything else as JSON.

        Raises:
            ZooError: as for :meth:`from_dict`.
        """
        return cls.from_dict({key: _parsed(text) for key, text in texts.items()})

    @property
    def takes_images(self) -> bool:
        """Whether a sample is an image, uint8; else it is a row of a table, float32."""
        return len(self.input_shape) == 3

    @property
    def decides(self) -> bool:
        """Whether it answers with one class out of several."""
        return self.task != "regression"

    def label(self, index: int) -> str:
        """The name of a class or target."""
        labels = self.labels or (_YES_OR_NO if self.task == "binary" else ())
        return labels[index] if index < len(labels) else str(index)

    def column_name(self, index: int) -> str:
        """The name of an input column, or its place where it has none."""
        return self.columns[index].name if self.columns else f"column {index + 1}"

    @property
    def mean_pixel(self) -> float | None:
        """The mean of the training images, 0 to 255; None for a table or where it is not known."""
        means = (self.content.get("normalisation") or {}).get("mean")
        return sum(means) / len(means) if self.takes_images and means else None


def _parsed(text: str) -> Any:
    """JSON of the kinds that the zoo writes; a text that only looks like a number stays a text."""
    if not text.startswith(("{", "[", "null")) and not text.lstrip("-").isdigit():
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
