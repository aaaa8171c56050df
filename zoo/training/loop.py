"""The training loop: the same for every architecture, device and task.

Everything random is a function of the seed and the position (epoch, step), and everything else that a step depends
on is written down, so that a run that was stopped and resumed ends with the same bytes as one that was not.
"""

from __future__ import annotations

import logging
import math
import signal
import time
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ..data.splits import Split
from ..errors import TrainingDiverged, TrainingInterrupted
from ..models.scores import evaluate
from ..runs.checkpoint import model_state, save_tensors
from .distributed import AGREE_EVERY
from .interrupts import StopRequest
from .optimisation import augment, draw_augmentation, epoch_order, learning_rate, seed_step, set_learning_rate
from .plan import Plan, Progress, State, no_totals
from .resuming import save_last

log = logging.getLogger("zoo")

PROGRESS_SECONDS = 0.1
_DESCRIPTION = ("architecture", "plugin", "options", "task", "data", "seed", "hyperparameters")


def run_epochs(plan: Plan, state: State, request: StopRequest) -> None:
    """Every epoch: train, validate, keep the best, write down what is needed to go on."""
    while state.epoch <= plan.hyperparameters.epochs and not _out_of_patience(plan, state):
        began = time.perf_counter()
        _train_epoch(plan, state, request)
        trained = time.perf_counter()
        plan.world.share_buffers(state.judged)
        validation = evaluate(state.judged, plan.validation, plan.task, world=plan.world).metrics
        loss, metric = _means(plan, state, together=True)
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
        _keep_best(plan, state, validation)
        plan.run.add_metrics(entry)
        state.seconds += time.perf_counter() - began
        state.epoch, state.step, state.totals = state.epoch + 1, 0, no_totals(plan.device)
        ends = state.epoch > plan.hyperparameters.epochs
        stop = plan.world.agree(request.signal_number, plan.device)
        if ends or stop or (state.epoch - 1) % plan.checkpoints.epochs == 0:
            save_last(plan, state)
        plan.notify("epoch_ended", metrics=entry)
        if not ends and (stop := stop or plan.world.agree(request.signal_number, plan.device)):
            save_last(plan, state)
            raise _interrupted(plan, state, stop)


def _out_of_patience(plan: Plan, state: State) -> bool:
    """Whether the last epochs brought nothing better, as many as the recipe allows."""
    patience = plan.hyperparameters.patience
    if not patience or state.best is None or state.step or state.epoch - 1 - state.best["epoch"] < patience:
        return False
    log.warning("Nothing better for %d epochs: stopped after epoch %d.", patience, state.epoch - 1)
    return True


def _train_epoch(plan: Plan, state: State, request: StopRequest) -> None:
    """The steps of one epoch that are still to be done. Nothing waits for the device but the progress reports."""
    _train_mode(state.model)
    began = reported = time.perf_counter()
    first_step = state.step
    for batch in plan.train.feed(shares(plan, state), plan.device):
        rate = learning_rate(plan.hyperparameters, plan.steps_done(state), plan.total_steps)
        train_step(plan, state, batch, rate)
        state.step += 1
        if state.step < plan.steps:
            stop = _asked_to_stop(plan, state, request)
            if stop or (plan.checkpoints.steps and state.step % plan.checkpoints.steps == 0):
                state.seconds += time.perf_counter() - began
                began, first_step = time.perf_counter(), state.step
                save_last(plan, state)
            if stop:
                raise _interrupted(plan, state, stop)
        now = time.perf_counter()
        if now - reported >= PROGRESS_SECONDS:
            reported = now
            _report(plan, state, (state.step - first_step) / (now - began))
    _means(plan, state, together=True)  # a last look for NaN


def shares(plan: Plan, state: State) -> Iterator[Tensor]:
    """Of each step that is still to be done in this epoch, the samples that this process computes."""
    order = epoch_order(len(plan.train), plan.seed, state.epoch)
    order = order if plan.train.mapped else order.to(plan.device)
    for step in range(state.step, plan.steps):
        batch = order[step * plan.hyperparameters.batch_size :][: plan.batch_length(step)]
        yield batch[plan.part(len(batch))]


def train_step(plan: Plan, state: State, share: Split, rate: float) -> None:
    """One step of the optimiser at a learning rate, on this process's share of the batch."""
    h, optimizer = plan.hyperparameters, state.optimizer
    whole = plan.batch_length(state.step)
    set_learning_rate(optimizer, rate)
    seed_step(plan.seed, state.epoch, state.step)
    # drawn for the whole batch, so that several processes do to it what one would
    drawn = draw_augmentation(whole if share.inputs.ndim == 4 else 0, h, plan.device).part(plan.part(whole))
    if plan.world.rank:
        seed_step(plan.seed, state.epoch, state.step, plan.world.rank)
    optimizer.zero_grad(set_to_none=True)
    weight = plan.world.size if plan.is_divided(whole) else 1  # gradients are averaged over the processes
    size = math.ceil(len(share) / h.accumulate)
    for start in range(0, len(share), size):
        piece = slice(start, start + size)
        inputs, targets = share.inputs[piece], share.targets[piece]
        with plan.together(state.trained, now=piece.stop >= len(share)):
            with plan.arithmetic():
                # what a regression has behind its network gives the target's units; the loss is taken before it
                outputs = state.trained(augment(inputs, drawn.part(piece), h)).float()
                loss = plan.task.loss(outputs, targets, h)
            state.scaler.scale(loss * (weight * len(targets) / whole)).backward()  # type: ignore[no-untyped-call]
        if plan.world.first or plan.is_divided(whole):
            _count(plan, state, state.model[2:](outputs.detach()), targets, loss.detach())
    if h.grad_clip:
        state.scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(state.model.parameters(), h.grad_clip)
    state.scaler.step(optimizer)
    state.scaler.update()
    if state.average is not None:
        state.average.update_parameters(state.model)


def _asked_to_stop(plan: Plan, state: State, request: StopRequest) -> int:
    """The signal that asked to stop. Several processes look together, and so not after every step."""
    if plan.world.size > 1 and state.step % AGREE_EVERY:
        return 0
    return plan.world.agree(request.signal_number, plan.device)


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
    totals[2] += len(targets)
    bad = torch.where(torch.isfinite(loss), math.inf, float(state.step + 1))
    totals[3] = torch.minimum(totals[3], bad.to(totals.dtype))


def _means(plan: Plan, state: State, *, together: bool) -> tuple[float, float]:
    """Loss and metric over the epoch so far, of all processes or this one's share. This waits for the device.

    Raises:
        TrainingDiverged: a loss was not finite.
    """
    sums, bad = state.totals[:3], state.totals[3:]
    if together:
        sums, bad = plan.world.sum(sums), plan.world.minimum(bad)
    (loss, metric, samples), bad_step = sums.tolist(), float(bad)
    if math.isfinite(bad_step) and (together or plan.world.size == 1):
        raise _diverged(plan, state.epoch, int(bad_step))
    return loss / max(samples, 1), metric / max(samples, 1)


def _report(plan: Plan, state: State, steps_per_second: float) -> None:
    if not plan.world.first or not steps_per_second:
        return
    loss, metric = _means(plan, state, together=False)
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


def _keep_best(plan: Plan, state: State, validation: dict[str, float]) -> None:
    """Write the checkpoint of this epoch if it is the best so far."""
    score = plan.task.score(validation)
    if state.best is not None and score <= tuple(state.best["score"]):
        return
    state.best = {"epoch": state.epoch, "validation": validation, "score": list(score)}
    config = plan.run.config
    if plan.world.first:
        metadata = {key: config[key] for key in _DESCRIPTION} | state.best
        save_tensors(plan.run.best, model_state(state.judged), metadata)
    config["best"] = state.best
    plan.run.save()


def _diverged(plan: Plan, epoch: int, step: int) -> TrainingDiverged:
    rate = learning_rate(plan.hyperparameters, (epoch - 1) * plan.steps + step - 1, plan.total_steps)
    kept = f" The best checkpoint so far is in {plan.run.folder}." if plan.run.best.is_file() else ""
    return TrainingDiverged(
        f"The loss was no longer finite at step {step} of epoch {epoch} (learning rate {rate:.3g}). "
        f"Try --lr {plan.hyperparameters.lr / 4:.2g} or --set grad_clip=1.{kept}"
    )


def _interrupted(plan: Plan, state: State, number: int) -> TrainingInterrupted:
    name = signal.Signals(number).name
    where = f"step {state.step} of epoch {state.epoch}" if state.step else f"epoch {state.epoch - 1}"
    return TrainingInterrupted(
        f"Stopped by {name} after {where}. Go on with: zoo train --resume {plan.run.folder}", number
    )
