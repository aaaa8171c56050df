"""Writing down where a training is, and going on from there."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor

from ..models.devices import arithmetic
from ..runs.checkpoint import load_model_state, load_tensors, model_state, save_tensors
from ..runs.run import Run
from .distributed import World
from .optimisation import load_optimizer_state, optimizer_state
from .plan import Plan, State, no_totals

log = logging.getLogger("zoo")


def save_last(plan: Plan, state: State) -> None:
    """Write everything that :func:`load_last` needs to go on from here. All processes call it, the first one writes."""
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
    """Put ``state`` where :func:`save_last` left it; the first process reads for all.

    Returns:
        Whether there was anything to go on from.
    """
    found = world.broadcast(load_tensors(run.last) if world.first and run.last.is_file() else None)
    if found is None:
        return False
    tensors, position = found
    totals = tensors.pop("totals")
    state.totals = totals.to(state.totals.device) if world.first else no_totals(state.totals.device)
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


def note_other_arithmetic(run: Run, device: torch.device) -> None:
    """Warn where ``run`` goes on under other settings than before, so that its last digits may come out differently."""
    before, now = run.config.get("arithmetic"), arithmetic(device)
    if not before or before[-1] == now:
        return
    names = sorted(name for name in before[-1].keys() | now.keys() if before[-1].get(name) != now.get(name))
    changes = ", ".join(f"{name} {_shown(before[-1], name)} before, {_shown(now, name)} now" for name in names)
    log.warning(
        "%s goes on under other arithmetic (%s). It will train as well, but not to the same bytes as without the stop.",
        run.name,
        changes,
    )
    run.config["arithmetic"] = [*before, now]
    run.save()


def _shown(settings: dict[str, Any], name: str) -> str:
    value = settings.get(name, "none")
    return "unlimited" if value == "" else str(value)
