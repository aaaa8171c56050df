"""What the training hooks get: a description at the start, the progress, the metrics of an epoch. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from .columns import ColumnSummary


@dataclass(frozen=True, slots=True)
class TrainingStart:
    """What the ``train_started`` hook gets as ``start``: the data, the size and the length of the training.

    Args:
        dataset: name of the dataset; a stand-in is shown with the name of the dataset that it replaces.
        metric: name of the metric that is shown during training: ``accuracy`` or ``mae``.
        samples: number of samples in each split: ``train``, ``validation``, ``test``.
        parameters: number of trainable parameters.
        device: the device as text, such as ``cpu, 2 threads`` or ``cuda:0, NVIDIA H200``.
        epochs: number of epochs in the whole run.
        steps_per_epoch: optimiser steps in each epoch.
        first_epoch: the epoch that this training starts with: 1 in a new run, a later one in a resumed run.
        columns: how each column of a user table is used, in a new run; empty for other data.
    """

    dataset: str
    metric: str
    samples: dict[str, int]
    parameters: int
    device: str
    epochs: int
    steps_per_epoch: int
    first_epoch: int
    columns: tuple[ColumnSummary, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """What the ``train_progressed`` hook gets as ``progress``: the position and the mean values of the current epoch.

    Args:
        epoch: number of the current epoch, from 1.
        epochs: number of epochs in the whole run.
        step: optimiser steps done in the current epoch, from 1.
        steps: optimiser steps in each epoch.
        loss: mean training loss per sample since the start of the epoch.
        metric_name: name of ``metric``: ``accuracy`` or ``mae``.
        metric: mean of the training metric since the start of the epoch: accuracy from 0 to 1, or mean absolute error
            in the unit of the target.
        lr: learning rate of the last step.
        samples_per_second: training samples per second since the start of the epoch, or since its last checkpoint.
        seconds_left: estimated seconds to the end of the last epoch, validation not included.
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


class EpochMetrics(TypedDict):
    """What the ``epoch_ended`` hook gets as ``metrics``: one line of ``metrics.jsonl``.

    The names in ``train`` and ``validation`` depend on the task. All tasks have ``loss``: cross-entropy in nats, or for
    regression the squared error in standard deviations of the target. ``accuracy`` and ``f1`` are from 0 to 1. ``mae``
    and ``rmse`` are in the unit of the target.

    Args:
        epoch: number of the epoch, from 1.
        train: means over the training samples of the epoch, augmented as they were trained on: ``loss`` as it was
            optimised (with label smoothing, if the recipe uses it), and ``accuracy`` or ``mae``.
        validation: metrics on the validation split after the epoch: ``loss``, and ``accuracy`` (classification),
            ``accuracy``, ``auc``, ``f1`` (binary) or ``mae``, ``rmse``, ``r2`` (regression). ``auc`` is missing if the
            split has one class only, ``r2`` if all its targets are equal.
        lr: learning rate of the last step of the epoch.
        train_seconds: wall time of the training steps in seconds; in a resumed epoch, of the steps since the resume.
        validation_seconds: wall time of the evaluation on the validation split in seconds.
    """

    epoch: int
    train: dict[str, float]
    validation: dict[str, float]
    lr: float
    train_seconds: float
    validation_seconds: float
