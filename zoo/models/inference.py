"""The interface of a trained model on NumPy arrays, in torch or onnxruntime, and its calibration. Imports no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formatting import html_table
from .description import ModelDescription

Array = NDArray[Any]
BATCH_SIZE = 500
RIGHT_ABOVE = 0.99
"""Of the validation answers that are not marked as unsure, this part is right …"""
LEAST_MARKED, MOST_MARKED = 0.02, 0.2
"""… but at least the first part and at most the second part of the right validation answers are marked."""
LOWEST, HIGHEST = 0.05, 20.0
"""The range of the temperature."""


class InferenceModel(ABC):
    """A trained model that runs on NumPy arrays; :func:`zoo.open_model` returns one.

    Attributes:
        description: the inputs of the model, and the names of its outputs.
        engine: what runs the model: ``torch`` or ``onnxruntime``.
    """

    description: ModelDescription
    engine: str

    @abstractmethod
    def run(self, inputs: Array) -> tuple[Array, ...]:
        """All outputs for one batch.

        Args:
            inputs: raw samples, uint8 ``[N, C, H, W]`` (0 to 255), float32 ``[N, F]`` (each column in its own unit,
                NaN if missing), or what another kind of input holds.

        Returns:
            ``(logits, probabilities)``, float32 ``[N, K]`` each, for K classes; for a binary task the logits are
            ``[N, 1]`` and the probabilities ``[N, 2]``. For a regression ``(prediction,)``, float32 ``[N, K]``, in the
            targets' units.
        """

    def outputs(self, inputs: Array, batch_size: int = BATCH_SIZE) -> Array:
        """The first output, float32 ``[N, K]``, for any number of raw samples ``[N, …]``, computed in batches."""
        places = range(0, len(inputs), batch_size)
        return np.concatenate([self.run(inputs[place : place + batch_size])[0] for place in places])

    def _repr_html_(self) -> str:
        """The description as a table in a notebook."""
        d = self.description
        rows = {
            "model": f"{d.name}, {d.task}, from {d.origin}",
            "runs on": self.engine,
            "takes": d.input_text,
            "predicts": ", ".join(d.labels) or "a number",
            "data": d.dataset,
        }
        return html_table((), rows.items())

    def __repr__(self) -> str:
        d = self.description
        return f"<{type(self).__name__} {d.name}: {d.task} on {d.dataset}, input {d.input_shape}, in {self.engine}>"


def calibrate(logits: Array, targets: Array) -> dict[str, float] | None:
    """The temperature of a classifier, and the limit of the confidence below which an answer is unsure.

    Temperature scaling (Guo et al. 2017): probabilities are the softmax of the logits, divided by the one number that
    gives the lowest cross-entropy on the validation split. Nothing is chosen on the test split.

    Args:
        logits: of the validation split, ``[N, K]`` (K is 1 for a binary task).
        targets: the indices of the right classes, ``[N]``.

    Returns:
        ``temperature`` and ``limit`` (0 to 1); None if no answer is right, or a logit is not finite.
    """
    from scipy.optimize import minimize_scalar

    scores = _scores(logits)
    right = scores.argmax(axis=1) == targets
    if not right.any() or not np.isfinite(scores).all():
        return None

    def cross_entropy(exponent: float) -> float:
        return float(-_log_softmax(scores / np.exp(exponent))[np.arange(len(targets)), targets].mean())

    temperature = 1.0  # if no answer is wrong, cross-entropy only says that the temperature should be low
    if not right.all():
        found = minimize_scalar(cross_entropy, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded")
        temperature = round(float(np.exp(found.x)), 4)
    return {"temperature": temperature, "limit": _limit(confidence(logits, temperature), right)}


def confidence(logits: Array, temperature: float) -> Array:
    """The calibrated probability of the predicted class, 0 to 1, ``[N]``, from the logits ``[N, K]``."""
    return np.asarray(np.exp(_log_softmax(_scores(logits) / temperature).max(axis=1)))


def _limit(confident: Array, right: Array) -> float:
    order = np.argsort(confident)
    # the part of right answers from each place on; the limit is the lowest one from which enough are right
    above = np.cumsum(right[order][::-1])[::-1] / np.arange(len(order), 0, -1)
    enough = np.flatnonzero(above >= RIGHT_ABOVE)
    wanted = confident[order[enough[0]]] if len(enough) else 1.0
    low, high = np.quantile(confident[right], [LEAST_MARKED, MOST_MARKED])
    return float(np.floor(min(max(wanted, low), high) * 10_000) / 10_000)


def _scores(logits: Array) -> Array:
    """The logits of all classes, float64: those of a binary task are that of no, which is 0, and that of yes."""
    scores = logits.astype(np.float64)
    return np.concatenate([np.zeros_like(scores), scores], axis=1) if scores.shape[1] == 1 else scores


def _log_softmax(scores: Array) -> Array:
    shifted = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
