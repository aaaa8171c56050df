"""The training loop: the same for every architecture, device and task.

All random numbers depend only on the seed and the position (epoch, step). Everything else that a step depends on is in
the checkpoint. So a run that is stopped and resumed ends with the same bytes as a run that is not.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import signal
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from ..data.augmentation import augment, draw_augmentation
from ..data.splits import Split
from ..errors import TrainingDiverged, TrainingInterrupted
from ..models.scores import evaluate
from ..specs.hookspecs import EpochMetrics, Progress
from ..stop_requests import StopRequest
from .distributed import AGREE_EVERY
from .optimisation import epoch_order, seed_step, set_learning_rate
from .plan import Plan, State, zero_totals
from .resuming import CheckpointWriter

log = logging.getLogger("zoo")

Watch = Callable[[EpochMetrics], None]
PROGRESS_SECONDS = 0.1
"""Seconds between two calls of ``train_progressed``."""


def run_epochs(plan: Plan, state: State, request: StopRequest, watch: Watch | None = None) -> None:
    """Train the epochs that are left: train, validate, keep the best checkpoint, write the checkpoint to resume from.

    Args:
        watch: called with the metrics of each epoch. An exception of it ends the training.

    Raises:
        TrainingDiverged: a loss became NaN or infinite.
        TrainingInterrupted: a signal stopped the training after a step or an epoch.
    """
    writer = CheckpointWriter(plan, state)
    try:
        while not _ends(plan, state):
            metrics = _run_epoch(plan, state, request, writer)
            if watch is not None:
                watch(metrics)
    finally:
        writer.close()
    if state.epoch <= plan.hyperparameters.epochs:
        patience = plan.hyperparameters.patience
        log.warning("The validation did not improve for %d epochs: stopped after epoch %d.", patience, state.epoch - 1)


def _run_epoch(plan: Plan, state: State, request: StopRequest, writer: CheckpointWriter) -> EpochMetrics:
    began = time.perf_counter()
    _train_epoch(plan, state, request, writer)
    metrics = _measure_epoch(plan, state, began)
    _note_best(plan, state, metrics["validation"], writer)
    plan.run.add_metrics({**metrics})
    state.seconds += time.perf_counter() - began
    state.epoch, state.step, state.totals = state.epoch + 1, 0, zero_totals(plan.device)
    ends = _ends(plan, state)
    stop = plan.world.agree(request.signal_number, plan.device)
    writer.after_epoch(now=ends or bool(stop))
    plan.notify("epoch_ended", metrics=metrics)
    if not ends and (stop := stop or plan.world.agree(request.signal_number, plan.device)):
        writer.save()
        raise _interrupted(plan, state, stop)
    return metrics


def _ends(plan: Plan, state: State) -> bool:
    """Whether all epochs are trained, or the validation was not better for as many epochs as ``patience``."""
    patience = plan.hyperparameters.patience
    if state.epoch > plan.hyperparameters.epochs:
        return True
    if not patience or state.best is None or state.step:
        return False
    return bool(state.epoch - 1 - state.best["epoch"] >= patience)


def _train_epoch(plan: Plan, state: State, request: StopRequest, writer: CheckpointWriter) -> None:
    """Train the steps that are left of the epoch. Only progress reports and checkpoints wait for the device."""
    _train_mode(state.model)
    began = reported = time.perf_counter()
    first_step = state.step
    for batch in plan.train.feed(batch_indices(plan, state), plan.device):
        rate = plan.rate(plan.steps_done(state))
        train_step(plan, state, batch, rate)
        state.step += 1
        if state.step < plan.steps_per_epoch:
            stop = _stop_signal(plan, state, request)
            if stop or (plan.checkpoints.steps and state.step % plan.checkpoints.steps == 0):
                state.seconds += time.perf_counter() - began
                began, first_step = time.perf_counter(), state.step
                writer.save()
            if stop:
                raise _interrupted(plan, state, stop)
        now = time.perf_counter()
        if now - reported >= PROGRESS_SECONDS:
            reported = now
            writer.write_best_if_due()
            _report(plan, state, (state.step - first_step) / (now - began))
    _means(plan, state, all_processes=True)  # raises if a loss was not finite


def batch_indices(plan: Plan, state: State) -> Iterator[Tensor]:
    """For each step that is left of the epoch, the indices of the training samples that this process computes.

    For mixup, the samples that they are mixed with follow: for each the next one of the batch, for the last the first.
    """
    order = epoch_order(len(plan.train), plan.seed, state.epoch)
    order = order if plan.train.mapped else order.to(plan.device)
    for step in range(state.step, plan.steps_per_epoch):
        batch = order[step * plan.hyperparameters.batch_size :][: plan.batch_length(step)]
        part = plan.part(len(batch))
        yield torch.cat([batch[part], batch.roll(-1)[part]]) if plan.mixes else batch[part]


def train_step(plan: Plan, state: State, samples: Split, rate: float) -> None:
    """One optimiser step with learning rate ``rate``, on the samples of the batch that this process computes."""
    h, optimizer = plan.hyperparameters, state.optimizer
    batch = plan.batch_length(state.step)
    set_learning_rate(optimizer, rate)
    seed_step(plan.seed, state.epoch, state.step)
    # drawn for the whole batch, so that the augmentation does not depend on the number of processes
    drawn = draw_augmentation(batch if samples.inputs.ndim == 4 else 0, h, plan.device)
    inputs = plan.parts.augment(samples.inputs, batch, plan.part(batch), (plan.seed, state.epoch, state.step))
    inputs = augment(inputs, drawn, plan.part(batch), h)
    targets, partners = samples.targets[: len(inputs)], samples.targets[len(inputs) :]
    if plan.world.rank:
        seed_step(plan.seed, state.epoch, state.step, plan.world.rank)
    optimizer.zero_grad(set_to_none=True)
    weight = plan.world.size if plan.is_divided(batch) else 1  # gradients are averaged over the processes
    for piece in pieces(len(inputs), h.accumulate):
        with _gradient_sync(state.training_module, now=piece.stop == len(inputs)):
            with plan.autocast():
                # standardised units: for regression the layer behind the network returns to the unit of the target
                outputs = state.training_module(inputs[piece]).float()
                loss = plan.parts.loss(plan.task, outputs, targets[piece], h)
                if drawn.mixup is not None:
                    other = plan.parts.loss(plan.task, outputs, partners[piece], h)
                    loss = drawn.mixup * loss + (1 - drawn.mixup) * other
            share = weight * len(targets[piece]) / batch
            state.scaler.scale(loss * share).backward()  # type: ignore[no-untyped-call]
        if plan.world.first or plan.is_divided(batch):
            with plan.task.spec.guard("postprocess"):
                finished = state.model[2:](outputs.detach())
            _add_to_totals(plan, state, finished, targets[piece], loss.detach())
    if h.grad_clip:
        state.scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(state.model.parameters(), h.grad_clip)
    state.scaler.step(optimizer)
    state.scaler.update()
    if state.average is not None:
        state.average.update_parameters(state.model)


def pieces(samples: int, count: int) -> list[slice]:
    """Divide ``samples`` into ``count`` pieces whose sizes differ by at most one.

    There are fewer pieces if one would have a single sample, on which batch norm cannot train.
    """
    count = max(1, min(count, samples // 2))
    ends = [samples * number // count for number in range(count + 1)]
    return [slice(*pair) for pair in itertools.pairwise(ends)]


def _gradient_sync(module: nn.Module, *, now: bool) -> contextlib.AbstractContextManager[object]:
    """Whether the backward pass averages the gradients over the processes now, or only adds them up."""
    inner = getattr(module, "_orig_mod", module)  # the module that torch.compile wraps
    if isinstance(inner, nn.parallel.DistributedDataParallel) and not now:
        return inner.no_sync()
    return contextlib.nullcontext()


def _stop_signal(plan: Plan, state: State, request: StopRequest) -> int:
    """The signal that asked to stop, or 0. Several processes have to agree, and so do not ask after every step."""
    if plan.world.size > 1 and state.step % AGREE_EVERY:
        return 0
    return plan.world.agree(request.signal_number, plan.device)


def _train_mode(model: nn.Module) -> None:
    """Set training mode, except for modules whose parameters are all frozen: their batch norm keeps its statistics."""
    model.train()
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def _add_to_totals(plan: Plan, state: State, outputs: Tensor, targets: Tensor, loss: Tensor) -> None:
    """Add the outputs of a step to the totals of the epoch, without waiting for the device."""
    totals = state.totals
    totals[0] += loss * len(targets)
    totals[1] += plan.task.metric_of_each(outputs, targets).sum()
    totals[2] += len(targets)
    bad = torch.where(torch.isfinite(loss), math.inf, float(state.step + 1))
    totals[3] = torch.minimum(totals[3], bad.to(totals.dtype))


def _means(plan: Plan, state: State, *, all_processes: bool) -> tuple[float, float]:
    """Mean loss and metric of the epoch so far, over all processes or in this one. This waits for the device.

    Raises:
        TrainingDiverged: a loss was not finite.
    """
    sums, bad = state.totals[:3], state.totals[3:]
    if all_processes:
        sums, bad = plan.world.sum(sums), plan.world.minimum(bad)
    (loss, metric, samples), bad_step = sums.tolist(), float(bad)
    if math.isfinite(bad_step) and (all_processes or plan.world.size == 1):
        raise _diverged(plan, state, int(bad_step))
    return loss / max(samples, 1), metric / max(samples, 1)


def _report(plan: Plan, state: State, steps_per_second: float) -> None:
    """Call ``train_progressed`` in the first process."""
    if not plan.world.first or not steps_per_second:
        return
    loss, metric = _means(plan, state, all_processes=False)
    done = plan.steps_done(state)
    progress = Progress(
        epoch=state.epoch,
        epochs=plan.hyperparameters.epochs,
        step=state.step,
        steps=plan.steps_per_epoch,
        loss=loss,
        metric_name=plan.task.metric,
        metric=metric,
        lr=plan.rate(done - 1),
        samples_per_second=steps_per_second * plan.hyperparameters.batch_size,
        seconds_left=(plan.total_steps - done) / steps_per_second,
    )
    plan.notify("train_progressed", progress=progress)


def _measure_epoch(plan: Plan, state: State, began: float) -> EpochMetrics:
    """Validate, and collect the metrics of the epoch, whose training started at ``began`` and has just ended."""
    trained = time.perf_counter()
    plan.world.share_buffers(state.evaluated_model)
    validation = evaluate(state.evaluated_model, plan.validation, plan.task, world=plan.world).metrics
    loss, metric = _means(plan, state, all_processes=True)
    if not all(map(math.isfinite, (metric, *validation.values()))):
        raise _diverged(plan, state, plan.steps_per_epoch)
    return {
        "epoch": state.epoch,
        "train": {"loss": loss, plan.task.metric: metric},
        "validation": validation,
        "lr": plan.rate(state.epoch * plan.steps_per_epoch - 1),
        "train_seconds": round(trained - began, 3),
        "validation_seconds": round(time.perf_counter() - trained, 3),
    }


def _note_best(plan: Plan, state: State, validation: dict[str, float], writer: CheckpointWriter) -> None:
    """Keep the model as the best checkpoint if this epoch is the best so far, of those that ``best_of_last`` allows.

    Epochs before those are kept for the time being, so that a run that is stopped has a checkpoint.
    """
    score, h = plan.task.score(validation), plan.hyperparameters
    first = h.epochs + 1 - max(1, round(h.best_of_last * h.epochs))
    before = state.best
    if before is not None and before["epoch"] < first <= state.epoch:
        before = None
    if before is not None and score <= tuple(before["score"]):
        return
    state.best = {"epoch": state.epoch, "validation": validation, "score": list(score)}
    writer.keep_best()


def _diverged(plan: Plan, state: State, step: int) -> TrainingDiverged:
    done = (state.epoch - 1) * plan.steps_per_epoch + step - 1
    kept = f" The best checkpoint so far is in {plan.run.folder}." if state.best is not None else ""
    return TrainingDiverged(
        f"The loss was no longer finite at step {step} of epoch {state.epoch} "
        f"(learning rate {plan.rate(done):.3g}). "
        f"Try --lr {plan.hyperparameters.lr / 4:.2g} or --set grad_clip=1.{kept}"
    )


def _interrupted(plan: Plan, state: State, number: int) -> TrainingInterrupted:
    name = signal.Signals(number).name
    where = f"step {state.step} of epoch {state.epoch}" if state.step else f"epoch {state.epoch - 1}"
    return TrainingInterrupted(
        f"Stopped by {name} after {where}. Resume with: zoo train --resume {plan.run.folder}", number
    )
