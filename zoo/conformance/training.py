"""Checks of an architecture: train it, resume the training, export the result."""

from __future__ import annotations

from typing import Any

import torch

from ..data.splits import Split
from ..errors import MethodError, ZooError
from ..exporting.certificate import Certificate
from ..exporting.export import export as export_run
from ..models.scores import evaluate
from ..models.trained import load_shipped, load_trained
from ..runs.checkpoint import load_tensors
from ..runs.finding import find_run
from ..runs.run import Run
from ..specs.hookspecs import hookimpl
from ..specs.hyperparameters import resolve
from ..specs.results import recorded_results
from ..training.train import resume as resume_run
from ..training.train import train
from .check import NotChecked, Problem, Workspace
from .fixtures import DATA, add_dataset

_EPOCHS = 2


class _StopAfterFirst:
    """Stops a training like Ctrl-C does, after the first epoch is on disk."""

    @hookimpl
    def epoch_ended(self, run: Run, metrics: dict[str, Any]) -> None:
        """Stop."""
        raise KeyboardInterrupt


def trains(workspace: Workspace) -> str:
    """Train two epochs on synthetic data."""
    run = _run(workspace)
    losses = [entry["train"]["loss"] for entry in run.metrics()]
    return f"{len(losses)} epochs, loss {losses[0]:.3g} to {losses[-1]:.3g}"


def checkpoint(workspace: Workspace) -> str:
    """Compare the test loss of the loaded checkpoint with the recorded one."""
    run = _run(workspace)
    trained = load_trained(run, workspace.registry)
    split = _test_split(workspace)
    found = evaluate(trained.module, split, trained.task).metrics["loss"]
    recorded = run.config["results"]["test"]["loss"]
    if abs(found - recorded) > 1e-3 * max(1.0, abs(recorded)):
        raise Problem(
            f"the loaded checkpoint has the loss {found:.6g}, the trained network had {recorded:.6g}",
            "Keep all state that forward() uses in parameters or registered buffers.",
        )
    return f"loss {found:.6g}, as recorded"


def resume(workspace: Workspace) -> str:
    """Stop after the first epoch, resume, and compare the weights with those of the uninterrupted run."""
    remedy = "Use only torch's random generator, and keep all state in parameters and buffers."
    return compare_resumed(workspace, workspace.item.name, _run(workspace), remedy)


def export(workspace: Workspace) -> str:
    """Export the run to ONNX and pass all gates."""
    certificate = _exported(workspace, _run(workspace))
    return f"{certificate.bytes:,} bytes; {', '.join(check.gate for check in certificate.checks)} passed"


def export_short_training(workspace: Workspace, architecture: str) -> Certificate:
    """Train an architecture on the fixture dataset and export it.

    Raises:
        Problem: it cannot be trained, or a gate refuses it.
    """
    scratch = workspace.scratch
    try:
        run = train(
            architecture,
            registry=workspace.registry,
            runs_dir=scratch / "runs",
            data_dir=scratch,
            **short_training(),
        )
    except MethodError:
        raise
    except ZooError as error:
        raise Problem(str(error), "Make the normalisation a module that torch can train behind.") from error
    return _exported(workspace, run)


def _exported(workspace: Workspace, run: Run) -> Certificate:
    if "onnx" not in workspace.registry.exporters:
        raise NotChecked("no ONNX exporter is installed")
    path = workspace.scratch / "check.onnx"
    try:
        return export_run(str(run.folder), "onnx", path, registry=workspace.registry, data_dir=workspace.scratch)
    except MethodError:
        raise
    except ZooError as error:
        raise Problem(str(error), "docs/export.md describes what can be exported, and how exact it must be.") from error


def weights(workspace: Workspace) -> str:
    """Load the weights and results that it ships."""
    spec = workspace.architecture
    shipped = []
    remedy = "Write it with `zoo reproduce NAME --record FOLDER`, and list it in the package data."
    for what, path in (("weights", spec.weights), ("results", spec.results)):
        if path is not None and not path.is_file():
            raise Problem(f"{what} are declared, but {path} does not exist", remedy)
    if spec.weights is not None:
        trained = load_shipped(spec.name, workspace.registry)
        for name, tensor in trained.module.named_parameters():
            if not tensor.isfinite().all():
                raise Problem(f"{name} in {spec.weights.name} has values that are NaN or infinite", remedy)
        shipped.append(f"weights trained on {trained.metadata['data']['name']}")
    if spec.results is not None:
        recorded = recorded_results(spec) or {}
        shipped.append(f"results of {len(recorded.get('trials', ()))} runs")
    return ", ".join(shipped) or "it ships none"


def compare_resumed(workspace: Workspace, architecture: str, uninterrupted: Run, remedy: str, **settings: Any) -> str:
    """Train ``architecture`` again, stop after the first epoch, resume, and compare the weights.

    Args:
        uninterrupted: the same training without a stop.
        remedy: what to do if the weights differ.
        settings: of the training.

    Raises:
        Problem: the weights differ.
    """
    registry = workspace.registry.copy()
    registry.listen(_StopAfterFirst())
    folder = workspace.scratch / "stopped"
    try:
        train(architecture, registry=registry, runs_dir=folder, checkpoint_epochs=1, **short_training(), **settings)
    except KeyboardInterrupt:
        pass
    else:
        raise NotChecked("the training ended before it could be stopped")
    run = find_run(architecture, folder, registry.architectures, trained=False)
    resumed = resume_run(str(run.folder), registry=workspace.registry)
    wanted, _ = load_tensors(uninterrupted.last)
    found, _ = load_tensors(resumed.last)
    for name, tensor in wanted.items():
        if name not in found or not torch.equal(tensor, found[name]):
            raise Problem(f"{name} differs between a run and the same run stopped and resumed", remedy)
    return f"{len(wanted)} tensors equal bit for bit"


def short_training() -> dict[str, Any]:
    """The settings of a short training on the fixture dataset."""
    return {"dataset": DATA, "epochs": _EPOCHS, "batch_size": 16, "device": "cpu", "patience": 0}


def _run(workspace: Workspace) -> Run:
    """Train it once for all checks."""
    workspace.skip_if_large()
    if "failed" in workspace.cache:
        raise NotChecked(f"it needs a trained network, and the training failed: {workspace.cache['failed']}")
    if "run" not in workspace.cache:
        if DATA not in workspace.registry.datasets:
            add_dataset(workspace.registry, workspace.dataset)
        try:
            workspace.cache["run"] = train(
                workspace.item.name,
                registry=workspace.registry,
                runs_dir=workspace.scratch / "runs",
                data_dir=workspace.scratch,
                **short_training(),
            )
        except MethodError as error:  # the remedy below is not for it
            workspace.cache["failed"] = str(error)
            raise
        except ZooError as error:
            workspace.cache["failed"] = str(error)
            recipe = resolve(workspace.architecture.hyperparameters)
            raise Problem(str(error), f"Try a learning rate below {recipe.lr:g}, or grad_clip=1.") from error
        except Exception as error:
            workspace.cache["failed"] = f"{type(error).__name__}: {error}"
            raise
    run: Run = workspace.cache["run"]
    return run


def _test_split(workspace: Workspace) -> Split:
    from ..data.loading import read_dataset

    return read_dataset(workspace.registry.dataset(DATA), workspace.registry, workspace.scratch).splits.test
