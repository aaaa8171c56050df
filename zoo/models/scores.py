"""Evaluate a model on a split, in torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from ..data.splits import Split
from ..registry.registry import create_registry
from .devices import exact
from .guarded_task import load_task
from .tasks import TaskMethods

BATCH_SIZE = 1_000


@dataclass(frozen=True, slots=True)
class Scores:
    """The metrics of a model on a split.

    Args:
        metrics: by name, over all samples: ``accuracy`` (0 to 1), ``mae`` (in the target's units), ``loss`` …
        samples: the number of samples.
    """

    metrics: dict[str, float]
    samples: int


class Processes(Protocol):
    """The interface of processes that share an evaluation, such as :class:`zoo.training.distributed.World`."""

    @property
    def size(self) -> int:
        """The number of processes."""

    def part(self, count: int) -> slice:
        """The samples of this process, out of ``count``."""

    def sum(self, values: Tensor) -> Tensor:
        """The sum of ``values`` over all processes."""

    def gather(self, values: Tensor) -> Tensor:
        """The ``values`` ``[N, …]`` of all processes, concatenated in order."""


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    split: Split,
    task: TaskMethods | str,
    batch_size: int = BATCH_SIZE,
    *,
    world: Processes | None = None,
) -> Scores:
    """Evaluate ``model`` on every sample of ``split``, in evaluation mode; its mode is restored afterwards.

    Args:
        model: raw samples ``[N, …]`` to logits, or to predictions in the target's units.
        split: on the model's device, unless it is mapped from disk.
        task: the task of the model, or its name among all installed plugins.
        batch_size: samples in one call of the model. The metrics do not depend on it, except for rounding.
        world: the processes that share the evaluation: each takes a part of the samples, all get the same metrics.
    """
    task = load_task(create_registry().task(task)) if isinstance(task, str) else task
    device = next((parameter.device for parameter in model.parameters()), split.targets.device)
    wide = torch.float32 if device.type == "mps" else torch.float64
    if world is not None and len(split) < world.size:
        world = None  # too few samples to share: each process evaluates all
    training = model.training
    model.eval()
    sums: dict[str, Tensor] = {}
    kept: list[Tensor] = []
    with exact(device, tf32=False):
        part = world.part(len(split)) if world else slice(0, len(split))
        places = (
            slice(start, min(start + batch_size, part.stop)) for start in range(part.start, part.stop, batch_size)
        )
        for batch in split.feed(places, device):
            outputs = model(batch.inputs).float()
            if task.whole_split:
                kept.append(outputs)
            for name, values in task.measure(outputs, batch.targets).items():
                total = values.sum(dtype=wide)
                sums[name] = sums[name] + total if name in sums else total
    model.train(training)
    metrics = {name: float(world.sum(total) if world else total) / len(split) for name, total in sums.items()}
    if kept:
        outputs = torch.cat(kept)
        metrics |= task.summarise(world.gather(outputs) if world else outputs, split.targets.to(device))
    return Scores(metrics, len(split))


@torch.inference_mode()
def logits_of(model: nn.Module, split: Split, device: torch.device, batch_size: int = BATCH_SIZE) -> Tensor:
    """The logits of a split, float32 ``[N, K]``, in evaluation mode on ``device``; the mode is restored afterwards."""
    training = model.training
    model.eval()
    places = (slice(start, min(start + batch_size, len(split))) for start in range(0, len(split), batch_size))
    with exact(device, tf32=False):
        logits = torch.cat([model(batch.inputs).float() for batch in split.feed(places, device)])
    model.train(training)
    return logits


@torch.inference_mode()
def predict_logits(model: nn.Module, inputs: Tensor, batch_size: int = BATCH_SIZE) -> Tensor:
    """The logits ``[N, K]`` for raw ``inputs`` ``[N, …]``, in the model's mode and precision."""
    return torch.cat([model(batch) for batch in torch.split(inputs, batch_size)])
