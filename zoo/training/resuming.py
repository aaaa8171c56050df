"""The checkpoint that a training resumes from: written, read, and put back into the state."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from ..errors import UsageError
from ..models.devices import arithmetic
from ..registry.origins import note_change
from ..runs.checkpoint import load_model_state, load_tensors, model_state, save_tensors
from ..runs.run import Run
from .distributed import World
from .optimisation import load_optimizer_state, optimizer_state
from .plan import Plan, State, zero_totals
from .request import ResumeRequest

log = logging.getLogger("zoo")


def check_resumable(run: Run, request: ResumeRequest) -> None:
    """Refuse a finished run, unless the request has a new number of epochs.

    Raises:
        UsageError: the run is finished.
    """
    if run.status == "finished" and request.epochs is None:
        raise UsageError(f"{run.name} is finished already. To train longer, give a larger number with --epochs.")


def save_last(plan: Plan, state: State) -> None:
    """Write the checkpoint that :func:`load_last` reads. All processes call this, the first one writes."""
    totals = torch.cat([plan.world.sum(state.totals[:3]), plan.world.minimum(state.totals[3:])])
    if not plan.world.first:
        return
    tensors = {f"model.{name}": tensor for name, tensor in model_state(state.model).items()}
    tensors |= {f"optimizer.{name}": tensor for name, tensor in optimizer_state(state.optimizer).items()}
    if state.average is not None:
        tensors |= {f"average.{name}": tensor for name, tensor in model_state(state.average).items()}
    tensors["totals"] = totals
    position: dict[str, Any] = {"epoch": state.epoch, "step": state.step, "best": state.best, "seconds": state.seconds}
    if state.scaler.is_enabled():
        position["scaler"] = state.scaler.state_dict()
    save_tensors(plan.run.last, tensors, position)


def load_last(run: Run, state: State, world: World) -> bool:
    """Put the checkpoint of :func:`save_last` into ``state``. The first process reads it for all.

    Returns:
        False if there is no checkpoint.
    """
    found = world.broadcast(load_tensors(run.last) if world.first and run.last.is_file() else None)
    if found is None:
        return False
    tensors, position = found
    totals = tensors.pop("totals")
    state.totals = totals.to(state.totals.device) if world.first else zero_totals(state.totals.device)
    groups: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "average": {}}
    for name, tensor in tensors.items():
        group, _, rest = name.partition(".")
        groups[group][rest] = tensor
    load_model_state(state.model, groups["model"])
    load_optimizer_state(state.optimizer, groups["optimizer"])
    if state.average is not None:
        load_model_state(state.average, groups["average"])
    if state.scaler.is_enabled():
        state.scaler.load_state_dict(position["scaler"])
    state.epoch, state.step = position["epoch"], position["step"]
    state.best, state.seconds = position["best"], position["seconds"]
    return True


def return_to_last(plan: Plan, state: State, request: ResumeRequest) -> None:
    """Put the last checkpoint of the run into ``state``, and mark the run as running again.

    Without a checkpoint the run starts from its first step.

    Raises:
        UsageError: the run has already trained the requested number of epochs, or its initial weights were never saved.
    """
    run, epochs = plan.run, request.epochs
    if not load_last(run, state, plan.world) and run.config.get("init_from"):
        raise UsageError(f"{run.name} stopped before it saved the weights of --init-from. Start a new training.")
    if epochs is not None and epochs < state.epoch:
        raise UsageError(f"{run.name} has trained {state.epoch - 1} epochs already; --epochs must be larger.")
    if plan.world.first:
        run.set_metrics([entry for entry in run.metrics() if entry["epoch"] < state.epoch])
    run.config |= {"status": "running", "error": None, "results": None}
    run.config |= {"hyperparameters": asdict(plan.hyperparameters), "processes": plan.world.size}
    run.save()


def note_changes(plan: Plan) -> None:
    """Warn if the plugin or the numerical settings are not those that the run was started with."""
    note_change(plan.registry, plan.run.config)
    if plan.world.first:
        _note_arithmetic(plan.run, plan.device)


def _note_arithmetic(run: Run, device: torch.device) -> None:
    before, now = run.config.get("arithmetic"), arithmetic(device)
    if not before or before[-1] == now:
        return
    names = sorted(name for name in before[-1].keys() | now.keys() if before[-1].get(name) != now.get(name))
    changes = ", ".join(f"{name} {_text(before[-1], name)} before, {_text(now, name)} now" for name in names)
    log.warning(
        "%s resumes with other numerical settings (%s). The weights will differ by rounding from those of a run that "
        "was not interrupted.",
        run.name,
        changes,
    )
    run.config["arithmetic"] = [*before, now]
    run.save()


def _text(settings: dict[str, Any], name: str) -> str:
    value = settings.get(name, "none")
    return "unlimited" if value == "" else str(value)
