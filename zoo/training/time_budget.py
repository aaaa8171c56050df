"""How many epochs fit into a time, measured before the training."""

from __future__ import annotations

import copy
import logging
import time
from dataclasses import dataclass, replace

from ..formatting import counted, duration
from ..models.devices import exact
from ..models.scores import evaluate
from ..runs.run import Run
from .distributed import ALONE, World
from .execution import freed_memory_kept
from .loop import batch_indices, train_step
from .plan import Plan, make_plan, make_state
from .preparation import Prepared, prepare
from .request import TrainingRequest
from .run_folder import describe_run

log = logging.getLogger("zoo")

WARM_STEPS = 3
"""Steps before the measurement: the first ones allocate memory, choose kernels or compile."""
FRACTION, LEAST_SECONDS, MOST_SECONDS = 0.05, 0.2, 5.0
"""The measurement takes this part of the time, within limits."""
MEASURED_SAMPLES = 2_000
"""Validation samples that are evaluated for the measurement."""


def fit_into_time(request: TrainingRequest, prepared: Prepared, world: World) -> tuple[TrainingRequest, Prepared]:
    """Request and preparation with as many whole epochs as take ``request.seconds``, one at least.

    The first process measures the steps and the validation on a copy of the model. The recipe is then adapted to that
    number of epochs like to one that the user sets, so that learning rate, warm-up and averaging end with the training.
    If that changes the batch, and with it the time of an epoch, it is measured again. The batch stays if an epoch fits
    into the time only with it.
    """
    fitted = _with_epochs(request, prepared, world)
    batch_size = prepared.hyperparameters.batch_size
    if fitted.prepared.hyperparameters.batch_size != batch_size:
        again = _with_epochs(fitted.request, fitted.prepared, world)
        fitted = again if again.fits or not fitted.fits else _with_batch(fitted, batch_size)
    if fitted.prepared.note:
        log.warning("%s", fitted.prepared.note)
    if world.first:
        log.warning("%s", fitted)
    return fitted.request, fitted.prepared


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A training whose epochs were chosen for a time.

    Args:
        seconds: of an epoch, measured.
    """

    request: TrainingRequest
    prepared: Prepared
    seconds: float

    @property
    def fits(self) -> bool:
        """Whether an epoch takes no longer than the whole time."""
        return self.seconds <= (self.request.seconds or 0.0)

    def __str__(self) -> str:
        epochs = counted(self.prepared.hyperparameters.epochs, "epoch")
        fits = "in" if self.fits else "although that is longer than"
        return f"Training {epochs} of about {duration(self.seconds)}, {fits} {duration(self.request.seconds or 0.0)}."


def _with_epochs(request: TrainingRequest, prepared: Prepared, world: World) -> _Fitted:
    """As many epochs as fit, by a new measurement, and the recipe adapted to them."""
    seconds = world.broadcast(measure_epoch(request, prepared) if world.first else None)
    changed = _with(request, "epochs", max(1, int((request.seconds or 0.0) / seconds)))
    return _Fitted(changed, prepare(changed, prepared.data), seconds)


def _with_batch(fitted: _Fitted, batch_size: int) -> _Fitted:
    request = _with(fitted.request, "batch_size", batch_size)
    return replace(fitted, request=request, prepared=prepare(request, fitted.prepared.data))


def _with(request: TrainingRequest, name: str, value: object) -> TrainingRequest:
    """``request`` as if the user had set a hyperparameter."""
    return replace(
        request, hyperparameters={**request.hyperparameters, name: value}, user_set=request.user_set | {name}
    )


def measure_epoch(request: TrainingRequest, prepared: Prepared) -> float:
    """The seconds of one epoch in this process: its steps and its validation, measured on copies of the model."""
    run = Run(request.runs_folder, describe_run(request, prepared, ALONE), writes=False)
    plan = make_plan(run, prepared, ALONE)
    with exact(plan.device, tf32=True), freed_memory_kept():
        return plan.steps_per_epoch * _seconds_of_step(plan, prepared, request) + _seconds_of_validation(plan, prepared)


def _seconds_of_step(plan: Plan, prepared: Prepared, request: TrainingRequest) -> float:
    least = min(max(FRACTION * (request.seconds or 0.0), LEAST_SECONDS), MOST_SECONDS)
    state = make_state(copy.deepcopy(prepared.model), plan)
    state.model.train()
    warm, began, measured = min(WARM_STEPS, plan.steps_per_epoch - 1), 0.0, 0
    for batch in plan.train.feed(batch_indices(plan, state), plan.device):
        if state.step == warm:
            state.totals.tolist()  # waits for the device
            began = time.perf_counter()
        train_step(plan, state, batch, 0.0)  # the weights stay: a network that diverges can be slower
        state.step += 1
        measured = state.step - warm
        if measured >= 1 and time.perf_counter() - began >= least:
            break
    state.totals.tolist()
    return (time.perf_counter() - began) / measured


def _seconds_of_validation(plan: Plan, prepared: Prepared) -> float:
    model = copy.deepcopy(prepared.model).to(plan.device)
    part = plan.validation.take(slice(MEASURED_SAMPLES))
    evaluate(model, part.take(slice(1)), plan.task)
    began = time.perf_counter()
    evaluate(model, part, plan.task)
    return (time.perf_counter() - began) * len(plan.validation) / len(part)
