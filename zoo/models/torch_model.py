"""Run a checkpoint in torch, on NumPy arrays."""

from __future__ import annotations

import torch
from torch import nn

from .description import ModelDescription
from .inference import Array, InferenceModel
from .trained import TrainedModel


class TorchModel(InferenceModel):
    """The best checkpoint of a run, or the weights that ship with an architecture, run in torch on the CPU."""

    engine = "torch"

    def __init__(self, trained: TrainedModel) -> None:
        self.trained = trained
        self.module = nn.Sequential(trained.module, trained.task.answers()).eval()
        self.description = ModelDescription.from_dict(trained.describe(), trained.origin)

    @torch.inference_mode()
    def run(self, inputs: Array) -> tuple[Array, ...]:
        """See :meth:`InferenceModel.run`."""
        return tuple(output.numpy() for output in self.module(torch.from_numpy(inputs)))
