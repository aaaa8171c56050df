"""What a network learns: its loss, its metrics, which one picks the best checkpoint, and what it answers."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..specs.hyperparameters import Hyperparameters
from .preprocess import Rescale


class Task(ABC):
    """A kind of learning.

    What :meth:`measure` gives for each sample is averaged over samples, so that it adds up over batches of any size.
    What only a whole split can tell, :meth:`summarise` adds, from one answer for each sample.
    """

    name: str
    metric: str
    """The metric that is shown while training."""
    outputs: tuple[str, ...]
    """The names of an exported model's outputs; the first is what the network computes."""
    whole_split = False
    """Whether :meth:`summarise` has something to add."""
    decides = True
    """Whether it answers with one out of several, so that a small error can change everything or nothing."""

    def fit(self, targets: Tensor, hyperparameters: Hyperparameters) -> Task:
        """The task, knowing the training targets where their scale matters."""
        return self

    def to(self, device: torch.device) -> Task:
        """The task, with what it knows on ``device``, so that no step has to wait for it."""
        return self

    def postprocess(self) -> Rescale | None:
        """What follows the network, where its outputs are not in the target's units."""
        return None

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor, hyperparameters: Hyperparameters) -> Tensor:
        """The loss to descend, a scalar: the mean over the batch. ``outputs`` are the network's own."""

    @abstractmethod
    def metric_of_each(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """:attr:`metric` for each sample, ``[N]``."""

    @abstractmethod
    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Every metric that is a mean over samples, ``[N]`` each: ``loss``, then :attr:`metric`."""

    def summarise(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """The metrics that are no means over samples, from all outputs and targets of a split."""
        return {}

    @abstractmethod
    def score(self, metrics: dict[str, float]) -> tuple[float, ...]:
        """What makes one epoch's validation metrics better than another's: the higher, the better."""

    def decisions(self, outputs: Tensor) -> Tensor:
        """What the model says of each sample, ``[N]``, as a person would read it."""
        raise NotImplementedError

    def margins(self, outputs: Tensor) -> Tensor:
        """How far each decision, ``[N]``, is from another one, in units of the outputs."""
        raise NotImplementedError

    @abstractmethod
    def answers(self) -> nn.Module:
        """A module from the network's outputs to the tuple of an exported model's outputs."""


class Classification(Task):
    """One class out of several: cross-entropy, accuracy. Targets are int64 ``[N]``."""

    name = "classification"
    metric = "accuracy"
    outputs = ("logits", "probabilities")

    def loss(self, outputs: Tensor, targets: Tensor, hyperparameters: Hyperparameters) -> Tensor:
        """Cross-entropy, with label smoothing where the recipe asks for it."""
        return functional.cross_entropy(outputs, targets, label_smoothing=hyperparameters.label_smoothing)

    def metric_of_each(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """1 where the largest logit is the target's, else 0."""
        return (outputs.argmax(dim=1) == targets).to(outputs.dtype)

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Cross-entropy (never smoothed) and accuracy."""
        return {
            "loss": functional.cross_entropy(outputs, targets, reduction="none"),
            "accuracy": self.metric_of_each(outputs, targets),
        }

    def score(self, metrics: dict[str, float]) -> tuple[float, ...]:
        """Accuracy; at a tie, the lower loss."""
        return metrics["accuracy"], -metrics["loss"]

    def decisions(self, outputs: Tensor) -> Tensor:
        """The class of the largest logit."""
        return outputs.argmax(dim=1)

    def margins(self, outputs: Tensor) -> Tensor:
        """The largest logit less the second largest."""
        top = outputs.topk(2, dim=1).values
        return top[:, 0] - top[:, 1]

    def answers(self) -> nn.Module:
        """Logits and softmax."""
        return _Softmax()


class Binary(Task):
    """Yes or no: one logit, binary cross-entropy. Targets are int64 ``[N]``, 0 or 1."""

    name = "binary"
    whole_split = True
    metric = "accuracy"
    outputs = ("logits", "probabilities")

    def loss(self, outputs: Tensor, targets: Tensor, hyperparameters: Hyperparameters) -> Tensor:
        """Binary cross-entropy, with label smoothing where the recipe asks for it."""
        smoothing = hyperparameters.label_smoothing
        wanted = targets.to(outputs.dtype) * (1 - smoothing) + smoothing / 2
        return functional.binary_cross_entropy_with_logits(outputs[:, 0], wanted)

    def metric_of_each(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """1 where the logit's sign is the target's, else 0."""
        return (self.decisions(outputs) == targets).to(outputs.dtype)

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Binary cross-entropy (never smoothed) and accuracy."""
        wanted = targets.to(outputs.dtype)
        return {
            "loss": functional.binary_cross_entropy_with_logits(outputs[:, 0], wanted, reduction="none"),
            "accuracy": self.metric_of_each(outputs, targets),
        }

    def summarise(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Area under the ROC curve (where both classes are there) and F1 of the second class."""
        from sklearn.metrics import f1_score, roc_auc_score

        truth, logits = targets.cpu().numpy(), outputs[:, 0].double().cpu().numpy()
        found = {"auc": float(roc_auc_score(truth, logits))} if 0 < truth.sum() < len(truth) else {}
        return found | {"f1": float(f1_score(truth, logits > 0, zero_division=0.0))}

    def score(self, metrics: dict[str, float]) -> tuple[float, ...]:
        """The lower loss: on the few samples that such tables leave for validation, accuracy is too coarse a judge."""
        return (-metrics["loss"],)

    def decisions(self, outputs: Tensor) -> Tensor:
        """1 where the logit is positive, else 0."""
        return (outputs[:, 0] > 0).to(torch.int64)

    def margins(self, outputs: Tensor) -> Tensor:
        """How far the logit is from zero."""
        return outputs[:, 0].abs()

    def answers(self) -> nn.Module:
        """The logit ``[N, 1]``, and the probabilities ``[N, 2]`` of no and yes."""
        return _Sigmoid()


class Regression(Task):
    """A number, or several: squared error. Targets are float32 ``[N, K]`` in their own units.

    The network learns standardised targets; :class:`Rescale` behind it gives the units back. The loss is that of the
    standardised targets, every other metric is in the target's units.
    """

    name = "regression"
    whole_split = True
    metric = "mae"
    outputs = ("prediction",)
    decides = False

    def __init__(self, rescale: Rescale | None = None) -> None:
        self.rescale = rescale or Rescale(torch.zeros(1), torch.ones(1), "linear")

    def fit(self, targets: Tensor, hyperparameters: Hyperparameters) -> Task:
        """With mean and deviation of ``targets``, on the recipe's scale.

        Raises:
            DataError: the scale is none for these targets.
        """
        return Regression(Rescale.fit(targets, hyperparameters.target_scale))

    def to(self, device: torch.device) -> Task:
        """With the scale of the targets on ``device``."""
        return Regression(self.postprocess().to(device))

    def postprocess(self) -> Rescale:
        """From standard deviations to the target's units."""
        return Rescale(self.rescale.mean.clone(), self.rescale.std.clone(), self.rescale.scale)

    def loss(self, outputs: Tensor, targets: Tensor, hyperparameters: Hyperparameters) -> Tensor:
        """Mean squared error, or Huber's loss where the recipe asks for it, of standardised targets."""
        wanted = self.rescale.standardise(targets)
        if hyperparameters.huber:
            return functional.huber_loss(outputs, wanted, delta=hyperparameters.huber)
        return functional.mse_loss(outputs, wanted)

    def metric_of_each(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The absolute error, averaged over the targets."""
        return (outputs - targets).abs().mean(dim=1)

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Squared error of standardised targets, and absolute error."""
        return {
            "loss": (self.rescale.standardise(outputs) - self.rescale.standardise(targets)).square().mean(dim=1),
            "mae": self.metric_of_each(outputs, targets),
        }

    def summarise(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Root of the mean squared error, and the part of the variance that is explained, where there is any."""
        from sklearn.metrics import r2_score

        truth, guesses = targets.double().cpu().numpy(), outputs.double().cpu().numpy()
        found = {"rmse": float(((truth - guesses) ** 2).mean()) ** 0.5}
        varies = len(truth) > 1 and bool((truth.std(axis=0) > 0).all())
        return found | ({"r2": float(r2_score(truth, guesses))} if varies else {})

    def score(self, metrics: dict[str, float]) -> tuple[float, ...]:
        """The lower absolute error; at a tie, the lower loss."""
        return -metrics["mae"], -metrics["loss"]

    def answers(self) -> nn.Module:
        """The prediction alone."""
        return _Prediction()


class _Softmax(nn.Module):
    def forward(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        return logits, torch.softmax(logits, dim=1)


class _Sigmoid(nn.Module):
    def forward(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        return logits, torch.sigmoid(torch.cat([-logits, logits], dim=1))


class _Prediction(nn.Module):
    def forward(self, prediction: Tensor) -> tuple[Tensor]:
        return (prediction,)


TASKS: dict[str, Task] = {task.name: task for task in (Classification(), Binary(), Regression())}
