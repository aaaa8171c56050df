"""Load trained models: the best checkpoint of a run, or the weights that ship with an architecture."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from ..environment import versions
from ..errors import RunNotFound
from ..formatting import metrics_text
from ..inputs.methods import InputMethods, input_of_record
from ..registry.origins import as_trained, needed_by, trained_architecture
from ..registry.registry import Registry
from ..runs.checkpoint import load_model_state, load_tensors_with_hash
from ..runs.finding import find_run, list_runs
from ..runs.run import Run, load_run
from ..specs.results import shipped_calibration
from .build import blank_model
from .description import input_kind_entries, task_entries
from .guarded_task import load_task
from .tasks import TaskMethods

log = logging.getLogger("zoo")


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A model with its trained weights.

    Args:
        task: the task of the model, with the scale of its targets.
        module: raw samples ``[N, …]`` to logits, or to predictions in the target's units, ``[N, K]``; in evaluation
            mode, float32, on the CPU.
        metadata: the metadata of the checkpoint: architecture, options, labels, data, validation metrics.
        checkpoint: the file that the weights were read from.
        sha256: the SHA-256 of that file, in hexadecimal.
        origin: the name of the run, or ``weights of NAME`` if the weights ship with the architecture.
        results: the results in ``run.json``; None if the training has not finished, or has replaced the checkpoint.
        data_folder: the data folder of the run; None for shipped weights.
        shipped: whether the weights ship with the architecture.
        calibration: the ``temperature`` of the logits and the ``limit`` of the confidence below which an answer is
            unsure; None if none were recorded.
        inputs: the kind of its inputs.
    """

    task: TaskMethods
    module: nn.Sequential
    metadata: dict[str, Any]
    checkpoint: Path
    sha256: str
    origin: str
    results: dict[str, Any] | None
    data_folder: str | None = None
    shipped: bool = False
    calibration: dict[str, float] | None = None
    inputs: InputMethods = field(kw_only=True)

    @property
    def recorded(self) -> dict[str, float] | None:
        """The test metrics at the end of the training, by name; None if there are none."""
        return (self.results or {}).get("test")

    def describe(self, *, preprocess: bool = True) -> dict[str, Any]:
        """The description of the model for JSON, without the time, place and name of its training.

        Args:
            preprocess: whether normalisation is part of the model. If not, the inputs are standardised float32.
        """
        metadata, data, kind = self.metadata, self.metadata["data"], self.inputs.spec
        shape = self.inputs.shape if preprocess else self.inputs.network_shape
        normalise: Any = self.module.get_submodule("preprocess")
        known = self.calibration or (self.results or {}).get("calibration")
        calibration = {"calibration": {key: known[key] for key in ("temperature", "limit")}} if known else {}
        return {
            "architecture": metadata["architecture"],
            "plugin": metadata["plugin"],
            "options": metadata["options"],
            "task": metadata["task"],
            "dataset": data["name"],
            "dataset_fingerprint": data["fingerprint"],
            "stand_in_for": data["stand_in_for"],
            "input": {
                "type": kind.type if preprocess or kind.type == "int64" else "float32",
                "shape": ["batch", *shape],
                "holds": kind.holds if preprocess else "what the normalisation, which is not part of the model, gives",
                **input_kind_entries(kind.name, self.inputs.options),
            },
            "input_shape": data["input_shape"],
            "labels": data["labels"],
            "columns": data.get("columns", []),
            "normalisation": normalise.describe(),
            "normalises": preprocess,
            "epoch": metadata["epoch"],
            "validation": metadata["validation"],
            "test": self.recorded,
            "checkpoint_sha256": self.sha256,
            "versions": versions(),
            **task_entries(self.task.spec, data["labels"]),
            **calibration,
        }


def load_trained(run: Run, registry: Registry) -> TrainedModel:
    """Load the best checkpoint of ``run``.

    A training may replace the checkpoint at any time. Weights, metadata and hash are of one checkpoint, and the results
    belong to it: results that ``run.json`` has for another checkpoint are left out.

    Raises:
        PluginError: the architecture's plugin is missing or has changed since; the message says how to restore it.
        ZooError: the checkpoint is damaged.
    """
    task, inputs, module, metadata, digest = _load(run.best, registry)
    folder = run.config.get("data_folder")
    return TrainedModel(
        task, module, metadata, run.best, digest, run.name, _results(run, metadata), folder, inputs=inputs
    )


def load_shipped(name: str, registry: Registry) -> TrainedModel:
    """Load the weights that ship with an architecture.

    Raises:
        UnknownName: there is no such architecture.
        RunNotFound: it ships no weights.
        ZooError: as for :func:`load_trained`.
    """
    path = registry.architecture(name).shipped_weights
    if path is None:
        raise RunNotFound(f"{name} ships no weights. Run `zoo train {name}` first.")
    task, inputs, module, metadata, digest = _load(path, registry)
    calibration = shipped_calibration(registry.architecture(name), digest)
    results = metadata.get("results")
    origin = f"weights of {name}"
    return TrainedModel(
        task, module, metadata, path, digest, origin, results, shipped=True, calibration=calibration, inputs=inputs
    )


def find_trained(reference: str, folder: Path, registry: Registry) -> TrainedModel:
    """Load the model that ``reference`` names: a run's folder, ``ARCHITECTURE/RUN``, or an architecture.

    An architecture stands for its best run in ``folder``, or for the weights that ship with it if it has no run.

    Raises:
        UnknownName: it is neither a run nor an architecture.
        RunNotFound: the architecture has neither a run nor shipped weights, or the run has no checkpoint.
        ZooError: as for :func:`load_trained`.
    """
    spec = registry.architectures.get(reference)
    if (
        spec is not None
        and spec.shipped_weights
        and not any(run.best.is_file() for run in list_runs(folder, reference))
    ):
        found = load_shipped(reference, registry)
        metrics = f" ({metrics_text(found.recorded)} on {found.metadata['data']['name']})" if found.recorded else ""
        log.warning("No run of %s in %s; using its shipped weights%s.", reference, folder, metrics)
        return found
    run = find_run(reference, folder, registry.architectures)
    if run.status != "finished":
        log.warning("%s is %s; using its best checkpoint so far.", run.name, run.status)
    return load_trained(run, registry)


def _results(run: Run, metadata: dict[str, Any]) -> dict[str, Any] | None:
    """The results in ``run.json``; None if they are not of the checkpoint with this metadata.

    ``run.json`` was read before the checkpoint. If a training was resumed in between, the checkpoint is newer.
    """

    def belongs(config: dict[str, Any]) -> bool:
        best = config.get("best") or {}
        return all(best.get(key) == metadata.get(key) for key in ("epoch", "validation"))

    config = run.config
    if config["results"] is not None and not belongs(config):
        config = load_run(run.folder).config
    results: dict[str, Any] | None = config["results"] if belongs(config) else None
    return results


def _load(path: Path, registry: Registry) -> tuple[TaskMethods, InputMethods, nn.Sequential, dict[str, Any], str]:
    tensors, metadata, digest = load_tensors_with_hash(path)
    with as_trained(registry, metadata):
        architecture = trained_architecture(registry, metadata)
        with needed_by(metadata):
            task = registry.task(metadata["task"])
            inputs = input_of_record(metadata["data"], registry)
        module = blank_model(architecture, task, inputs, metadata)
        load_model_state(module, tensors)
    postprocess = dict(module.named_children()).get("postprocess")
    return load_task(task).restore(postprocess), inputs, module.eval(), metadata, digest
