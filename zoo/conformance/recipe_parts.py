"""Checks of recipe parts: optimisers, schedules, augmentations and losses, alone and in a short training."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..errors import ZooError
from ..models.guarded_task import load_task
from ..runs.run import Run
from ..specs.recipe_parts import PARTS, Loss, RecipePart
from ..specs.references import resolve_reference
from ..specs.task import Task
from ..training.train import train
from .check import NotChecked, Problem, Workspace
from .fixtures import NETWORK, add_network, example_outputs
from .training import compare_resumed, short_training

_POINTS = [0.0, 1e-6, 0.1, 0.25, 0.5, 0.75, 0.9, 0.999]
_SAMPLES = 8


def factors(workspace: Workspace) -> str:
    """Compute the factor along a run, twice."""
    factor = _function(workspace, "factor")
    found = [factor(progress) for progress in _POINTS]
    for progress, value in zip(_POINTS, found, strict=True):
        if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            raise Problem(f"the factor at progress {progress:g} is {value!r}", "Return a number of at least 0.")
    if found != [factor(progress) for progress in _POINTS]:
        raise Problem("two calls give different factors", "Compute the factor from progress and the options alone.")
    return f"from {found[0]:.3g} to {found[-1]:.3g}"


def draws(workspace: Workspace) -> str:
    """Draw twice from generators of the same seed, and look at the default generator."""
    draw = _function(workspace, "draw")
    state = torch.get_rng_state()
    first, second = (draw(tuple(_images().shape), torch.Generator().manual_seed(1)) for _ in range(2))
    if not isinstance(first, Tensor) or not first.ndim or len(first) != _SAMPLES:
        raise Problem("draw returns no tensor with one row for each sample", "Return a tensor [N, …].")
    if not torch.equal(first, second) or not torch.equal(state, torch.get_rng_state()):
        raise Problem(
            "draw uses random numbers of its own", "Draw with the generator alone: torch.rand(…, generator=generator)."
        )
    return f"{' x '.join(map(str, first.shape))} numbers"


def applies(workspace: Workspace) -> str:
    """Apply it to a batch as a whole and sample by sample."""
    draw, apply = _function(workspace, "draw"), _function(workspace, "apply")
    images, kept = _images(), _images()
    drawn = draw(tuple(images.shape), torch.Generator().manual_seed(1))
    state = torch.get_rng_state()
    whole = apply(images, drawn)
    if not torch.equal(state, torch.get_rng_state()):
        raise Problem("apply draws random numbers", "Draw everything random in draw.")
    if not torch.equal(images, kept):
        raise Problem("apply changes its inputs", "Return a new tensor: the inputs are the data of the training.")
    if not isinstance(whole, Tensor) or whole.shape != images.shape or whole.dtype not in (torch.uint8, torch.float32):
        raise Problem("apply changes the shape or the type", "Return uint8 or float32 of the shape of the inputs.")
    if not bool(torch.isfinite(whole.float()).all()) or whole.min() < 0 or whole.max() > 255:
        raise Problem("augmented images leave the range from 0 to 255", "Clamp them: .clamp(0, 255).")
    alone = torch.cat([apply(images[place : place + 1], drawn[place : place + 1]) for place in range(_SAMPLES)])
    if not torch.allclose(whole.float(), alone.float(), atol=1e-3):
        raise Problem("the result of a sample depends on the rest of the batch", "Use only its own row of drawn.")
    changed = int((whole != images).flatten(1).any(1).sum())
    return f"it changes {changed} of {_SAMPLES} images"


def computes(workspace: Workspace) -> str:
    """Compute the loss and its gradients for random outputs and targets of each task."""
    part, compute = _part(workspace), _function(workspace, "compute")
    assert isinstance(part, Loss)
    found = []
    for task in part.tasks:
        outputs, targets = _predictions(workspace, task)
        loss = compute(outputs.requires_grad_(), targets)
        if not isinstance(loss, Tensor) or loss.shape != ():
            raise Problem(f"for {task} it returns no scalar tensor", "Average over the batch: .mean().")
        (gradient,) = torch.autograd.grad(loss, outputs, allow_unused=True)
        if gradient is None or not bool(torch.isfinite(loss)) or not bool(torch.isfinite(gradient).all()):
            raise Problem(
                f"for {task} the loss or its gradient is missing or not finite", "Compute it from the outputs."
            )
        found.append(f"{task} {loss.item():.3g}")
    return ", ".join(found)


def averages(workspace: Workspace) -> str:
    """Compare the loss of a batch with that of its two parts."""
    part, compute = _part(workspace), _function(workspace, "compute")
    assert isinstance(part, Loss)
    for task in part.tasks:
        outputs, targets = _predictions(workspace, task)
        whole = float(compute(outputs, targets))
        parts = [float(compute(outputs[piece], targets[piece])) for piece in (slice(0, 6), slice(6, _SAMPLES))]
        mean = (6 * parts[0] + (_SAMPLES - 6) * parts[1]) / _SAMPLES
        if abs(whole - mean) > 1e-4 * max(1.0, abs(whole)):
            raise Problem(
                f"for {task} a batch has the loss {whole:.6g}, in two parts {mean:.6g}",
                "Compute a loss for each sample and average it; `accumulate` and several devices divide a batch.",
            )
    return "a batch in two parts gives the same loss"


def trains(workspace: Workspace) -> str:
    """Train a small network with it."""
    entries = _run(workspace).metrics()
    return f"{len(entries)} epochs, loss {entries[0]['train']['loss']:.3g} to {entries[-1]['train']['loss']:.3g}"


def resume(workspace: Workspace) -> str:
    """Stop after the first epoch, resume, and compare the weights with those of the uninterrupted run."""
    remedy = "Keep all state in optimizer.state, as tensors; draw random numbers only with the generator."
    return compare_resumed(workspace, NETWORK, _run(workspace), remedy, **_choice(workspace))


def _run(workspace: Workspace) -> Run:
    """Train the network of the fixtures once for all checks."""
    if "failed" in workspace.cache:
        raise NotChecked(f"it needs a trained network, and the training failed: {workspace.cache['failed']}")
    if "run" not in workspace.cache:
        part = _part(workspace)
        if NETWORK not in workspace.registry.architectures:
            tasks = workspace.registry
            add_network(
                tasks, _known(workspace, part.tasks[0]) if isinstance(part, Loss) else tasks.usual_task("class")
            )
        scratch, settings = workspace.scratch, {**short_training(), **_choice(workspace)}
        try:
            workspace.cache["run"] = train(
                NETWORK, registry=workspace.registry, runs_dir=scratch / "runs", data_dir=scratch, **settings
            )
        except ZooError as error:
            workspace.cache["failed"] = str(error)
            raise Problem(str(error), "Its functions are described in the reference.") from error
    run: Run = workspace.cache["run"]
    return run


def _choice(workspace: Workspace) -> dict[str, Any]:
    """The settings that choose the part. The small learning rate suits optimisers that normalise their step."""
    kind = next(kind for kind, cls in PARTS.items() if cls.__name__.lower() == workspace.item.kind)
    return {kind: workspace.item.name, "lr": 1e-3}


def _part(workspace: Workspace) -> RecipePart:
    (kind,) = _choice(workspace).keys() - {"lr"}
    return workspace.registry.recipe_parts(kind)[workspace.item.name]


def _function(workspace: Workspace, field: str) -> Any:
    """A function of the part, with the defaults of its options."""
    part = _part(workspace)
    options = {option.name: option.default for option in part.options}
    return partial(resolve_reference(dict(part.references)[field]), **options)


def _images() -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (_SAMPLES, 1, 8, 8), generator=random).to(torch.uint8)


def _known(workspace: Workspace, name: str) -> Task:
    """A task that predicts a class or numbers; a network for another one is not known here."""
    task = workspace.registry.task(name)
    if task.predicts not in ("class", "numbers"):
        raise NotChecked(f"{name} has outputs of its own; an architecture for it checks the loss")
    return task


def _predictions(workspace: Workspace, name: str) -> tuple[Tensor, Tensor]:
    task = _known(workspace, name)
    random, count = torch.Generator().manual_seed(0), example_outputs(task)
    outputs = torch.randn(_SAMPLES, count, generator=random)
    return outputs, load_task(task).example_targets(_SAMPLES, (1, 8, 8), count, random)
