"""A training in numbers: what stays the same, what changes, what is told of it."""

from __future__ import annotations

import contextlib
import logging
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ..data.loading import LoadedDataset
from ..data.splits import Split
from ..models.devices import describe_device
from ..models.tasks import Task
from ..registry.registry import Registry
from ..runs.run import Run
from ..specs.hyperparameters import Hyperparameters
from .distributed import World

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


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """How often a run writes down where it is; the last epoch always does.

    Args:
        epochs: after every so many epochs.
        steps: and, inside an epoch, after every so many steps; 0: never.
    """

    epochs: int = 1
    steps: int = 0


@dataclass(slots=True)
class State:
    """Everything that changes while training; what :func:`zoo.training.resuming.save_last` writes.

    Args:
        model: raw inputs to answers.
        trained: its part up to the loss, as it is called in training: as it is, compiled, or of several processes.
        totals: of the epoch so far, in this process: see :func:`no_totals`.
    """

    model: nn.Sequential
    trained: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
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
    world: World
    checkpoints: Checkpoints

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

    def batch_length(self, step: int) -> int:
        """Samples in the batch of step ``step`` of an epoch, in all processes together."""
        size = self.hyperparameters.batch_size
        return min(size, len(self.train) - step * size)

    def is_divided(self, batch: int) -> bool:
        """Whether a batch of so many samples is divided among the processes.

        Where some would have less than two, which batch norm cannot take, each computes the whole.
        """
        return self.world.size > 1 and batch >= 2 * self.world.size

    def part(self, batch: int) -> slice:
        """This process's part of a batch of so many samples."""
        return self.world.part(batch) if self.is_divided(batch) else slice(0, batch)

    def arithmetic(self) -> contextlib.AbstractContextManager[object]:
        """The precision that the network and the loss are computed in."""
        kinds = {"bf16": torch.bfloat16, "fp16": torch.float16}
        kind = kinds.get(self.hyperparameters.precision)
        return torch.autocast(self.device.type, kind) if kind else contextlib.nullcontext()

    def together(self, trained: nn.Module, *, now: bool) -> contextlib.AbstractContextManager[object]:
        """Whether gradients are averaged over the processes ``now``, or are only added up."""
        inner = getattr(trained, "_orig_mod", trained)  # what torch.compile wraps
        if isinstance(inner, nn.parallel.DistributedDataParallel) and not now:
            return inner.no_sync()
        return contextlib.nullcontext()

    def steps_done(self, state: State) -> int:
        """Optimiser steps taken so far."""
        return (state.epoch - 1) * self.steps + state.step

    def notify(self, hook: str, **arguments: Any) -> None:
        """Tell the plugins; one that fails is named in a warning and stops nothing."""
        if not self.world.first:
            return
        for problem in self.registry.notify(hook, run=self.run, **arguments):
            log.warning("%s", problem)


def no_totals(device: torch.device) -> Tensor:
    """An epoch's totals at its beginning: loss, metric, samples, first step that was not finite (none: infinity)."""
    dtype = torch.float32 if device.type == "mps" else torch.float64
    return torch.tensor([0.0, 0.0, 0.0, math.inf], dtype=dtype, device=device)


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
        device=describe_device(plan.device) + (f", {plan.world.size} processes" if plan.world.size > 1 else ""),
        epochs=plan.hyperparameters.epochs,
        steps_per_epoch=plan.steps,
        first_epoch=state.epoch,
    )
