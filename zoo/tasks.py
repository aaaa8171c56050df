"""What a network learns: its loss, its metrics, which one picks the best checkpoint, and what it answers."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from .hyperparameters import Hyperparameters


class Task(ABC):
    """A kind of learning.

    Metrics are means over samples of what :meth:`measure` gives for each, so that they add up over batches of any
    size, and over processes.
    """

    name: str
    metric: str
    """The metric that is shown while training and that picks the best checkpoint."""

    @abstractmethod
    def loss(self, logits: Tensor, targets: Tensor, hyperparameters: Hyperparameters) -> Tensor:
        """The loss to descend, a scalar: the mean over the batch."""

    @abstractmethod
    def metric_of_each(self, logits: Tensor, targets: Tensor) -> Tensor:
        """:attr:`metric` for each sample, ``[N]``."""

    @abstractmethod
    def measure(self, logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Every metric for each sample, ``[N]``; ``loss`` is among them."""

    @abstractmethod
    def score(self, metrics: dict[str, float]) -> tuple[float, ...]:
        """What makes one epoch's validation metrics better than another's: the higher, the better."""

    @abstractmethod
    def decisions(self, logits: Tensor) -> Tensor:
        """What the model says of each sample, ``[N]``, as a person would read it."""

    @abstractmethod
    def margins(self, logits: Tensor) -> Tensor:
        """How far each sample's logits are from another decision, ``[N]``."""

    @abstractmethod
    def answers(self) -> nn.Module:
        """A module from logits to what an exported model gives, in the order of :attr:`outputs`."""

    @property
    @abstractmethod
    def outputs(self) -> tuple[str, ...]:
        """The names of an exported model's outputs; the first holds the logits."""


class Classification(Task):
    """One class out of several: cross-entropy, accuracy."""

    name = "classification"
    metric = "accuracy"
    outputs = ("logits", "probabilities")

    def loss(self, logits: Tensor, targets: Tensor, hyperparameters: Hyperparameters) -> Tensor:
        """Cross-entropy, with label smoothing where the recipe asks for it."""
        return functional.cross_entropy(logits, targets, label_smoothing=hyperparameters.label_smoothing)

    def metric_of_each(self, logits: Tensor, targets: Tensor) -> Tensor:
        """1 where the largest logit is the target's, else 0."""
        return (logits.argmax(dim=1) == targets).to(logits.dtype)

    def measure(self, logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Cross-entropy (never smoothed) and accuracy."""
        return {
            "loss": functional.cross_entropy(logits, targets, reduction="none"),
            "accuracy": self.metric_of_each(logits, targets),
        }

    def score(self, metrics: dict[str, float]) -> tuple[float, ...]:
        """Accuracy; at a tie, the lower loss."""
        return metrics["accuracy"], -metrics["loss"]

    def decisions(self, logits: Tensor) -> Tensor:
        """The class of the largest logit."""
        return logits.argmax(dim=1)

    def margins(self, logits: Tensor) -> Tensor:
        """The largest logit less the second largest."""
        top = logits.topk(2, dim=1).values
        return top[:, 0] - top[:, 1]

    def answers(self) -> nn.Module:
        """Logits and softmax."""
        return _LogitsAndProbabilities()


class _LogitsAndProbabilities(nn.Module):
    def forward(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        return logits, torch.softmax(logits, dim=1)


TASKS: dict[str, Task] = {task.name: task for task in (Classification(),)}
