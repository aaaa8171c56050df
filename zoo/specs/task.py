"""The declaration of a task: what a network learns, and how its results are named and shown. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..formatting import METRICS, MetricFormat, brief, metric_names
from .declarations import declaration
from .hyperparameters import OF_TASKS
from .references import Reference, resolve_reference
from .spec import Spec

PREDICTIONS = ("class", "numbers", "discrete", "continuous")
"""What a task can predict for a sample; see :class:`Task`."""


@declaration
@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """A metric of a task, and how it is shown. A name means the same metric in every task.

    Args:
        name: lower case, as in ``metrics.jsonl``.
        title: the name that is shown; default: ``name``.
        percent: whether values from 0 to 1 are shown as a percentage.
        unit: shown behind a value that is not a percentage.
        higher_is_better: false for an error.
    """

    name: str
    title: str = ""
    percent: bool = False
    unit: str = ""
    higher_is_better: bool = True

    @property
    def format(self) -> MetricFormat:
        """How its values are shown."""
        return MetricFormat(self.title or self.name, self.percent, self.unit, self.higher_is_better)

    def problem(self) -> str:
        """What is wrong with the values of the fields; empty if nothing is."""
        if not (self.name.isascii() and self.name.isidentifier() and self.name == self.name.lower()):
            return f"the name of a metric is lower-case letters, digits and _, not {brief(self.name)}."
        if self.name == "loss":
            return "the metric loss needs no declaration; every task has it."
        if not all(text.isprintable() and len(text) <= 20 for text in (self.title, self.unit)):
            return f"title and unit of the metric {self.name} must be at most 20 printable characters."
        known = METRICS.get(self.name)
        if known and known != self.format:
            return f"the metric {self.name} is shown as {known}; declare it so, or choose another name."
        return ""


@declaration
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Task(Spec):
    """What networks learn: their loss, metrics and predictions. Architectures and datasets name their task.

    Args:
        name: lower case, words joined by dashes.
        summary: one line.
        methods: a subclass of :class:`zoo.TaskMethods`: loss, metrics and the rest that needs torch.
        predicts: what the network predicts for a sample. ``class``: one of several classes; the first output of the
            model has a logit for each class ``[N, K]``, or for two classes the logit of the second one ``[N, 1]``, and
            targets are class indices, int64 ``[N]``. ``numbers``: numbers in the targets' units ``[N, K]``, and targets
            are float32 ``[N, K]``. ``discrete``: anything else that changes in steps, such as a mask or a set of
            labels. ``continuous``: anything else. The last two choose the shapes and types of outputs and targets;
            CSV files and folders of images have no targets for them.
        metrics: all metrics but the loss, the main one first. It is shown while training and decides which checkpoint
            is the best, unless ``methods`` has another rule.
        outputs: the names of an exported model's outputs; the first is the output of the network.
        num_outputs: the number of outputs of every network of the task; 0 if the dataset decides.
        labels: names of the classes for datasets that have none. Set it if there are not as many classes as outputs:
            then every dataset of the task has that many labels, otherwise one for each output.
        constant: the best constant prediction in words, to which results are compared; empty if there is none.
        hyperparameters: those of ``label_smoothing``, ``target_scale`` and ``huber`` that ``methods`` uses: setting
            another one is an error. None: that is not known, and all are accepted.
        pipelines: the pipeline of the Hugging Face Hub for each kind of input, ``{"image": "image-segmentation"}``.
    """

    methods: Reference
    predicts: str
    metrics: tuple[Metric, ...]
    outputs: tuple[str, ...]
    num_outputs: int = 0
    labels: tuple[str, ...] = ()
    constant: str = ""
    hyperparameters: tuple[str, ...] | None = None
    pipelines: Mapping[str, str] = field(default_factory=dict)

    def problems(self) -> Iterator[str]:
        """Everything that is wrong with the values of the fields, a sentence each."""
        yield from Spec.problems(self)  # super() needs the class that slots=True replaces
        if self.predicts not in PREDICTIONS:
            yield f"predicts must be one of {', '.join(PREDICTIONS)}, not {brief(self.predicts)}."
        if not self.metrics:
            yield "metrics must not be empty."
        yield from filter(None, (metric.problem() for metric in self.metrics))
        names = [metric.name for metric in self.metrics]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"there are two metrics named {name}."
        if metric_names(names)[:1] != [name for name in names[:1] if name != "loss"]:
            yield f"{metric_names(names)[0]} must be the first of the metrics, because it is shown first everywhere."
        if not self.outputs or len({*self.outputs}) < len(self.outputs) or not all(map(str.isidentifier, self.outputs)):
            yield "outputs must be different names of letters, digits and _, at least one."
        for name in self.hyperparameters or ():
            if name not in OF_TASKS:
                yield f"hyperparameters can be {', '.join(OF_TASKS)}, not {brief(name)}."
        if self.num_outputs < 0:
            yield "num_outputs must not be negative."

    @property
    def references(self) -> list[tuple[str, Reference]]:
        """All references to code, each with the name of its field."""
        return [("methods", self.methods)]

    @property
    def metric(self) -> str:
        """The name of the main metric."""
        return self.metrics[0].name

    @property
    def decides(self) -> bool:
        """Whether predictions are discrete: a small numerical error changes one completely or not at all."""
        return self.predicts in ("class", "discrete")

    def label_count(self, num_outputs: int) -> int:
        """The number of labels of a dataset with ``num_outputs`` outputs."""
        return len(self.labels) or num_outputs

    def dataset_problems(self, num_outputs: int, labels: tuple[str, ...]) -> Iterator[str]:
        """What is wrong with a dataset for this task, a sentence each."""
        if self.num_outputs and num_outputs != self.num_outputs:
            yield f"{self.name} means num_outputs={self.num_outputs}, not {num_outputs}."
        elif labels and len(labels) != self.label_count(num_outputs):
            reason = f"which {self.name} has" if self.labels else "one for each output"
            more = "" if self.labels else " If the classes are not the outputs, the task can declare its own labels."
            yield f"{len(labels)} labels where {self.label_count(num_outputs)} are needed, {reason}.{more}"

    def load(self) -> Any:
        """A new object of ``methods``. Imports torch.

        Raises:
            PluginError: it cannot be imported.
        """
        return resolve_reference(self.methods)(self)
