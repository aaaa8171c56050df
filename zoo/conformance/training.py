"""The conformance suite on an architecture: the whole way from a training to a proven file."""

from __future__ import annotations

from typing import Any

import torch

from ..data.splits import Split
from ..errors import ZooError
from ..exporting.export import export as export_run
from ..models.scores import evaluate
from ..models.trained import load_shipped, load_trained
from ..runs.checkpoint import load_tensors
from ..runs.run import Run, find_run
from ..specs.hookspecs import hookimpl
from ..specs.hyperparameters import resolve
from ..specs.results import recorded_results
from ..training.train import resume as resume_run
from ..training.train import train
from .check import LARGE, Bench, NotChecked, Problem
from .fixtures import DATA, add_data

_EPOCHS = 2


class _StopAfterFirst:
    """Stops a training as Ctrl-C would, once its first epoch is on disk."""

    @hookimpl
    def epoch_ended(self, run: Run, metrics: dict[str, Any]) -> None:
        """Stop."""
        raise KeyboardInterrupt


def trains(bench: Bench) -> str:
    """Two epochs on made-up data."""
    run = _run(bench)
    losses = [entry["train"]["loss"] for entry in run.metrics()]
    return f"{len(losses)} epochs, loss {losses[0]:.3g} to {losses[-1]:.3g}"


def checkpoint(bench: Bench) -> str:
    """The metrics of the loaded checkpoint against those that the run wrote down."""
    run = _run(bench)
    trained = load_trained(run, bench.registry)
    split = _made_up(bench)
    found = evaluate(trained.module, split, trained.task).metrics["loss"]
    recorded = run.config["results"]["test"]["loss"]
    if abs(found - recorded) > 1e-3 * max(1.0, abs(recorded)):
        raise Problem(
            f"the loaded checkpoint has loss {found:.6g}, the trained network had {recorded:.6g}",
            "Keep everything that forward() depends on in parameters or registered buffers.",
        )
    return f"loss {found:.6g}, as recorded"


def resume(bench: Bench) -> str:
    """Stop after the first epoch, go on, compare the weights."""
    whole = _run(bench)
    registry = bench.registry.copy()
    stopper = _StopAfterFirst()
    registry.listen(stopper)
    folder = bench.scratch / "stopped"
    try:
        train(bench.subject.name, registry=registry, runs_dir=folder, **_settings())
    except KeyboardInterrupt:
        pass
    else:
        raise NotChecked("the training was over before it could be stopped")
    run = find_run(bench.subject.name, folder, registry.architectures, trained=False)
    resumed = resume_run(str(run.folder), registry=bench.registry)
    wanted, _ = load_tensors(whole.last)
    found, _ = load_tensors(resumed.last)
    for name, tensor in wanted.items():
        if name not in found or not torch.equal(tensor, found[name]):
            raise Problem(
                f"{name} differs between a training and the same one stopped and resumed",
                "Draw from torch's own generator only, and keep no state outside parameters and buffers.",
            )
    return f"{len(wanted)} tensors equal to the bit"


def export(bench: Bench) -> str:
    """Its certificate."""
    if "onnx" not in bench.registry.exporters:
        raise NotChecked("there is no exporter for ONNX")
    run = _run(bench)
    try:
        proven = export_run(
            str(run.folder), "onnx", bench.scratch / "check.onnx", registry=bench.registry, data_dir=bench.scratch
        )
    except ZooError as error:
        raise Problem(str(error), "See the user guide on what can be exported.") from error
    return f"{proven.bytes:,} bytes; {', '.join(check.gate for check in proven.checks)} passed"


def weights(bench: Bench) -> str:
    """What ships with it."""
    spec = bench.architecture
    told = []
    record = "It is written by `zoo reproduce NAME --record FOLDER`; list it in the package's data files."
    for what, path in (("weights", spec.weights), ("results", spec.results)):
        if path is not None and not path.is_file():
            raise Problem(f"{what} are declared, but {path} is not there", record)
    if spec.weights is not None:
        shipped = load_shipped(spec.name, bench.registry)
        told.append(f"weights trained on {shipped.metadata['data']['name']}")
    if spec.results is not None:
        recorded = recorded_results(spec) or {}
        told.append(f"results of {len(recorded.get('trials', ()))} trainings")
    return ", ".join(told) or "it ships none"


def _settings() -> dict[str, Any]:
    return {"dataset": DATA, "epochs": _EPOCHS, "batch_size": 16, "device": "cpu", "patience": 0}


def _run(bench: Bench) -> Run:
    """One training, shared by all checks."""
    if bench.architecture.parameters > LARGE:
        raise NotChecked(f"it has {bench.architecture.parameters:,} parameters; only its shapes are checked")
    if "failed" in bench.made:
        raise NotChecked(f"it needs a training, and that failed: {bench.made['failed']}")
    if "run" not in bench.made:
        if DATA not in bench.registry.datasets:
            add_data(bench.registry, bench.dataset)
        try:
            bench.made["run"] = train(
                bench.subject.name,
                registry=bench.registry,
                runs_dir=bench.scratch / "runs",
                data_dir=bench.scratch,
                **_settings(),
            )
        except ZooError as error:
            bench.made["failed"] = str(error)
            recipe = resolve(bench.architecture.hyperparameters)
            raise Problem(str(error), f"Try a smaller rate than lr={recipe.lr:g}, or grad_clip=1.") from error
        except Exception as error:
            bench.made["failed"] = f"{type(error).__name__}: {error}"
            raise
    run: Run = bench.made["run"]
    return run


def _made_up(bench: Bench) -> Split:
    from ..data.loading import load_dataset

    return load_dataset(bench.registry.dataset(DATA), bench.scratch).splits.test
