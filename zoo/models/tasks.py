"""What a task needs torch for: its loss, metrics, choice of the best checkpoint, and exported outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from ..formatting import is_better
from ..specs.hyperparameters import Hyperparameters
from ..specs.task import Task


class TaskMethods(ABC):
    """The base class of what a task computes; ``zoo.Task(methods=…)`` names a subclass.

    ``targets`` are always in their own units, as the dataset has them. ``outputs`` are the first output of the model,
    float ``[N, …]``, in the targets' units; those of :meth:`loss` alone are the outputs of the network, before
    :meth:`postprocess`.

    :meth:`measure` gives metrics for each sample, which are averaged over batches of any size. :meth:`summarise` gives
    the metrics that need all samples of a split at once.

    A task that predicts ``class`` or ``numbers`` needs :meth:`loss` and :meth:`measure`; everything else is optional.
    One that predicts ``discrete`` needs also :meth:`decisions`, :meth:`margins`, :meth:`target_problem`,
    :meth:`example_targets` and :meth:`describe`; ``continuous`` the last three.

    Every object has ``spec``, the declaration. ``whole_split`` of the class is True if :meth:`summarise` adds metrics.
    The ``hyperparameters`` of a method are a :class:`zoo.Hyperparameters`: ``hyperparameters.label_smoothing``.

    Args:
        spec: the declaration of the task.
    """

    whole_split = False
    """Whether :meth:`summarise` adds metrics."""

    def __init__(self, spec: Task) -> None:
        self.spec = spec

    @property
    def name(self) -> str:
        """The name of the task."""
        return self.spec.name

    @property
    def metric(self) -> str:
        """The main metric."""
        return self.spec.metric

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of an exported model's outputs; the first is the output of the network."""
        return self.spec.outputs

    @property
    def decides(self) -> bool:
        """Whether predictions are discrete: a small numerical error changes one completely or not at all."""
        return self.spec.decides

    # training

    def fit(self, targets: Tensor, hyperparameters: Hyperparameters) -> TaskMethods:
        """The task with the scale of the training targets ``[N, …]``, if it has one: another object, not this one.

        To load a checkpoint it is called with zeros, float32 ``[1, num_outputs]``: the shape of the scale is then
        known, and its values are loaded into the buffers of :meth:`postprocess`. So it must accept zeros.

        Args:
            targets: in their own units.
        """
        return self

    def restore(self, postprocess: nn.Module | None) -> TaskMethods:
        """The task of a loaded model, with the scale that the buffers of ``postprocess`` hold.

        Args:
            postprocess: the module behind the network, with the loaded values; None if there is none.
        """
        return self

    def to(self, device: torch.device) -> TaskMethods:
        """The task with its tensors on ``device``, so that no step waits for a copy."""
        return self

    def network_targets(self, targets: Tensor) -> Tensor:
        """The targets in the units of the network's outputs, for losses of plugins."""
        return targets

    def postprocess(self) -> nn.Module | None:
        """The module behind the network that converts its outputs to the target's units; None if there is none.

        It is part of the checkpoint and of the exported file. All values of the scale are buffers: what is no buffer
        and no parameter is lost when the checkpoint is loaded.
        """
        return None

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor, hyperparameters: Hyperparameters) -> Tensor:
        """The training loss, a scalar: the mean over the batch.

        Args:
            outputs: of the network, before :meth:`postprocess`.
            targets: in their own units; :meth:`network_targets` converts them to those of ``outputs``.
        """

    # evaluation

    @abstractmethod
    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Every metric that is a mean over samples, float ``[N]`` each, by name: ``loss``, then :attr:`metric`, …"""

    def metric_of_each(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """:attr:`metric` for each sample, float ``[N]``. Override it if :meth:`measure` is slow."""
        return self.measure(outputs, targets)[self.metric]

    def summarise(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """The metrics that are not means over samples, by name, from all outputs and targets of a split."""
        return {}

    def baseline(self, known: Tensor, targets: Tensor) -> dict[str, float]:
        """:attr:`metric` of the best constant prediction, which ``Task.constant`` names; empty if there is none.

        Args:
            known: the targets of the training split.
            targets: the targets of the split to predict.
        """
        return {}

    def score(self, metrics: dict[str, float]) -> tuple[float, ...]:
        """The score of an epoch's validation metrics; the epoch with the highest is the best checkpoint.

        Default: :attr:`metric`, then the loss to break ties.
        """
        value = metrics[self.metric]
        return (value if is_better(self.metric, 1.0, 0.0) else -value), -metrics["loss"]

    # export

    def decisions(self, outputs: Tensor) -> Tensor:
        """The discrete predictions, int64 ``[N]`` (the class), or ``[N, …]`` if a sample has several.

        Default for a class: the largest logit, or of a single logit whether it is positive.
        """
        if self.spec.predicts != "class":
            raise NotImplementedError
        return (outputs[:, 0] > 0).to(torch.int64) if outputs.shape[1] == 1 else outputs.argmax(dim=1)

    def margins(self, outputs: Tensor) -> Tensor:
        """How far each of the :meth:`decisions` is from another one, of the same shape, in units of the outputs.

        Default for a class: the largest logit minus the second, or the absolute value of a single logit.
        """
        if self.spec.predicts != "class":
            raise NotImplementedError
        if outputs.shape[1] == 1:
            return outputs[:, 0].abs()
        top = outputs.topk(2, dim=1).values
        return top[:, 0] - top[:, 1]

    def answers(self) -> nn.Module:
        """A module from the model's outputs to the tuple of an exported model's outputs.

        Default: the output of the network alone.
        """
        return _Alone()

    # data and predictions of tasks that predict neither a class nor numbers

    def target_problem(self, targets: Tensor, num_outputs: int) -> str:
        """What is wrong with the targets of a split, in words that follow "the train split …"; empty if nothing is."""
        return ""

    def example_targets(
        self, count: int, input_shape: tuple[int, ...], num_outputs: int, generator: torch.Generator
    ) -> Tensor:
        """``count`` random targets of the right shape and type, for checks of networks.

        Args:
            input_shape: shape of a raw sample.
            num_outputs: of the dataset.
        """
        if self.spec.predicts == "class":
            return torch.arange(count) % self.spec.label_count(num_outputs)
        if self.spec.predicts == "numbers":
            return torch.randn(count, num_outputs, generator=generator)
        raise NotImplementedError

    def describe(self, answer: Any, labels: tuple[str, ...]) -> dict[str, float]:
        """The prediction for a sample as named numbers, for ``zoo predict`` and the report.

        Args:
            answer: the last output of the exported model for the sample, a NumPy array without the batch dimension.
            labels: of the dataset.
        """
        raise NotImplementedError


class _Alone(nn.Module):
    def forward(self, outputs: Tensor) -> tuple[Tensor]:
        return (outputs,)
