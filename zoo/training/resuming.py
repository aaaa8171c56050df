"""The checkpoints of a training: when they are written, and how the state is put back when a run resumes."""

from __future__ import annotations

import logging
import time
from typing import Any

import torch
from torch import Tensor

from ..errors import UsageError, ZooError
from ..models.devices import arithmetic
from ..registry.origins import note_change
from ..runs.checkpoint import load_model_state, load_tensors, model_state, save_tensors
from ..runs.record import Position
from ..runs.run import Run
from .distributed import World
from .optimisation import load_optimizer_state, optimizer_state
from .plan import Plan, State, zero_totals
from .request import ResumeRequest

log = logging.getLogger("zoo")

CHECKPOINT_SECONDS = 2.0
"""Epochs can be shorter than the writing of their files, so by default a checkpoint is written at most this often."""
_BEST_METADATA = ("architecture", "plugin", "options", "task", "data", "seed", "hyperparameters")
"""What the metadata of the best checkpoint has from ``run.json``."""


class CheckpointWriter:
    """Writes the best checkpoint and the one to resume from. All processes call it, the first one writes.

    A power failure or a kill at any moment leaves a run that resumes to the same bytes: ``metrics.jsonl`` and the best
    checkpoint are on disk before the checkpoint to resume from, and a resumed run repeats what came after that one.
    """

    def __init__(self, plan: Plan, state: State) -> None:
        self._plan, self._state = plan, state
        self._written = time.monotonic()
        self._pending: tuple[dict[str, Tensor], dict[str, Any]] | None = None
        self._best_on_disk = plan.run.config.get("best")

    def keep_best(self) -> None:
        """The epoch that has just ended is the best so far."""
        config = self._plan.run.config
        config["best"] = self._state.best
        if self._plan.world.first:
            assert self._state.best is not None
            metadata = {key: config[key] for key in _BEST_METADATA} | self._state.best
            self._pending = model_state(self._state.evaluated_model), metadata

    def after_epoch(self, *, now: bool) -> None:
        """Write what is due after an epoch.

        Args:
            now: write everything, because the training ends or stops.
        """
        epochs = self._plan.checkpoints.epochs
        if now or (self._agreed() if not epochs else (self._state.epoch - 1) % epochs == 0):
            self.save()
        elif self._pending and self._is_due():
            self.write_best()
        elif self._pending:  # the next step changes the weights
            tensors, metadata = self._pending
            self._pending = {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}, metadata

    def save(self) -> None:
        """Write the checkpoint to resume from, and before it everything that it depends on."""
        self.write_best()
        self._plan.run.sync_metrics()
        save_last(self._plan, self._state)
        self._written = time.monotonic()

    def write_best_if_due(self) -> None:
        """Write a best checkpoint that has waited for :data:`CHECKPOINT_SECONDS`; for use between two steps."""
        if self._pending and self._is_due():
            self.write_best()

    def write_best(self) -> None:
        """Write the best checkpoint, unless it is on disk."""
        if self._pending is None:
            return
        tensors, metadata = self._pending
        save_tensors(self._plan.run.best, tensors, metadata)
        self._plan.run.save()
        self._pending, self._best_on_disk = None, self._plan.run.config["best"]
        self._written = time.monotonic()

    def close(self) -> None:
        """Write a best checkpoint that has waited, however the training ends; ``run.json`` names the one on disk."""
        try:
            self.write_best()
        except ZooError as error:  # a full disk, and the training has most likely stopped because of it
            log.warning("The best checkpoint of epoch %d is lost: %s", self._plan.run.config["best"]["epoch"], error)
            self._plan.run.config["best"] = self._best_on_disk

    def _is_due(self) -> bool:
        return time.monotonic() - self._written >= CHECKPOINT_SECONDS

    def _agreed(self) -> bool:
        """Whether a checkpoint is due by the clock of the first process."""
        return bool(self._plan.world.agree(int(self._plan.world.first and self._is_due()), self._plan.device))


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
    found = world.broadcast(load_tensors(run.last, Position) if world.first and run.last.is_file() else None)
    if found is None:
        return False
    tensors, position = found
    totals = tensors.pop("totals", None)
    if totals is None or totals.shape != state.totals.shape or ("scaler" in position) != state.scaler.is_enabled():
        raise ZooError(f"The checkpoint {run.last} is not one to resume {run.name} from.")
    state.totals = totals.to(state.totals.device) if world.first else zero_totals(state.totals.device)
    groups: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "average": {}}
    for name, tensor in tensors.items():
        group, _, rest = name.partition(".")
        if group not in groups:
            raise ZooError(f"The checkpoint {run.last} is damaged: it has an unknown tensor {name!r}.")
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
    done = plan.world.broadcast(max(state.epoch - 1, run.epochs_done()) if plan.world.first else None)
    if epochs is not None and epochs < max(state.epoch, done):
        raise UsageError(f"{run.name} has trained {done} epochs already; --epochs must be larger.")
    if plan.world.first:
        run.keep_metrics(state.epoch - 1)
    before = run.config["hyperparameters"]["epochs"]
    if plan.hyperparameters.epochs != before:
        run.config["extended"] = [*run.config.get("extended", []), {"epochs": before, "after": state.epoch - 1}]
    run.config |= {"status": "running", "error": None, "results": None}
    run.config |= {"hyperparameters": plan.hyperparameters.as_dict(), "processes": plan.world.size}
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
