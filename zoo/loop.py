"""The training loop: the same for every architecture, device and task.

Everything random is a function of the seed and the position (epoch, step), and everything else that a step depends
on is written down, so that a run that was stopped and resumed ends with the same bytes as one that was not.
"""

from __future__ import annotations

import logging
import math
import signal
import time

import torch
from torch import Tensor, nn

from .checkpoint import load_model_state, load_tensors, model_state, save_tensors
from .data import Split
from .errors import TrainingDiverged, TrainingInterrupted
from .evaluation import evaluate
from .interrupts import StopRequest
from .optimisation import (
    augment,
    epoch_order,
    learning_rate,
    load_optimizer_state,
    optimizer_state,
    seed_step,
    set_learning_rate,
)
from .plan import Plan, Progress, State, no_totals
from .runs import Run

log = logging.getLogger("zoo")

PROGRESS_SECONDS = 0.1
_DESCRIPTION = ("architecture", "plugin", "options", "task", "data", "seed", "hyperparameters")


def run_epochs(plan: Plan, state: State, request: StopRequest) -> None:
    """Every epoch: train, validate, keep the best, write down what is needed to go on."""
    while state.epoch <= plan.hyperparameters.epochs and not _out_of_patience(plan, state):
        began = time.perf_counter()
        _train_epoch(plan, state, request)
        trained = time.perf_counter()
        validation = evaluate(state.judged, plan.validation, plan.task).metrics
        loss, metric = _means(plan, state)
        if not math.isfinite(validation["loss"]):
            raise _diverged(plan, state.epoch, plan.steps)
        entry = {
            "epoch": state.epoch,
            "train": {"loss": loss, plan.task.metric: metric},
            "validation": validation,
            "lr": learning_rate(plan.hyperparameters, state.epoch * plan.steps - 1, plan.total_steps),
            "train_seconds": round(trained - began, 3),
            "validation_seconds": round(time.perf_counter() - trained, 3),
        }
        score = plan.task.score(validation)
        if state.best is None or score > tuple(state.best["score"]):
            state.best = {"epoch": state.epoch, "validation": validation, "score": list(score)}
            _save_best(plan, state)
        plan.run.add_metrics(entry)
        state.seconds += time.perf_counter() - began
        state.epoch, state.step, state.totals = state.epoch + 1, 0, no_totals(plan.device)
        save_last(plan, state)
        plan.notify("epoch_ended", metrics=entry)
        if request.signal_number and state.epoch <= plan.hyperparameters.epochs:
            raise _interrupted(plan, state, request)


def _out_of_patience(plan: Plan, state: State) -> bool:
    """Whether the last epochs brought nothing better, as many as the recipe allows."""
    patience = plan.hyperparameters.patience
    if not patience or state.best is None or state.step or state.epoch - 1 - state.best["epoch"] < patience:
        return False
    log.warning("Nothing better for %d epochs: stopped after epoch %d.", patience, state.epoch - 1)
    return True


def _train_epoch(plan: Plan, state: State, request: StopRequest) -> None:
    """The steps of one epoch that are still to be done. Nothing waits for the device but the progress reports."""
    h = plan.hyperparameters
    _train_mode(state.model)
    order = epoch_order(len(plan.train), plan.seed, state.epoch).to(plan.device)
    began = reported = time.perf_counter()
    first_step = state.step
    while state.step < plan.steps:
        seed_step(plan.seed, state.epoch, state.step)
        set_learning_rate(state.optimizer, learning_rate(h, plan.steps_done(state), plan.total_steps))
        _train_step(plan, state, plan.train.take(order[state.step * h.batch_size : (state.step + 1) * h.batch_size]))
        state.step += 1
        if request.signal_number and state.step < plan.steps:
            state.seconds += time.perf_counter() - began
            save_last(plan, state)
            raise _interrupted(plan, state, request)
        now = time.perf_counter()
        if now - reported >= PROGRESS_SECONDS:
            reported = now
            _report(plan, state, (state.step - first_step) / (now - began))
    _means(plan, state)  # a last look for NaN


def _train_step(plan: Plan, state: State, batch: Split) -> None:
    """One step of the optimiser."""
    h, model, optimizer = plan.hyperparameters, state.model, state.optimizer
    optimizer.zero_grad(set_to_none=True)
    for part in batch.batches(math.ceil(len(batch) / h.accumulate)):
        # what a regression has behind its network gives the target's units; the loss is taken before it
        outputs = model[:2](augment(part.inputs, h))
        loss = plan.task.loss(outputs, part.targets, h)
        (loss * (len(part) / len(batch))).backward()  # type: ignore[no-untyped-call]
        _count(plan, state, model[2:](outputs.detach()), part.targets, loss.detach())
    if h.grad_clip:
        nn.utils.clip_grad_norm_(model.parameters(), h.grad_clip)
    optimizer.step()
    if state.average is not None:
        state.average.update_parameters(model)


def _train_mode(model: nn.Module) -> None:
    """Training mode, but for modules whose parameters are all frozen: their batch norm keeps its statistics."""
    model.train()
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def _count(plan: Plan, state: State, outputs: Tensor, targets: Tensor, loss: Tensor) -> None:
    """Add a step to the epoch's totals: loss and metric over samples, and the first step that was not finite."""
    totals = state.totals
    totals[0] += loss * len(targets)
    totals[1] += plan.task.metric_of_each(outputs, targets).sum()
    bad = torch.where(torch.isfinite(loss), math.inf, float(state.step + 1))
    totals[2] = torch.minimum(totals[2], bad.to(totals.dtype))


def _means(plan: Plan, state: State) -> tuple[float, float]:
    """Loss and metric over the epoch so far. This waits for the device.

    Raises:
        TrainingDiverged: a loss was not finite.
    """
    loss, metric, bad_step = state.totals.tolist()
    if math.isfinite(bad_step):
        raise _diverged(plan, state.epoch, int(bad_step))
    samples = min(state.step * plan.hyperparameters.batch_size, len(plan.train))
    return loss / samples, metric / samples


def _report(plan: Plan, state: State, steps_per_second: float) -> None:
    loss, metric = _means(plan, state)
    done = plan.steps_done(state)
    progress = Progress(
        epoch=state.epoch,
        epochs=plan.hyperparameters.epochs,
        step=state.step,
        steps=plan.steps,
        loss=loss,
        metric_name=plan.task.metric,
        metric=metric,
        lr=learning_rate(plan.hyperparameters, done - 1, plan.total_steps),
        samples_per_second=steps_per_second * plan.hyperparameters.batch_size,
        seconds_left=(plan.total_steps - done) / steps_per_second,
    )
    plan.notify("train_progressed", progress=progress)


def _save_best(plan: Plan, state: State) -> None:
    config = plan.run.config
    metadata = {key: config[key] for key in _DESCRIPTION}
    metadata |= state.best or {}
    save_tensors(plan.run.best, model_state(state.judged), metadata)
    config["best"] = state.best
    plan.run.save()


def save_last(plan: Plan, state: State) -> None:
    """Write everything that :func:`load_last` needs to go on from here."""
    tensors = {f"model.{name}": tensor for name, tensor in model_state(state.model).items()}
    tensors |= {f"optimizer.{name}": tensor for name, tensor in optimizer_state(state.optimizer).items()}
    if state.average is not None:
        tensors |= {f"average.{name}": tensor for name, tensor in model_state(state.average).items()}
    tensors["totals"] = state.totals
    position = {"epoch": state.epoch, "step": state.step, "best": state.best, "seconds": state.seconds}
    save_tensors(plan.run.last, tensors, position)


def load_last(run: Run, state: State) -> None:
    """Put ``state`` where :func:`save_last` left it."""
    tensors, position = load_tensors(run.last)
    state.totals = tensors.pop("totals").to(state.totals.device)
    groups: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "average": {}}
    for name, tensor in tensors.items():
        group, _, rest = name.partition(".")
        groups[group][rest] = tensor
    load_model_state(state.model, groups["model"])
    load_optimizer_state(state.optimizer, groups["optimizer"])
    if state.average is not None:
        load_model_state(state.average, groups["average"])
    state.epoch, state.step = position["epoch"], position["step"]
    state.best, state.seconds = position["best"], position["seconds"]


def _diverged(plan: Plan, epoch: int, step: int) -> TrainingDiverged:
    rate = learning_rate(plan.hyperparameters, (epoch - 1) * plan.steps + step - 1, plan.total_steps)
    kept = f" The best checkpoint so far is in {plan.run.folder}." if plan.run.best.is_file() else ""
    return TrainingDiverged(
        f"The loss was no longer finite at step {step} of epoch {epoch} (learning rate {rate:.3g}). "
        f"Try --lr {plan.hyperparameters.lr / 4:.2g} or --set grad_clip=1.{kept}"
    )


def _interrupted(plan: Plan, state: State, request: StopRequest) -> TrainingInterrupted:
    name = signal.Signals(request.signal_number).name
    where = f"step {state.step} of epoch {state.epoch}" if state.step else f"epoch {state.epoch - 1}"
    return TrainingInterrupted(
        f"Stopped by {name} after {where}. Go on with: zoo train --resume {plan.run.folder}", request.signal_number
    )
