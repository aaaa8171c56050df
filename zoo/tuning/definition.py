"""What a study is: the architectures, the search space, the objectives and the limits, as they are stored."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, to_builtins

from ..errors import ZooError
from ..schema import convert

FORMAT = 1
ARCHITECTURE = "architecture"
"""The parameter that chooses the architecture."""
Plain = bool | int | float | str
Setting = Plain | list[Plain]


class Dimension(Struct, frozen=True):
    """A setting that is searched.

    Args:
        name: of the setting.
        key: of the parameter in the study: the name, after the architecture's name if others search another range.
        kind: ``float`` or ``int`` from ``low`` to ``high``, or ``choice`` from ``choices``.
        log: whether the scale is logarithmic.
        choices: values; those of a setting that is a list are texts, as in ``--set``.
        first: the value of the default recipe, which the search tries first.
    """

    name: str
    key: str
    kind: Literal["float", "int", "choice"]
    first: Plain
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: list[Plain] = []

    def describe(self) -> str:
        """``lr 0.001 to 0.1, logarithmic``, ``optimizer sgd or adamw``."""
        if self.kind == "choice":
            return f"{self.key} {', '.join(map(str, self.choices))}"
        return f"{self.key} {self.low:g} to {self.high:g}{', logarithmic' if self.log else ''}"


class Limits(Struct, frozen=True):
    """The largest costs that a network may have; None: no limit.

    Args:
        params: trainable parameters.
        bytes: of the exported ONNX file, in float32.
        latency: seconds for one sample in onnxruntime, on one thread of the machine that searches.
    """

    params: int | None = None
    bytes: int | None = None
    latency: float | None = None


class Definition(Struct, frozen=True):
    """Everything that the workers of a study have in common.

    Args:
        architectures: their names.
        task: their task.
        dataset: name or path; None: the own dataset of the only architecture.
        data_options: options of the dataset.
        data_name: the name of the loaded dataset.
        fingerprint: of its training and validation split.
        fixed: settings that all trials have, by name.
        space: for each architecture what is searched.
        objectives: names; the first one decides among equals.
        limits: the largest costs.
        sampler, pruner: names.
        seed: of the sampler and of all trials.
    """

    architectures: list[str]
    task: str
    dataset: str | None
    data_options: dict[str, Setting]
    data_name: str
    fingerprint: str
    fixed: dict[str, Setting]
    space: dict[str, list[Dimension]]
    objectives: list[str]
    limits: Limits
    sampler: str
    pruner: str
    seed: int
    format: int = FORMAT

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        found: dict[str, Any] = to_builtins(self)
        return found

    @classmethod
    def from_dict(cls, content: Any, what: str) -> Definition:
        """The definition from JSON values.

        Raises:
            ZooError: they are damaged or of another version; the message begins with ``what``.
        """
        if isinstance(content, dict) and content.get("format", FORMAT) != FORMAT:
            raise ZooError(f"{what[:1].upper()}{what[1:]} was made by another version of the zoo.")
        return convert(content, cls, what)
