"""A training in numbers: what stays the same, what changes, what is told of it."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from .data import Split
from .devices import describe_device
from .hyperparameters import Hyperparameters
from .loading import LoadedDataset
from .registry import Registry
from .runs import Run
from .tasks import Task

log = logging.getLogger("zoo")


@dataclass(frozen=True, slots=True)
class Progress:
    """What ``train_progressed`` tells.

    Args:
        epoch, epochs: the current epoch, from 1, and how many there are.
        step, steps: the current step of the epoch, from 1, and how many an epoch has.
        loss, metric: means over the epoch so far.
        metric_name: which metric it is.
        lr: the current learning rate.
        samples_per_second: training samples in a second of this epoch.
        seconds_left: an estimate.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    metric_name: str
    metric: float
    lr: float
    samples_per_second: float
    seconds_left: float


@dataclass(slots=True)
class State:
    """Everything that changes while training; what :func:`save_last` writes."""

    model: nn.Sequential
    optimizer: torch.optim.Optimizer
    totals: Tensor
    average: AveragedModel | None = None
    epoch: int = 1
    step: int = 0
    best: dict[str, Any] | None = None
    seconds: float = 0.0

    @property
    def judged(self) -> nn.Module:
        """What is validated and kept: the average of the weights, where the recipe asks for one."""
        return self.average.module if self.average is not None else self.model


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that does not."""

    run: Run
    registry: Registry
    data: LoadedDataset
    hyperparameters: Hyperparameters
    task: Task
    seed: int
    device: torch.device
    train: Split
    validation: Split

    @property
    def steps(self) -> int:
        """Optimiser steps in an epoch. A last batch of one sample is left out: batch norm cannot take it."""
        size, batch = len(self.train), self.hyperparameters.batch_size
        steps = math.ceil(size / batch)
        return steps - 1 if size % batch == 1 and steps > 1 else steps

    @property
    def total_steps(self) -> int:
        """Optimiser steps in the whole run."""
        return self.hyperparameters.epochs * self.steps

    def steps_done(self, state: State) -> int:
        """Optimiser steps taken so far."""
        return (state.epoch - 1) * self.steps + state.step

    def notify(self, hook: str, **arguments: Any) -> None:
        """Tell the plugins; one that fails is named in a warning and stops nothing."""
        for problem in self.registry.notify(hook, run=self.run, **arguments):
            log.warning("%s", problem)


def no_totals(device: torch.device) -> Tensor:
    """An epoch's totals at its beginning: loss, metric, first step that was not finite (none: infinity)."""
    dtype = torch.float32 if device.type == "mps" else torch.float64
    return torch.tensor([0.0, 0.0, math.inf], dtype=dtype, device=device)


@dataclass(frozen=True, slots=True)
class TrainingStart:
    """What ``train_started`` tells: what is trained on what, and where.

    Args:
        dataset: its name, and that of the one it stands in for.
        metric: the metric that is shown.
        samples: how many, by split: ``train``, ``validation``, ``test``.
        parameters: how many are trainable.
        device: such as ``cpu`` or ``cuda``.
        epochs: how many there are in all.
        steps_per_epoch: how many an epoch has.
        first_epoch: 1, or the one that a resumed training goes on with.
    """

    dataset: str
    metric: str
    samples: dict[str, int]
    parameters: int
    device: str
    epochs: int
    steps_per_epoch: int
    first_epoch: int


def describe_start(plan: Plan, state: State) -> TrainingStart:
    """What listeners are told as a training begins."""
    samples = {
        "train": len(plan.train),
        "validation": len(plan.validation),
        "test": len(plan.data.splits.test),
    }
    return TrainingStart(
        dataset=str(plan.data),
        metric=plan.task.metric,
        samples=samples,
        parameters=plan.run.config["parameters"],
        device=describe_device(plan.device),
        epochs=plan.hyperparameters.epochs,
        steps_per_epoch=plan.steps,
        first_epoch=state.epoch,
    )
