"""Loss, metrics and predictions of the built-in tasks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo import Hyperparameters, Rescale, Task, TaskMethods


class _Classes(TaskMethods):
    """What the tasks that predict a class have in common."""

    def baseline(self, known: Tensor, targets: Tensor) -> dict[str, float]:
        """The accuracy of the most frequent class of the training targets ``known``."""
        return {"accuracy": float((targets == known.mode().values).double().mean())}


class Classification(_Classes):
    """One class out of several: cross-entropy, accuracy. Targets are class indices, int64 ``[N]``."""

    def loss(self, outputs: Tensor, targets: Tensor, hyperparameters: Hyperparameters) -> Tensor:
        """Cross-entropy, with the label smoothing of the recipe."""
        return functional.cross_entropy(outputs, targets, label_smoothing=hyperparameters.label_smoothing)

    def metric_of_each(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """1 if the largest logit is that of the target, else 0."""
        return (outputs.argmax(dim=1) == targets).to(outputs.dtype)

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Cross-entropy without label smoothing, and accuracy."""
        return {
            "loss": functional.cross_entropy(outputs, targets, reduction="none"),
            "accuracy": self.metric_of_each(outputs, targets),
        }

    def answers(self) -> nn.Module:
        """Logits and softmax."""
        return _Softmax()


class Binary(_Classes):
    """Yes or no: one logit, binary cross-entropy. Targets are int64 ``[N]``, 0 or 1."""

    whole_split = True

    def loss(self, outputs: Tensor, targets: Tensor, hyperparameters: Hyperparameters) -> Tensor:
        """Binary cross-entropy, with the label smoothing of the recipe."""
        smoothing = hyperparameters.label_smoothing
        wanted = targets.to(outputs.dtype) * (1 - smoothing) + smoothing / 2
        return functional.binary_cross_entropy_with_logits(outputs[:, 0], wanted)

    def metric_of_each(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """1 if the predicted class is the target, else 0."""
        return (self.decisions(outputs) == targets).to(outputs.dtype)

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Binary cross-entropy without label smoothing, and accuracy."""
        wanted = targets.to(outputs.dtype)
        return {
            "loss": functional.binary_cross_entropy_with_logits(outputs[:, 0], wanted, reduction="none"),
            "accuracy": self.metric_of_each(outputs, targets),
        }

    def summarise(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """The area under the ROC curve (if both classes occur), and F1 of class 1."""
        from sklearn.metrics import f1_score, roc_auc_score

        truth, logits = targets.cpu().numpy(), outputs[:, 0].double().cpu().numpy()
        auc = {"auc": float(roc_auc_score(truth, logits))} if 0 < truth.sum() < len(truth) else {}
        return auc | {"f1": float(f1_score(truth, logits > 0, zero_division=0.0))}

    def score(self, metrics: dict[str, float]) -> tuple[float, ...]:
        """The negative loss: tables have few validation samples, so that accuracy is too coarse."""
        return (-metrics["loss"],)

    def answers(self) -> nn.Module:
        """The logit ``[N, 1]``, and the probabilities of no and yes ``[N, 2]``."""
        return _Sigmoid()


class Regression(TaskMethods):
    """One number or several: squared error. Targets are float32 ``[N, K]`` in their own units.

    The network learns standardised targets, and :class:`Rescale` converts its outputs to the target's units. The loss
    is computed on standardised targets, every other metric in the target's units.
    """

    whole_split = True

    def __init__(self, spec: Task, rescale: Rescale | None = None) -> None:
        super().__init__(spec)
        self.rescale = rescale or Rescale(torch.zeros(1), torch.ones(1), "linear")

    def fit(self, targets: Tensor, hyperparameters: Hyperparameters) -> TaskMethods:
        """The task with the mean and standard deviation of ``targets``, on the scale of the recipe.

        Raises:
            DataError: the scale does not allow these targets.
        """
        return Regression(self.spec, Rescale.fit(targets, hyperparameters.target_scale))

    def restore(self, postprocess: nn.Module | None) -> TaskMethods:
        """The task with the scale of a loaded model."""
        assert isinstance(postprocess, Rescale)
        return Regression(self.spec, postprocess)

    def to(self, device: torch.device) -> TaskMethods:
        """The task with the scale of the targets on ``device``."""
        return Regression(self.spec, self.postprocess().to(device))

    def network_targets(self, targets: Tensor) -> Tensor:
        """Standardised targets."""
        return self.rescale.standardise(targets)

    def postprocess(self) -> Rescale:
        """The conversion from standardised outputs to the target's units."""
        return Rescale(self.rescale.mean.clone(), self.rescale.std.clone(), self.rescale.scale)

    def loss(self, outputs: Tensor, targets: Tensor, hyperparameters: Hyperparameters) -> Tensor:
        """Mean squared error, or Huber loss if the recipe says so, on standardised targets."""
        wanted = self.rescale.standardise(targets)
        if hyperparameters.huber:
            return functional.huber_loss(outputs, wanted, delta=hyperparameters.huber)
        return functional.mse_loss(outputs, wanted)

    def metric_of_each(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The absolute error in the target's units, averaged over the K targets."""
        return (outputs - targets).abs().mean(dim=1)

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Squared error of standardised targets, and absolute error in the target's units."""
        return {
            "loss": (self.rescale.standardise(outputs) - self.rescale.standardise(targets)).square().mean(dim=1),
            "mae": self.metric_of_each(outputs, targets),
        }

    def summarise(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """The root mean squared error in the target's units, and R² if the targets vary."""
        from sklearn.metrics import r2_score

        truth, predicted = targets.double().cpu().numpy(), outputs.double().cpu().numpy()
        rmse = {"rmse": float(((truth - predicted) ** 2).mean()) ** 0.5}
        varies = len(truth) > 1 and bool((truth.std(axis=0) > 0).all())
        return rmse | ({"r2": float(r2_score(truth, predicted))} if varies else {})

    def baseline(self, known: Tensor, targets: Tensor) -> dict[str, float]:
        """The mean absolute error of the best constant: the median of the training targets ``known``."""
        return {"mae": float((targets.double() - known.double().median(dim=0).values).abs().mean())}


class _Softmax(nn.Module):
    def forward(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        return logits, torch.softmax(logits, dim=1)


class _Sigmoid(nn.Module):
    def forward(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        return logits, torch.sigmoid(torch.cat([-logits, logits], dim=1))
