"""What is exported and judged: a trained model as an exporter sees it."""

from __future__ import annotations

import copy
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..data.loading import LoadedDataset
from ..data.splits import Split
from ..models.scores import predict_logits
from ..models.tasks import Task
from ..models.trained import TrainedModel

CALIBRATION_SAMPLES = 512


@dataclass(frozen=True, slots=True)
class ExportSource:
    """What an exporter is given.

    Args:
        name: of the architecture.
        model: inputs ``[N, …]`` to a tuple of outputs, one for each of ``task.outputs``, the network's own first;
            float32, evaluation mode, on the CPU.
        task: what it learnt.
        test: the test split: raw inputs, uint8 ``[N, C, H, W]`` or float32 ``[N, F]``, and targets. Standardised
            inputs where the export leaves the normalisation out.
        recorded: the run's own test metrics, or None where it was stopped before it had any.
        description: what goes into the file: architecture, data, labels, metrics, checkpoint. No time stamp.
        evaluated_on: the dataset that ``test`` is of.
        origin: the run, or ``weights of NAME``.
        calibration: training samples like the inputs of ``test``, to choose the ranges of a quantised file by.
    """

    name: str
    model: nn.Module
    task: Task
    test: Split
    recorded: dict[str, float] | None
    description: dict[str, Any]
    evaluated_on: str = ""
    origin: str = ""
    calibration: Tensor | None = None

    def samples(self, count: int) -> Tensor:
        """The first ``count`` inputs of the test split, from the beginning again where it has fewer."""
        return self.test.inputs[torch.arange(count) % len(self.test)]

    def in_float64(self) -> nn.Module:
        """A copy of the model that computes in float64: the judge of everything that computes in float32."""
        return _InFloat64(copy.deepcopy(self.model).double())


class _InFloat64(nn.Module):
    """Gives ``model`` its inputs in float64 too, where they are floats and it has no normalisation to convert them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        outputs: tuple[Tensor, ...] = self.model(inputs.double() if inputs.is_floating_point() else inputs)
        return outputs


def make_source(trained: TrainedModel, data: LoadedDataset, *, preprocess: bool = True) -> ExportSource:
    """The source for exporting ``trained``, judged on the test split of ``data``.

    Args:
        preprocess: whether normalisation is part of the model; else it takes standardised floats.
    """
    task, parts = trained.task, OrderedDict(trained.module.named_children())
    test, calibration = data.splits.test, _calibration(data.splits.train.inputs)
    if not preprocess:
        normalise = parts.pop("preprocess")
        # clones, because torch traces no tensor that was made in inference mode
        test = replace(test, inputs=predict_logits(normalise, test.inputs).clone())
        calibration = predict_logits(normalise, calibration).clone()
    return ExportSource(
        name=trained.metadata["architecture"],
        model=nn.Sequential(nn.Sequential(parts), task.answers()).eval(),
        task=task,
        test=test,
        recorded=None if data.stand_in_for else trained.recorded,
        description=trained.describe(preprocess=preprocess),
        evaluated_on=str(data),
        origin=trained.origin,
        calibration=calibration,
    )


def _calibration(inputs: Tensor) -> Tensor:
    random = torch.Generator().manual_seed(0)
    return inputs[torch.randperm(len(inputs), generator=random)[:CALIBRATION_SAMPLES]]
