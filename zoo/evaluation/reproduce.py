"""Training the default recipe again, as often as it takes to tell chance from skill, and recording what came out."""

from __future__ import annotations

import logging
import statistics
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ..environment import host, versions
from ..errors import UsageError, ZooError
from ..exporting.export import export
from ..files import make_folder, sha256, write_json
from ..folders import data_folder, runs_folder
from ..formatting import PERCENTAGES, main_metric
from ..models.build import blank_model, count_parameters
from ..registry.registry import Registry, create_registry
from ..runs.checkpoint import load_tensors, save_tensors
from ..runs.run import Run, list_runs
from ..specs.hyperparameters import resolve
from ..specs.options import check_all
from ..specs.results import FORMAT, Record, mean_and_deviation, recorded_results
from ..specs.specs import Architecture
from ..training.train import train
from .benchmark import latency_of

log = logging.getLogger("zoo")

SEEDS = 5
RESULTS_NAME, WEIGHTS_NAME = "results.json", "weights.safetensors"
DEVIATIONS = 3.0


@dataclass(frozen=True, slots=True)
class Reproduction:
    """Several trainings with the default recipe.

    Args:
        record: what came out, as :func:`record` writes it.
        recorded: what the plugin says of itself; None where it says nothing.
        runs: the trainings, the first trial first.
    """

    record: Record
    recorded: Record | None
    runs: tuple[Run, ...]

    @property
    def metric(self) -> str:
        """The name of the metric that is compared."""
        return main_metric(self.record["metrics"])

    @property
    def difference(self) -> float | None:
        """The mean of the main metric less the recorded one."""
        if self.recorded is None:
            return None
        name = self.metric
        return float(self.record["metrics"][name]["mean"] - self.recorded["metrics"][name]["mean"])

    @property
    def allowed(self) -> float:
        """Three standard errors of such a difference, by the recorded deviation, and a little more.

        That is one test sample of an accuracy, and one part in a hundred of anything else.
        """
        if self.recorded is None:
            return 0.0
        fresh, old = len(self.record["trials"]), len(self.recorded["trials"])
        error = self.recorded["metrics"][self.metric]["std"] * (1 / fresh + 1 / old) ** 0.5
        mean = self.recorded["metrics"][self.metric]["mean"]
        grain = 1 / self.record["test_samples"] if self.metric in PERCENTAGES else abs(mean) / 100
        return float(DEVIATIONS * error + grain)

    @property
    def reproduced(self) -> bool:
        """Whether the recorded result came out again, as far as chance allows."""
        return self.difference is not None and abs(self.difference) <= self.allowed

    @property
    def identical(self) -> int:
        """How many trials ended with the very bytes that were recorded."""
        known = {(t["seed"], t["checkpoint_sha256"]) for t in (self.recorded or {"trials": []})["trials"]}
        return sum((t["seed"], t["checkpoint_sha256"]) in known for t in self.record["trials"])


def reproduce(
    architecture: str,
    *,
    trials: int | None = None,
    reuse: bool = False,
    device: str = "auto",
    data_dir: Path | str | None = None,
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
) -> Reproduction:
    """Train ``architecture`` with its default recipe on its own dataset, once for each trial.

    Args:
        trials: only that many of them.
        reuse: take finished runs of the same recipe, data and seed in the runs folder for trials already made.

    Raises:
        UsageError: an unknown name, or more trials than there are.
        DataError: the data cannot be had; nothing takes its place.
    """
    registry = registry or create_registry()
    spec = registry.architecture(architecture)
    dataset = registry.dataset(spec.dataset)
    all_trials = dataset.trials or ({},) * SEEDS
    if trials is not None and not 1 <= trials <= len(all_trials):
        raise UsageError(f"{architecture} has {len(all_trials)} trials; {trials} were asked for.")
    runs = []
    for seed, data_options in enumerate(all_trials[:trials]):
        old = _find_equal(spec, registry, data_options, seed, runs_folder(runs_dir)) if reuse else None
        runs.append(
            old
            or train(
                architecture,
                dataset=spec.dataset,
                data_options=data_options,
                seed=seed,
                device=device,
                data_dir=data_folder(data_dir),
                runs_dir=runs_dir,
                registry=registry,
            )
        )
    return Reproduction(_record(spec, registry, runs), recorded_results(spec), tuple(runs))


def record(reproduction: Reproduction, folder: Path, registry: Registry | None = None) -> tuple[Path, Path]:
    """Write results and the first trial's best checkpoint into ``folder``, for a plugin to ship.

    The first trial is exported too, to time what it becomes: ``latency_seconds`` is the median for one sample, by
    onnxruntime on one thread of this machine; it is left out, with a warning, where the network cannot be exported.

    Returns:
        ``results.json`` and ``weights.safetensors``.

    Raises:
        ZooError: the folder cannot be written to.
    """
    make_folder(folder)
    results, weights = folder / RESULTS_NAME, folder / WEIGHTS_NAME
    first = reproduction.runs[0]
    write_json(results, reproduction.record | _latency(first, registry or create_registry()))
    tensors, metadata = load_tensors(first.best)
    told = {key: first.config[key] for key in ("results", "versions", "device", "threads")}
    told["hyperparameters"] = reproduction.record["hyperparameters"]
    metadata["data"]["path"] = None
    save_tensors(weights, tensors, metadata | told | {"trained_sha256": sha256(first.best)})
    return results, weights


def _latency(run: Run, registry: Registry) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as scratch:
        try:
            file = export(str(run.folder), "onnx", scratch, registry=registry).file
        except ZooError as error:
            log.warning("No latency is recorded: %s", error)
            return {}
        return {"latency_seconds": latency_of(str(file), None, registry)}


def count_multiply_adds(module: nn.Module, inputs: torch.Tensor) -> int:
    """Multiplications with addition for one sample: those of convolutions and matrix products."""
    counter = FlopCounterMode(display=False)
    # cuDNN's and oneDNN's recurrent layers are one operation each, which the counter does not look into
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a setting for other hardware
        with torch.no_grad(), torch.backends.mkldnn.flags(enabled=False), counter:
            module(inputs)
    return counter.get_total_flops() // 2 // len(inputs)


def _find_equal(
    spec: Architecture, registry: Registry, data_options: Mapping[str, object], seed: int, folder: Path
) -> Run | None:
    dataset = registry.dataset(spec.dataset)
    wanted = {
        "seed": seed,
        "status": "finished",
        "options": check_all(spec.options, {}, spec.name),
        "hyperparameters": asdict(resolve(spec.hyperparameters)),
    }
    chosen = check_all(dataset.options, data_options, dataset.name)
    for run in list_runs(folder, spec.name):
        config = run.config
        known = {key: config[key] for key in wanted}
        known["hyperparameters"] = asdict(resolve(known["hyperparameters"]))  # those that are new have their default
        known["options"] = check_all(spec.options, known["options"], spec.name)
        data = config["data"]
        fingerprint = dataset.fingerprint or data["fingerprint"]
        same_data = data["name"] == dataset.name and data["fingerprint"] == fingerprint
        if known == wanted and same_data and (data.get("options") or {}) == chosen and not config.get("init_from"):
            return run
    return None


def _record(spec: Architecture, registry: Registry, runs: Sequence[Run]) -> Record:
    first = runs[0].config
    results = [run.config["results"] for run in runs]
    tests = [result["test"] for result in results]
    names = [name for name in tests[0] if all(name in test for test in tests)]
    _, metadata = load_tensors(runs[0].best)
    module = blank_model(spec, metadata).eval()
    shape = metadata["data"]["input_shape"]
    sample = torch.zeros(2, *shape, dtype=torch.uint8 if len(shape) == 3 else torch.float32)
    return {
        "format": FORMAT,
        "architecture": spec.name,
        "plugin": registry.owner(spec).version,
        "dataset": first["data"]["name"],
        "hyperparameters": asdict(resolve(first["hyperparameters"])),
        "test_samples": results[0]["test_samples"],
        "metrics": {name: mean_and_deviation([test[name] for test in tests]) for name in names},
        "trials": [_trial(run) for run in runs],
        "parameters": count_parameters(module),
        "multiply_adds": count_multiply_adds(module, sample),
        "bytes": runs[0].best.stat().st_size,
        "train_seconds": round(statistics.median(result["train_seconds"] for result in results), 2),
        "device": first["device"],
        "threads": first["threads"],
        "host": first.get("host", host()),
        "versions": first.get("versions", versions()),
    }


def _trial(run: Run) -> dict[str, Any]:
    config = run.config
    return {
        "seed": config["seed"],
        "data_options": config["data"].get("options") or {},
        "epoch": config["results"]["epoch"],
        "validation": config["results"]["validation"],
        "test": config["results"]["test"],
        "train_seconds": config["results"]["train_seconds"],
        "checkpoint_sha256": sha256(run.best),
    }
