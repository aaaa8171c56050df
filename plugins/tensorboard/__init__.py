"""TensorBoard logs: `zoo train NAME --log tensorboard`, then `tensorboard --logdir runs`.

It needs the extra: ``pip install 'pluggy-zoo[tensorboard]'``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import zoo

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

NAME = "tensorboard"
_writers: dict[str, SummaryWriter] = {}


@zoo.hookimpl
def train_started(run: zoo.Run, start: zoo.TrainingStart) -> None:
    """Open ``RUN/tensorboard``. In a resumed run, delete the points after the checkpoint."""
    if NAME not in run.config.get("log", ()):
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise zoo.ZooError("TensorBoard is not installed: pip install 'pluggy-zoo[tensorboard]'.") from error
    _writers[run.name] = SummaryWriter(str(run.folder / NAME), purge_step=start.first_epoch)


@zoo.hookimpl
def epoch_ended(run: zoo.Run, metrics: zoo.EpochMetrics) -> None:
    """Add a point for each metric of the epoch: ``loss/train``, ``accuracy/validation`` and so on."""
    writer = _writers.get(run.name)
    if writer is None:
        return
    for split in ("train", "validation"):
        for name, value in metrics[split].items():
            writer.add_scalar(f"{name}/{split}", value, metrics["epoch"])
    writer.add_scalar("learning rate", metrics["lr"], metrics["epoch"])
    writer.flush()


@zoo.hookimpl
def train_ended(run: zoo.Run) -> None:
    """Close the log file."""
    writer = _writers.pop(run.name, None)
    if writer is not None:
        writer.close()
