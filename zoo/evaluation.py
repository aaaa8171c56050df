"""How good a model is on a split."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .data import Split
from .devices import exact
from .tasks import TASKS, Task

BATCH_SIZE = 1_000


@dataclass(frozen=True, slots=True)
class Scores:
    """Metrics over all samples of a split: ``metrics["accuracy"]``, ``metrics["loss"]`` …"""

    metrics: dict[str, float]
    samples: int


@torch.inference_mode()
def evaluate(model: nn.Module, split: Split, task: Task | str, batch_size: int = BATCH_SIZE) -> Scores:
    """Measure ``model`` on every sample of ``split``, which must be on the model's device.

    The model is put in evaluation mode for the time being, and its mode given back.
    """
    task = TASKS[task] if isinstance(task, str) else task
    device = split.targets.device
    wide = torch.float32 if device.type == "mps" else torch.float64
    training = model.training
    model.eval()
    sums: dict[str, Tensor] = {}
    kept: list[Tensor] = []
    with exact(device, tf32=False):
        for batch in split.batches(batch_size):
            outputs = model(batch.inputs).float()
            if task.whole_split:
                kept.append(outputs)
            for name, values in task.measure(outputs, batch.targets).items():
                total = values.sum(dtype=wide)
                sums[name] = sums[name] + total if name in sums else total
    model.train(training)
    metrics = {name: float(total) / len(split) for name, total in sums.items()}
    if kept:
        metrics |= task.summarise(torch.cat(kept), split.targets)
    return Scores(metrics, len(split))


@torch.inference_mode()
def predict_logits(model: nn.Module, inputs: Tensor, batch_size: int = BATCH_SIZE) -> Tensor:
    """The logits ``[N, outputs]`` for raw ``inputs`` ``[N, …]``, in the model's own mode and precision."""
    return torch.cat([model(batch) for batch in torch.split(inputs, batch_size)])
