"""Reproduce a recorded result: train the default recipe with several seeds, compare, and record the new result."""

from __future__ import annotations

import logging
import statistics
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from ..formatting import is_percentage, main_metric
from ..inputs.methods import input_of_record
from ..models.build import blank_model, count_parameters
from ..registry.recipe_parts import part_options
from ..registry.registry import Registry, create_registry
from ..runs.checkpoint import load_tensors, save_tensors
from ..runs.finding import list_runs
from ..runs.run import Run
from ..specs.architecture import Architecture
from ..specs.hyperparameters import resolve
from ..specs.options import check_all
from ..specs.results import FORMAT, Record, mean_and_deviation, recorded_results
from .benchmark import latency_of
from .seeds import train_all

log = logging.getLogger("zoo")

SEEDS = 5
"""The number of trials on a dataset that declares none."""
RESULTS_NAME, WEIGHTS_NAME = "results.json", "weights.safetensors"
DEVIATIONS = 3.0
"""A result is reproduced if it differs by at most this many standard errors."""


@dataclass(frozen=True, slots=True)
class Reproduction:
    """The result of :func:`reproduce`: several runs of the default recipe.

    Args:
        record: the new results, as :func:`record` writes them to ``results.json``.
        recorded: the results that the plugin ships; None if it ships none.
        runs: one run for each trial, in order.
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
        """The new mean of the main metric minus the recorded mean, in the metric's unit; None without a record."""
        if self.recorded is None:
            return None
        name = self.metric
        return float(self.record["metrics"][name]["mean"] - self.recorded["metrics"][name]["mean"])

    @property
    def allowed(self) -> float:
        """The largest :attr:`difference` of a reproduced result, in the metric's unit.

        Three standard errors of the difference, by the recorded deviation, plus a margin: one test sample for an
        accuracy; for any other metric 1% of the recorded mean, or 0.1% of the result without a network if that is more.
        A recorded deviation of 0 says nothing about chance, so the new deviation is used instead.
        """
        if self.recorded is None:
            return 0.0
        fresh, old = len(self.record["trials"]), len(self.recorded["trials"])
        name = self.metric
        deviation = self.recorded["metrics"][name]["std"] or self.record["metrics"][name]["std"]
        error = deviation * (1 / fresh + 1 / old) ** 0.5
        if is_percentage(name):
            return float(DEVIATIONS * error + 1 / self.record["test_samples"])
        trivial = self.record.get("baseline", {}).get(name, 0.0)
        margin = max(abs(self.recorded["metrics"][name]["mean"]) / 100, abs(trivial) / 1000)
        return float(DEVIATIONS * error + margin)

    @property
    def reproduced(self) -> bool:
        """Whether the new mean differs from the recorded one by at most :attr:`allowed`."""
        return self.difference is not None and abs(self.difference) <= self.allowed

    @property
    def identical(self) -> int:
        """The number of trials whose best checkpoint is byte-identical to the recorded one."""
        known = {(t["seed"], t["checkpoint_sha256"]) for t in (self.recorded or {"trials": []})["trials"]}
        return sum((t["seed"], t["checkpoint_sha256"]) in known for t in self.record["trials"])


def reproduce(
    architecture: str,
    *,
    trials: int | None = None,
    reuse: bool = False,
    processes: int | None = 1,
    device: str = "auto",
    data_dir: Path | str | None = None,
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
) -> Reproduction:
    """Train ``architecture`` with its default recipe on its own dataset, once for each trial.

    A trial is a seed together with options of the dataset, such as a fold.

    Args:
        trials: run only the first ``trials`` of them.
        reuse: use finished runs in the runs folder that have the same recipe, data and seed, instead of new ones.
        processes: trainings at the same time, as for :func:`zoo.train_seeds`. Each then has fewer threads, so that the
            weights can differ from recorded ones by rounding.

    Raises:
        UsageError: an unknown name, or more trials than there are.
        DataError: the dataset is not available; no stand-in is used.
    """
    registry = registry or create_registry()
    spec = registry.architecture(architecture)
    dataset = registry.dataset(spec.dataset)
    all_trials = dataset.trials or ({},) * SEEDS
    if trials is not None and not 1 <= trials <= len(all_trials):
        raise UsageError(f"{architecture} has {len(all_trials)} trials, not {trials}.")
    cases = list(enumerate(all_trials[:trials]))
    folder = runs_folder(runs_dir)
    old = {seed: _find_equal(spec, registry, options, seed, folder) for seed, options in cases if reuse}
    folders = {"data_dir": data_folder(data_dir), "runs_dir": runs_dir}
    common = {"architecture": architecture, "dataset": spec.dataset, "device": device, **folders}
    jobs = [{**common, "data_options": options, "seed": seed} for seed, options in cases if old.get(seed) is None]
    new = iter(train_all(jobs, registry, processes))
    runs = [old.get(seed) or next(new) for seed, _ in cases]
    return Reproduction(_record(spec, registry, runs), recorded_results(spec), tuple(runs))


def record(reproduction: Reproduction, folder: Path, registry: Registry | None = None) -> tuple[Path, Path]:
    """Write the results, and the best checkpoint of one trial, into ``folder``, for a plugin to ship.

    That trial is the median by validation, of the trials on the same data as the first; of two in the middle, the worse
    one. So the shipped weights are neither the best nor the worst of them, and the test split does not choose. It is
    also exported and timed: ``latency_seconds`` is the median time of one sample in onnxruntime, on one thread of this
    machine. If the export fails, it is left out, with a warning.

    Returns:
        The paths of ``results.json`` and ``weights.safetensors``.

    Raises:
        ZooError: the folder cannot be written to.
    """
    make_folder(folder)
    results, weights = folder / RESULTS_NAME, folder / WEIGHTS_NAME
    chosen = next(run for run in reproduction.runs if run.config["seed"] == reproduction.record["shipped_seed"])
    write_json(results, reproduction.record | _latency(chosen, registry or create_registry()))
    tensors, metadata = load_tensors(chosen.best)
    entries = {key: chosen.config[key] for key in ("results", "versions", "device", "threads")}
    entries["hyperparameters"] = reproduction.record["hyperparameters"]
    metadata["data"]["path"] = None
    save_tensors(weights, tensors, metadata | entries | {"trained_sha256": sha256(chosen.best)})
    return results, weights


def median_run(runs: Sequence[Run]) -> Run:
    """The run with the median score on the validation split, of those on the same data as the first."""
    data = runs[0].config["data"]["fingerprint"]
    equal = [run for run in runs if run.config["data"]["fingerprint"] == data]
    ascending = sorted(equal, key=lambda run: tuple(run.config["best"]["score"]))
    return ascending[(len(ascending) - 1) // 2]


def _latency(run: Run, registry: Registry) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as scratch:
        try:
            file = export(str(run.folder), "onnx", scratch, registry=registry).file
        except ZooError as error:
            log.warning("The results contain no latency: %s", error)
            return {}
        return {"latency_seconds": latency_of(str(file), None, registry)}


def count_multiply_adds(module: nn.Module, inputs: torch.Tensor) -> int:
    """The multiply-adds of the convolutions and matrix products for one sample.

    Args:
        inputs: a batch for ``module``, ``[N, …]``.
    """
    counter = FlopCounterMode(display=False)
    # oneDNN runs a recurrent layer as one operation, in which the counter sees nothing
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns about a setting for other hardware
        with torch.no_grad(), torch.backends.mkldnn.flags(enabled=False), counter:
            module(inputs)
    return counter.get_total_flops() // 2 // len(inputs)


def _find_equal(
    spec: Architecture, registry: Registry, data_options: Mapping[str, object], seed: int, folder: Path
) -> Run | None:
    """A finished run with the default recipe, these dataset options and this seed, if ``folder`` has one."""
    dataset = registry.dataset(spec.dataset)
    wanted = {
        "seed": seed,
        "status": "finished",
        "options": check_all(spec.options, {}, spec.name),
        "hyperparameters": resolve(spec.hyperparameters, parts=part_options(registry)).as_dict(),
    }
    chosen = check_all(dataset.options, data_options, dataset.name)
    for run in list_runs(folder, spec.name):
        config = run.config
        known = {key: config[key] for key in wanted}
        known["hyperparameters"] = resolve(known["hyperparameters"]).as_dict()  # new ones have their default
        known["options"] = check_all(spec.options, known["options"], spec.name)
        data = config["data"]
        declared = dataset.fingerprint if chosen == check_all(dataset.options, {}, dataset.name) else ""
        fingerprint = declared or data["fingerprint"]
        same_data = data["name"] == dataset.name and data["fingerprint"] == fingerprint
        if (
            known == wanted
            and same_data
            and (data.get("options") or {}) == chosen
            and not (config.get("init_from") or config.get("extended"))
        ):
            return run
    return None


def _record(spec: Architecture, registry: Registry, runs: Sequence[Run]) -> Record:
    """The content of ``results.json``."""
    first = runs[0].config
    results = [run.config["results"] for run in runs]
    tests = [result["test"] for result in results]
    names = [name for name in tests[0] if all(name in test for test in tests)]
    _, metadata = load_tensors(runs[0].best)
    inputs = input_of_record(metadata["data"], registry)
    module = blank_model(spec, registry.task(metadata["task"]), inputs, metadata).eval()
    trivial = [result.get("baseline", {}) for result in results]
    sample = torch.zeros(2, *inputs.shape, dtype=getattr(torch, inputs.spec.type))
    return {
        "format": FORMAT,
        "architecture": spec.name,
        "plugin": registry.owner(spec).version,
        "dataset": first["data"]["name"],
        "hyperparameters": resolve(first["hyperparameters"]).as_dict(),
        "test_samples": results[0]["test_samples"],
        "metrics": {name: mean_and_deviation([test[name] for test in tests]) for name in names},
        "baseline": {name: statistics.fmean(one[name] for one in trivial) for name in trivial[0] if all(trivial)},
        "trials": [_trial(run) for run in runs],
        "shipped_seed": median_run(runs).config["seed"],
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
