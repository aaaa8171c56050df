"""The export source: the model and the test data that an exporter gets, and how both are prepared."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..data.loading import LoadedDataset, load_again, read_dataset
from ..data.splits import Split
from ..errors import DataUnavailable
from ..inputs.methods import InputMethods
from ..inputs.probing import extreme_inputs, probe_inputs
from ..models.float64 import Float64Reference
from ..models.scores import predict_logits
from ..models.tasks import TaskMethods
from ..models.trained import TrainedModel
from ..registry.registry import Registry
from ..specs.columns import columns_from_json
from ..specs.dataset import Dataset

log = logging.getLogger("zoo")

INPUT_NAME, BATCH_NAME = "input", "batch"
"""The name of an exported model's input, and of the first dimension of its input and outputs."""
CALIBRATION_SAMPLES = 512


@dataclass(frozen=True, slots=True)
class ExportSource:
    """The model and the data that an exporter gets.

    Args:
        name: the architecture.
        model: computes a tuple of outputs, one for each name in ``task.outputs``, from inputs ``[N, …]`` like those of
            ``test``. The first output ``[N, K]`` is the network's own: logits, or predictions in the target's units.
            The model is in evaluation mode, float32, on the CPU.
        task: the task that the model was trained for; it names the outputs and computes the metric.
        test: the test split. Its inputs are raw: uint8 images ``[N, C, H, W]``, 0 to 255, or float32 columns
            ``[N, F]`` in their own units, NaN if missing. If the export leaves normalisation out, the inputs are
            normalised instead: float32, mean 0 and standard deviation 1 over the training split.
        recorded: the test metrics that the run recorded, by name; accuracy as a fraction, errors in the target's units.
            None if the training was stopped before its end, or if ``test`` is a stand-in.
        description: the metadata that goes into the file: architecture, data, labels, metrics, hash of the checkpoint.
            JSON values only, no time stamp, no path.
        evaluated_on: the dataset of ``test``, in words.
        origin: the run as ``ARCHITECTURE/RUN``, or ``weights of NAME`` if the weights came with the architecture.
        calibration: up to 512 training inputs, of the same shape, type and units as ``test.inputs``, from which
            quantisation takes the ranges of values; None if there are none.
        inputs: the kind of input of ``test``, which knows hostile inputs; None: images or columns.
    """

    name: str
    model: nn.Module
    task: TaskMethods
    test: Split
    recorded: dict[str, float] | None
    description: dict[str, Any]
    evaluated_on: str = ""
    origin: str = ""
    calibration: Tensor | None = None
    inputs: InputMethods | None = None

    def extremes(self, real: Tensor, random: torch.Generator) -> Iterator[tuple[str, Tensor]]:
        """Extremes and noise like a batch of real samples, each kind with its name, always the same."""
        if self.inputs is not None:
            return self.inputs.extremes(real, self.test.inputs, random)
        return extreme_inputs(real, self.test.inputs, random, missing=self._accepts_missing)

    def probes(self, real: Tensor, random: torch.Generator) -> Iterator[tuple[str, Tensor]]:
        """Other inputs like a batch of real samples, for each seed of ``random``."""
        if self.inputs is not None:
            return self.inputs.probes(real, self.test.inputs, random)
        return probe_inputs(real, self.test.inputs, random, missing=self._accepts_missing)

    @property
    def _accepts_missing(self) -> bool:
        return bool(self.description.get("columns")) and self.description.get("normalises", True)

    def samples(self, count: int) -> Tensor:
        """The first ``count`` inputs of the test split, ``[count, …]``; a smaller split is repeated."""
        return self.test.inputs[torch.arange(count) % len(self.test)]

    def in_float64(self) -> nn.Module:
        """A copy of the model that computes in float64: the reference for everything that computes in float32.

        Casts keep their meaning: to integers, and to half precision.
        """
        return Float64Reference(self.model)


def load_test_data(trained: TrainedModel, registry: Registry, folder: Path) -> LoadedDataset:
    """The dataset that ``trained`` learnt from, with its test split.

    If the weights came with the architecture and their dataset is missing, a bundled stand-in of the same shape takes
    its place: it can still show whether an exported file computes the same as torch.

    Args:
        folder: the data folder.

    Raises:
        DataUnavailable: the dataset is missing and cannot be downloaded.
        DataError: the dataset has changed since the training.
    """
    try:
        return load_again(trained.metadata, registry, folder)
    except DataUnavailable as error:
        recorded = trained.metadata["data"]
        name = recorded["name"]
        stand_in = registry.datasets.get(registry.dataset(name).stand_in) if name in registry.datasets else None
        if trained.shipped and stand_in and _has_same_inputs(stand_in, recorded):
            log.warning("%s The bundled %s is used instead.", error, stand_in.name)
            return replace(read_dataset(stand_in, registry, folder, download=False), stand_in_for=name)
        raise DataUnavailable(
            f"{error} The test split of {name} is needed; --data-dir sets the folder that it is in."
        ) from error


def _has_same_inputs(dataset: Dataset, recorded: dict[str, Any]) -> bool:
    columns = columns_from_json(recorded.get("columns", []))
    if dataset.input != (recorded.get("input") or dataset.input):
        return False
    return list(dataset.input_shape) == recorded["input_shape"] and dataset.columns == columns


def make_source(trained: TrainedModel, data: LoadedDataset, *, preprocess: bool = True) -> ExportSource:
    """Prepare ``trained`` for export, with the test split of ``data``.

    Args:
        preprocess: whether normalisation is part of the exported model; otherwise it takes normalised floats.
    """
    task, parts = trained.task, OrderedDict(trained.module.named_children())
    test, calibration = data.splits.test, _calibration(data.splits.train.inputs)
    inputs: InputMethods | None = trained.inputs
    if not preprocess:
        normalise = parts.pop("preprocess")
        # cloned, because torch.export cannot trace tensors that were made in inference mode
        test = replace(test, inputs=predict_logits(normalise, test.inputs).clone())
        calibration = predict_logits(normalise, calibration).clone()
        # standardised numbers are like columns, whatever they were before
        inputs = None if test.inputs.is_floating_point() else trained.inputs.without_normalisation()
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
        inputs=inputs,
    )


def _calibration(inputs: Tensor) -> Tensor:
    random = torch.Generator().manual_seed(0)
    return inputs[torch.randperm(len(inputs), generator=random)[:CALIBRATION_SAMPLES]]
