"""A trained model as something that takes arrays and answers, whatever runs it. Imports no torch."""

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
    """A trained model, ready to answer; :func:`zoo.open_model` gives one.

    Args:
        description: what goes in, and what the answers are called.
        engine: what runs it: ``torch`` or ``onnxruntime``.
    """

    description: ModelDescription
    engine: str

    @abstractmethod
    def run(self, inputs: Array) -> tuple[Array, ...]:
        """All outputs for one batch of raw samples, uint8 ``[N, C, H, W]`` or float32 ``[N, F]``.

        Returns:
            ``(logits, probabilities)``, each ``[N, K]``, or for a regression ``(prediction,)`` in the target's units.
        """

    def outputs(self, inputs: Array, batch_size: int = BATCH_SIZE) -> Array:
        """The first output, float32 ``[N, K]``, for any number of raw samples."""
        places = range(0, len(inputs), batch_size)
        return np.concatenate([self.run(inputs[place : place + batch_size])[0] for place in places])

    def _repr_html_(self) -> str:
        """A notebook's view."""
        d = self.description
        shape = " x ".join(map(str, d.input_shape))
        rows = {
            "model": f"{d.name}, {d.task}, from {d.origin}",
            "runs on": self.engine,
            "takes": f"{shape} {'uint8 pixels' if d.takes_images else 'columns'}",
            "answers": ", ".join(d.labels) or "a number",
            "data": d.dataset,
        }
        return html_table((), rows.items())

    def __repr__(self) -> str:
        d = self.description
        return f"<{type(self).__name__} {d.name}: {d.task} on {d.dataset}, input {d.input_shape}, by {self.engine}>"
