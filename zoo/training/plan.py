"""A training between two steps: :class:`Plan` holds what stays the same, :class:`State` what changes."""

from __future__ import annotations

import contextlib
import logging
import math
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ..data.loading import LoadedDataset
from ..data.splits import Split
from ..models.tasks import TaskMethods
from ..registry.registry import Registry
from ..runs.run import Run
from ..specs.hyperparameters import Hyperparameters
from .distributed import World
from .optimisation import make_average
from .preparation import Prepared
from .recipe import count_steps
from .recipe_parts import RecipeParts
from .request import Checkpoints

log = logging.getLogger("zoo")

_AUTOCAST_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(slots=True)
class State:
    """Everything that changes during a training; :func:`zoo.training.resuming.save_last` writes it to a checkpoint.

    Args:
        model: raw inputs to predictions.
        training_module: normalisation and network of ``model`` as the training step calls them: compiled, or wrapped
            for several processes, or as they are.
        optimizer: updates the trainable parameters of ``model``.
        scaler: gradient scaling of fp16; disabled for other precisions.
        totals: sums over the epoch so far in this process, see :func:`zero_totals`.
        average: moving average of the weights, if the recipe uses one.
        epoch: the current epoch, from 1.
        step: optimiser steps done in the current epoch.
        best: epoch, validation metrics and score of the best epoch so far.
        seconds: training time so far, without pauses between a stop and a resume.
    """

    model: nn.Sequential
    training_module: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    totals: Tensor
    average: AveragedModel | None = None
    epoch: int = 1
    step: int = 0
    best: dict[str, Any] | None = None
    seconds: float = 0.0

    @property
    def evaluated_model(self) -> nn.Module:
        """The model that is validated and saved: the moving average if the recipe uses one, else the model itself."""
        return self.average.module if self.average is not None else self.model


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that stays the same during a training.

    Args:
        run: the run folder.
        registry: the plugins to notify.
        data: the data with its three splits.
        hyperparameters: all of them.
        parts: the recipe parts that they name.
        task: loss and metrics, on the device.
        seed: seed of everything random in the training.
        device: the device of this process.
        train: the training split on the device; on disk if it is mapped.
        validation: the validation split, likewise.
        world: the processes of the training.
        checkpoints: how often to write a checkpoint to resume from.
    """

    run: Run
    registry: Registry
    data: LoadedDataset
    hyperparameters: Hyperparameters
    parts: RecipeParts
    task: TaskMethods
    seed: int
    device: torch.device
    train: Split
    validation: Split
    world: World
    checkpoints: Checkpoints

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in an epoch."""
        return count_steps(self.hyperparameters, len(self.train))

    @property
    def total_steps(self) -> int:
        """Optimiser steps in the whole run."""
        return self.hyperparameters.epochs * self.steps_per_epoch

    @property
    def mixes(self) -> bool:
        """Whether each training image is mixed with another one."""
        return self.hyperparameters.mixup > 0 and self.train.inputs.ndim == 4

    def batch_length(self, step: int) -> int:
        """Number of samples in the batch of a step (from 0) of an epoch, over all processes."""
        size = self.hyperparameters.batch_size
        return min(size, len(self.train) - step * size)

    def is_divided(self, batch: int) -> bool:
        """Whether a batch of ``batch`` samples is divided among the processes.

        If a process would get fewer than two samples, on which batch norm cannot train, each computes the whole batch.
        """
        return self.world.size > 1 and batch >= 2 * self.world.size

    def part(self, batch: int) -> slice:
        """The part of a batch of ``batch`` samples that this process computes."""
        return self.world.part(batch) if self.is_divided(batch) else slice(0, batch)

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """The precision of the forward pass and of the loss."""
        dtype = _AUTOCAST_TYPES.get(self.hyperparameters.precision)
        return torch.autocast(self.device.type, dtype) if dtype else contextlib.nullcontext()

    def rate(self, step: int) -> float:
        """The learning rate of optimiser step ``step`` of the run, from 0."""
        return self.parts.rate(self.hyperparameters, step, self.total_steps)

    def steps_done(self, state: State) -> int:
        """Optimiser steps done since the start of the run."""
        return (state.epoch - 1) * self.steps_per_epoch + state.step

    def notify(self, hook: str, **arguments: Any) -> None:
        """Call a training hook of all plugins, in the first process only. A plugin that fails causes a warning."""
        if not self.world.first:
            return
        for problem in self.registry.notify(hook, run=self.run, **arguments):
            log.warning("%s", problem)


def make_plan(run: Run, prepared: Prepared, world: World) -> Plan:
    """The plan of a training. This moves the training and validation split to the device."""
    splits, device = prepared.data.splits, prepared.device
    assert splits.validation is not None  # read_dataset always adds a validation split
    return Plan(
        run,
        prepared.registry,
        prepared.data,
        prepared.hyperparameters,
        prepared.parts,
        prepared.task.to(device),
        prepared.seed,
        device,
        splits.train.to(device),
        splits.validation.to(device),
        world,
        _checkpoints(run),
    )


def _checkpoints(run: Run) -> Checkpoints:
    found = run.config.get("checkpoints", {})  # without the fields of later versions
    return Checkpoints(found.get("epochs", 1), found.get("steps", 0))


def make_state(model: nn.Sequential, plan: Plan) -> State:
    """The state before the first step. This moves the model to the device."""
    # convolutions are fastest with the channels last, on CPU and GPU
    model = model.to(plan.device).to(memory_format=torch.channels_last)
    h = plan.hyperparameters
    # torch has no SyncBatchNorm for the CPU
    if plan.world.size > 1 and plan.device.type == "cuda":  # pragma: no cover - needs CUDA
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    return State(
        model,
        _training_module(model, plan.device, plan.world, compiled=h.compile),
        plan.parts.optimizer(model, h),
        torch.amp.GradScaler(plan.device.type, enabled=h.precision == "fp16"),
        zero_totals(plan.device),
        make_average(model, h.ema),
    )


def zero_totals(device: torch.device) -> Tensor:
    """The totals at the start of an epoch: sums of loss, metric and samples, and the first step with a bad loss.

    A bad loss is NaN or infinite. Without one the step is infinite.
    """
    dtype = torch.float32 if device.type == "mps" else torch.float64
    return torch.tensor([0.0, 0.0, 0.0, math.inf], dtype=dtype, device=device)


def _training_module(model: nn.Sequential, device: torch.device, world: World, *, compiled: bool) -> nn.Module:
    """Normalisation and network, wrapped for several processes and compiled if asked for."""
    module: nn.Module = model[:2]
    if world.size > 1:
        ids = [device.index] if device.type == "cuda" else None
        module = nn.parallel.DistributedDataParallel(module, device_ids=ids, gradient_as_bucket_view=True)
    if compiled:
        # CUDA graphs: launching the kernels would take longer than such small steps
        return cast("nn.Module", torch.compile(module, mode="reduce-overhead" if device.type == "cuda" else None))
    return module
