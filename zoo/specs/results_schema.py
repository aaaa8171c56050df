"""The schema of the file with an architecture's recorded results. It is imported only if there is such a file."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0, le=2**53)]
Seconds = Annotated[float, Meta(ge=0, le=1e12)]


class Spread(Struct):
    """Mean and standard deviation of a metric over the trials."""

    mean: float
    std: Annotated[float, Meta(ge=0)]


class Host(Struct):
    """The machine that the results come from."""

    machine: str
    processor: str


class TrialRecord(Struct):
    """One training."""

    seed: Count
    test: dict[str, float]
    checkpoint_sha256: str


class ShippedCalibration(Struct):
    """The calibration of the shipped weights; see :func:`zoo.models.inference.calibrate`."""

    weights_sha256: str
    temperature: Annotated[float, Meta(gt=0, le=1e6)]
    limit: Annotated[float, Meta(ge=0, le=1)]


class ResultsFile(Struct):
    """``results.json``. Fields that are not listed here are accepted, because a later version may write more."""

    format: int
    dataset: str
    metrics: Annotated[dict[str, Spread], Meta(min_length=1)]
    trials: Annotated[list[TrialRecord], Meta(min_length=1)]
    multiply_adds: Count
    bytes: Count
    train_seconds: Seconds
    device: str
    threads: Count
    host: Host
    latency_seconds: Seconds | None = None
    calibration: ShippedCalibration | None = None
    shipped_seed: Count = 0
