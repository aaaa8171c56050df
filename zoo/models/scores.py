"""How good a model is on a split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from ..data.splits import Split
from .devices import exact
from .tasks import TASKS, Task

BATCH_SIZE = 1_000


@dataclass(frozen=True, slots=True)
class Scores:
    """Metrics over all samples of a split: ``metrics["accuracy"]``, ``metrics["loss"]`` …"""

    metrics: dict[str, float]
    samples: int


class Processes(Protocol):
    """The processes that share an evaluation; :class:`zoo.training.distributed.World` is one."""

    @property
    def size(self) -> int:
        """How many there are."""

    def part(self, count: int) -> slice:
        """This process's part of ``count`` samples."""

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes."""

    def gather(self, values: Tensor) -> Tensor:
        """The ``[N, …]`` of all processes, one after another."""


@torch.inference_mode()
def evaluate(
    model: nn.Module, split: Split, task: Task | str, batch_size: int = BATCH_SIZE, *, world: Processes | None = None
) -> Scores:
    """Measure ``model`` on every sample of ``split``, which must be on the model's device unless it is mapped.

    Several processes each take a share of the samples; every sample counts once, and all get the same answer.

    The model is put in evaluation mode for the time being, and its mode given back.
    """
    task = TASKS[task] if isinstance(task, str) else task
    device = next((parameter.device for parameter in model.parameters()), split.targets.device)
    wide = torch.float32 if device.type == "mps" else torch.float64
    if world is not None and len(split) < world.size:
        world = None  # too few to divide: each process takes them all
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
def predict_logits(model: nn.Module, inputs: Tensor, batch_size: int = BATCH_SIZE) -> Tensor:
    """The logits ``[N, outputs]`` for raw ``inputs`` ``[N, …]``, in the model's own mode and precision."""
    return torch.cat([model(batch) for batch in torch.split(inputs, batch_size)])
