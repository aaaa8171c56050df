"""The interface of a trained model on NumPy arrays, in torch or onnxruntime. Imports no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formatting import html_table
from .description import ModelDescription

Array = NDArray[Any]
BATCH_SIZE = 500


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
            inputs: raw samples, uint8 ``[N, C, H, W]`` (0 to 255) or float32 ``[N, F]`` (each column in its own unit,
                NaN if missing).

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
        shape = " x ".join(map(str, d.input_shape))
        rows = {
            "model": f"{d.name}, {d.task}, from {d.origin}",
            "runs on": self.engine,
            "takes": f"{shape} {'uint8 pixels' if d.takes_images else 'columns'}",
            "predicts": ", ".join(d.labels) or "a number",
            "data": d.dataset,
        }
        return html_table((), rows.items())

    def __repr__(self) -> str:
        d = self.description
        return f"<{type(self).__name__} {d.name}: {d.task} on {d.dataset}, input {d.input_shape}, in {self.engine}>"
