"""The schema of ``run.json``, ``metrics.jsonl`` and the metadata of checkpoints.

Fields that are not listed here are accepted, because a later version may write more. A field of the wrong type is not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from ..errors import ZooError
from ..formatting import METRICS, main_metric
from ..schema import LARGEST_JSON, convert, parse_json, read_limited

FORMAT = 1
"""The format of ``run.json``."""

Name = Annotated[str, Meta(pattern=r"\A[a-z0-9]+([-/_.][a-z0-9]+)*\Z", max_length=200)]
"""The name of an architecture or a task: what :class:`zoo.specs.spec.Spec` accepts."""
Count = Annotated[int, Meta(ge=0, le=2**53)]
Number = Annotated[int, Meta(ge=1, le=2**53)]
Size = Annotated[int, Meta(ge=1, le=2**24)]
Seconds = Annotated[float, Meta(ge=0, le=1e12)]
Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Value = bool | Whole | float | str | list[bool | Whole | float | str]
"""A value of a setting."""
Metrics = dict[str, float]


class PluginRecord(Struct, gc=False):
    """The plugin that the architecture came from."""

    name: str
    distribution: str
    version: str
    file: str = ""


class ColumnRecord(Struct, gc=False):
    """A column of a table."""

    name: str
    kind: Literal["number", "as-is", "category"]
    values: list[float]
    labels: list[str]
    source: str = ""
    reading: str = ""


class DataRecord(Struct, gc=False):
    """The data that a run was trained on."""

    name: str
    default: str
    fingerprint: str
    input_shape: Annotated[list[Size], Meta(min_length=1, max_length=8)]
    num_outputs: Size
    labels: list[str]
    stand_in_for: str | None = None
    path: str | None = None
    options: dict[str, Value] | None = None
    columns: list[ColumnRecord] = []
    input: Literal[""] | Name = ""
    input_options: dict[str, Value] = {}


class BestRecord(Struct, gc=False):
    """The best epoch so far."""

    epoch: Number
    validation: Metrics
    score: Annotated[list[float], Meta(min_length=1)]


class CalibrationRecord(Struct, gc=False):
    """The calibration of a classifier on its validation split; see :func:`zoo.models.inference.calibrate`."""

    temperature: Annotated[float, Meta(gt=0, le=1e6)]
    limit: Annotated[float, Meta(ge=0, le=1)]


class ResultsRecord(Struct, gc=False):
    """What the best checkpoint of a finished run reaches."""

    test: Metrics
    test_samples: Count
    validation: Metrics
    epoch: Number
    train_seconds: Seconds
    baseline: Metrics | UnsetType = UNSET
    calibration: CalibrationRecord | UnsetType | None = UNSET


class CheckpointsRecord(Struct, gc=False):
    """How often the run writes a checkpoint to resume from."""

    epochs: Count = 1
    steps: Count = 0


def _main(metrics: Metrics) -> str:
    """The name of the main metric; empty if there is none."""
    for name in METRICS:  # quick: `zoo runs` asks this three times for each run
        if name in metrics:
            return name
    return main_metric(metrics) if metrics.keys() - {"loss"} else ""


class ExtensionRecord(Struct, gc=False):
    """``--resume --epochs``: the number of epochs before, and the number of epochs that were trained then."""

    epochs: Number
    after: Count


class RunRecord(Struct, gc=False):
    """``run.json``."""

    format: Literal[1]
    architecture: Name
    status: Literal["running", "finished", "interrupted", "failed"]
    plugin: PluginRecord
    task: Name
    options: dict[str, Value]
    hyperparameters: dict[str, Value]
    seed: Annotated[int, Meta(ge=0, lt=2**32)]
    data: DataRecord
    device: str
    best: BestRecord | None
    results: ResultsRecord | None
    recipe_plugins: dict[str, PluginRecord] | UnsetType = UNSET
    parameters: Count | UnsetType = UNSET
    threads: Count | UnsetType = UNSET
    arithmetic: list[dict[str, Value]] | UnsetType = UNSET
    versions: dict[str, str] | UnsetType = UNSET
    host: dict[str, str] | UnsetType = UNSET
    git_commit: str | UnsetType | None = UNSET
    started: str | UnsetType = UNSET
    error: str | UnsetType | None = UNSET
    data_folder: str | UnsetType | None = UNSET
    init_from: str | UnsetType | None = UNSET
    freeze: list[str] | UnsetType = UNSET
    processes: Annotated[int, Meta(ge=1, le=2**20)] | UnsetType = UNSET
    checkpoints: CheckpointsRecord | UnsetType = UNSET
    log: list[str] | UnsetType = UNSET
    extended: list[ExtensionRecord] | UnsetType = UNSET
    user_set: list[str] | UnsetType = UNSET
    adapted: list[str] | UnsetType = UNSET

    def check(self, what: str) -> None:
        """Check what depends on several fields.

        Raises:
            ZooError: they contradict each other; the message begins with ``what``.
        """
        if self.status == "finished" and (self.best is None or self.results is None):
            raise ZooError(f"{what} is damaged: the run is finished, but it has no results.")
        given = [self.best.validation] if self.best else []
        given += [self.results.test, self.results.validation] if self.results else []
        names = {_main(metrics) for metrics in given}
        if "" in names or len(names) > 1:
            raise ZooError(f"{what} is damaged: its results lack the main metric.")


class _AnyFormat(Struct, gc=False):
    format: int = FORMAT


class EpochRecord(Struct, gc=False):
    """A line of ``metrics.jsonl``."""

    epoch: Number
    train: Metrics
    validation: Metrics
    lr: float
    train_seconds: Seconds
    validation_seconds: Seconds

    def check(self, what: str, before: dict[str, Any] | None) -> None:
        """Check that the epoch follows that of the line ``before``, and that both splits have the same main metric.

        Raises:
            ZooError: they do not; the message begins with ``what``.
        """
        if before is not None and self.epoch <= before["epoch"]:
            raise ZooError(f"{what} is damaged: epoch {self.epoch} follows epoch {before['epoch']}.")
        names = [_main(metrics) for metrics in (self.train, self.validation)]
        names += [_main(before["validation"])] if before else []
        if len(set(names)) > 1 or "" in names or "loss" not in self.train or "loss" not in self.validation:
            raise ZooError(f"{what} is damaged: the loss or the main metric is missing.")


class BestMetadata(Struct, gc=False):
    """The metadata of ``best.safetensors``, and of the weights that ship with an architecture."""

    architecture: Name
    plugin: PluginRecord
    options: dict[str, Value]
    task: Name
    data: DataRecord
    epoch: Number
    validation: Metrics
    seed: Whole | UnsetType = UNSET
    hyperparameters: dict[str, Value] | UnsetType = UNSET
    results: ResultsRecord | UnsetType | None = UNSET


class Position(Struct):
    """The metadata of the checkpoint to resume from."""

    epoch: Number
    step: Count
    best: BestRecord | None
    seconds: Seconds
    scaler: dict[str, Any] | UnsetType = UNSET


def read_record(path: Path) -> tuple[bytes, RunRecord]:
    """The text of ``run.json``, and its content, checked.

    Raises:
        FileNotFoundError: there is no such file.
        ZooError: it cannot be read, is damaged, or has another format. The message names the file and the field.
    """
    what = f"the record of the run {path}"
    content = read_limited(path, LARGEST_JSON, "the record of the run")
    try:
        record = parse_json(content, RunRecord, what)
    except ZooError:
        if parse_json(content, _AnyFormat, what).format != FORMAT:
            raise ZooError(f"{path} was written by another version of the zoo.") from None
        raise
    parse_json(content, dict[str, Any], what)  # a schema skips fields that it does not have; commands read all of them
    record.check(f"The record of the run {path}")
    return content, record


def read_entries(path: Path) -> tuple[list[dict[str, Any]], ZooError | None]:
    """The lines of ``metrics.jsonl`` up to the first one that is damaged, and the error about that line.

    A last line without its end was being written when the process stopped, so it is left out. The epochs rise from line
    to line.
    """
    try:
        content = read_limited(path, LARGEST_JSON, "the metrics")
    except FileNotFoundError:
        return [], None
    except ZooError as error:
        return [], error
    entries: list[dict[str, Any]] = []
    *lines, _ = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        what = f"line {number} of the metrics {path}"
        try:
            entry = parse_json(line, dict[str, Any], what)
            record = convert(entry, EpochRecord, what)
            record.check(f"L{what[1:]}", entries[-1] if entries else None)
        except ZooError as error:
            return entries, error
        entries.append(entry)
    return entries, None
