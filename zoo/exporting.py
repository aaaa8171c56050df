"""Export: the best checkpoint, written by an exporter plugin, judged, and only then put in place."""

from __future__ import annotations

import copy
import functools
import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .columns import columns_from_json
from .data import Split
from .environment import versions
from .errors import DataUnavailable, ExportError, ExportRefused
from .files import make_folder, replacing, sha256, write_json
from .folders import data_folder, runs_folder
from .loading import LoadedDataset, load_again, load_dataset
from .options import check_all
from .preprocess import Preprocess, TablePreprocess
from .registry import Registry, create_registry
from .specs import Dataset, Exporter, resolve_reference
from .tasks import Task
from .trained import TrainedModel, find_trained

log = logging.getLogger("zoo")

CERTIFICATE_FORMAT = 1


@dataclass(frozen=True, slots=True)
class ExportSubject:
    """What an exporter is given.

    Args:
        name: of the architecture.
        model: raw inputs ``[N, …]`` to a tuple of outputs, one for each of ``task.outputs``, the network's own first;
            float32, evaluation mode, on the CPU.
        task: what it learnt.
        test: the test split: raw inputs, uint8 ``[N, C, H, W]`` or float32 ``[N, F]``, and targets.
        recorded: the run's own test metrics, or None where it was stopped before it had any.
        description: what goes into the file: architecture, data, labels, metrics, checkpoint. No time stamp.
        judged_on: the dataset that ``test`` is of.
    """

    name: str
    model: nn.Module
    task: Task
    test: Split
    recorded: dict[str, float] | None
    description: dict[str, Any]
    judged_on: str = ""

    def in_float64(self) -> nn.Module:
        """A copy of the model that computes in float64: the judge of everything that computes in float32."""
        return copy.deepcopy(self.model).double()


@dataclass(frozen=True, slots=True)
class Check:
    """One verdict of a certificate.

    Args:
        gate: its name: ``structure``, ``numerics`` …
        passed: whether the file may be used.
        summary: one line, for people: what was held against what, and the figures that decided.
        figures: all figures, for machines.
    """

    gate: str
    passed: bool
    summary: str
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was checked of an exported file, and what came out. Beside the file as ``FILE.json``."""

    file: Path
    sha256: str
    bytes: int
    description: dict[str, Any]
    judged_on: str
    checks: tuple[Check, ...]

    @property
    def path(self) -> Path:
        """Where the certificate itself is."""
        return certificate_path(self.file)

    def to_dict(self) -> dict[str, Any]:
        """The content of the certificate's file."""
        return {
            "format": CERTIFICATE_FORMAT,
            "passed": all(check.passed for check in self.checks),
            "file": {"name": self.file.name, "sha256": self.sha256, "bytes": self.bytes},
            "model": self.description,
            "judged_on": self.judged_on,
            "checks": [asdict(check) for check in self.checks],
            "versions": versions(),
        }


def certificate_path(file: Path) -> Path:
    """``FILE.json`` beside ``FILE``."""
    return file.with_name(file.name + ".json")


def export(
    reference: str,
    format: str = "onnx",
    output: Path | str | None = None,
    *,
    data_dir: Path | str | None = None,
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
    **options: object,
) -> Certificate:
    """Write the best checkpoint of a run, or of an architecture's best run, as one proven file.

    Where nothing was trained yet, it is the weights that came with the architecture.

    Args:
        reference: an architecture, ``ARCHITECTURE/RUN``, or a run's folder.
        format: name of an exporter.
        output: the file, or a folder to put it in; ``ARCHITECTURE`` and the format's suffix in the working
            directory, unless given.
        options: of the exporter.

    Returns:
        The certificate; every check in it passed.

    Raises:
        RunNotFound: nothing was trained under that name, and it came without weights.
        DataUnavailable: the test split that the file must be judged on cannot be had.
        ExportError: the model cannot be written in this format.
        ExportRefused: the file failed a check. An earlier file in its place is still there.
    """
    registry = registry or create_registry()
    exporter = registry.exporter(format)
    checked = check_all(exporter.options, options, f"--{format}")
    trained = find_trained(reference, runs_folder(runs_dir), registry)
    target = _target(output, trained.metadata["architecture"], exporter.suffix)
    make_folder(target.parent)
    data = data_to_judge_on(trained, registry, data_folder(data_dir, trained.data_folder))
    return write_proven(exporter, make_subject(trained, data), target, checked)


def make_subject(trained: TrainedModel, data: LoadedDataset) -> ExportSubject:
    """The subject for exporting ``trained``, judged on the test split of ``data``."""
    task = trained.task
    model = nn.Sequential(trained.module, task.answers()).eval()
    recorded = None if data.stand_in_for else trained.recorded
    return ExportSubject(
        name=trained.metadata["architecture"],
        model=model,
        task=task,
        test=data.splits.test,
        recorded=recorded,
        judged_on=str(data),
        description=describe(trained),
    )


def write_proven(exporter: Exporter, subject: ExportSubject, target: Path, options: dict[str, Any]) -> Certificate:
    """Write ``subject`` to ``target`` unless a check refuses it; then nothing at ``target`` has changed.

    Raises:
        ExportError, ExportRefused: as for :func:`export`.
    """
    refuse_randomness(subject)
    write = resolve_reference(exporter.write)
    check = resolve_reference(exporter.check)
    with replacing(target) as temporary:
        write(subject, temporary, **options)
        if not temporary.is_file():
            raise ExportError(f"The exporter {exporter.name} wrote no file.")
        certificate = Certificate(
            file=target,
            sha256=sha256(temporary),
            bytes=temporary.stat().st_size,
            description=subject.description,
            judged_on=subject.judged_on,
            checks=_judge(functools.partial(check, subject, temporary, **options), target),
        )
    write_json(certificate.path, certificate.to_dict())
    return certificate


def refuse_randomness(subject: ExportSubject) -> None:
    """Run the model twice under different seeds: what differs then cannot be proven equal to anything.

    Raises:
        ExportError: the outputs differ.
    """
    inputs = subject.test.inputs[:32]
    try:
        first, second = (_run_seeded(subject.model, inputs, seed) for seed in (1, 2))
    except Exception as error:
        cause = " ".join(str(error).split())
        raise ExportError(f"{subject.name} cannot run a batch of {len(inputs)} test samples: {cause}") from error
    if not all(torch.equal(a, b) for a, b in zip(first, second, strict=True)):
        raise ExportError(
            f"{subject.name} gives different outputs for the same input in evaluation mode: something in it draws "
            "random numbers (dropout that ignores eval(), random depth). Make it depend on self.training."
        )


def _judge(checks: Callable[[], Iterator[Check]], target: Path) -> tuple[Check, ...]:
    """Every check up to the first that fails, which is raised: what comes after it would judge a broken file."""
    done = []
    for check in checks():
        done.append(check)
        if not check.passed:
            kept = f" The earlier {target} is untouched." if target.exists() else ""
            raise ExportRefused(f"{target.name} was refused and not written. {check.gate}: {check.summary}{kept}")
    if not done:
        raise ExportRefused(f"{target.name} was refused and not written: its exporter checked nothing.")
    return tuple(done)


@torch.inference_mode()
def _run_seeded(model: nn.Module, inputs: Tensor, seed: int) -> tuple[Tensor, ...]:
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    outputs: tuple[Tensor, ...] = model(inputs)
    return outputs


def data_to_judge_on(trained: TrainedModel, registry: Registry, folder: Path) -> LoadedDataset:
    """The data whose test split judges the file. For weights that came with an architecture, a bundled stand-in of the
    same shape will do where the data cannot be had: what is judged is the file, not the network."""
    try:
        return load_again(trained.metadata, registry, folder)
    except DataUnavailable as error:
        recorded = trained.metadata["data"]
        name = recorded["name"]
        stand_in = registry.datasets.get(registry.dataset(name).stand_in) if name in registry.datasets else None
        if trained.shipped and stand_in and _takes_the_same(stand_in, recorded):
            log.warning("%s The file is judged on the bundled %s in its place.", error, stand_in.name)
            return replace(load_dataset(stand_in, folder, download=False), stand_in_for=name)
        raise DataUnavailable(
            f"{error} An export is judged on the test split of {name}; --data-dir says where it is."
        ) from error


def _takes_the_same(dataset: Dataset, recorded: dict[str, Any]) -> bool:
    return list(dataset.input_shape) == recorded["input_shape"] and dataset.columns == columns_from_json(
        recorded.get("columns", [])
    )


def _target(output: Path | str | None, name: str, suffix: str) -> Path:
    file_name = name.replace("/", "-") + suffix
    if output is None:
        return Path(file_name)
    path = Path(output).expanduser()
    return path / file_name if path.is_dir() else path


def describe(trained: TrainedModel) -> dict[str, Any]:
    """What an exported file says of the model inside."""
    metadata = trained.metadata
    preprocess = trained.module.get_submodule("preprocess")
    assert isinstance(preprocess, Preprocess | TablePreprocess)
    return {
        "architecture": metadata["architecture"],
        "plugin": metadata["plugin"],
        "options": metadata["options"],
        "task": metadata["task"],
        "dataset": metadata["data"]["name"],
        "dataset_fingerprint": metadata["data"]["fingerprint"],
        "stand_in_for": metadata["data"]["stand_in_for"],
        "input_shape": metadata["data"]["input_shape"],
        "labels": metadata["data"]["labels"],
        "columns": metadata["data"].get("columns", []),
        "normalisation": preprocess.describe(),
        "run": trained.origin,
        "epoch": metadata["epoch"],
        "validation": metadata["validation"],
        "test": trained.recorded,
        "checkpoint_sha256": trained.sha256,
    }
