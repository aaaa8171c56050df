"""From a plan to a finished run: the loop, and a run's folder that tells how it ended, whichever way."""

from __future__ import annotations

import logging

import torch
from torch import nn

from ..data.loading import LoadedDataset
from ..errors import TrainingInterrupted
from ..models.devices import exact
from ..models.scores import evaluate
from ..models.tasks import Task
from ..registry.registry import Registry
from ..runs.checkpoint import load_model_state, load_tensors
from ..runs.curves import draw_curves
from ..runs.run import Run
from ..specs.hyperparameters import Hyperparameters
from .distributed import World, peer_failure
from .interrupts import stop_requests
from .loop import run_epochs
from .memory_pool import freed_memory_kept
from .optimisation import make_average, make_optimizer
from .out_of_memory import compile_failure, out_of_memory
from .plan import Checkpoints, Plan, State, describe_start, no_totals
from .preparation import trained_part

log = logging.getLogger("zoo")


def make_plan(
    run: Run,
    registry: Registry,
    data: LoadedDataset,
    hyperparameters: Hyperparameters,
    task: Task,
    seed: int,
    device: torch.device,
    world: World,
) -> Plan:
    """Everything that does not change, the data on the device."""
    validation = data.splits.validation
    assert validation is not None  # load_dataset always holds one out
    return Plan(
        run,
        registry,
        data,
        hyperparameters,
        task.to(device),
        seed,
        device,
        data.splits.train.to(device),
        validation.to(device),
        world,
        Checkpoints(**run.config.get("checkpoints", {})),
    )


def make_state(model: nn.Sequential, plan: Plan) -> State:
    """Everything that changes, as it is before the first step."""
    # Channels last is the layout that convolutions are fastest in, on CPU and GPU alike.
    model = model.to(plan.device).to(memory_format=torch.channels_last)
    h = plan.hyperparameters
    if plan.world.size > 1 and plan.device.type == "cuda":  # torch has none for the CPU
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    return State(
        model,
        trained_part(model, plan.device, plan.world, compiled=h.compile),
        make_optimizer(model, h),
        torch.amp.GradScaler(plan.device.type, enabled=h.precision == "fp16"),
        no_totals(plan.device),
        make_average(model, h.ema),
    )


def execute(plan: Plan, state: State) -> Run:
    """Run the loop and leave the run's folder telling how it ended, whichever way."""
    run = plan.run
    try:
        patient = plan.world.size > 1
        with stop_requests(patient=patient) as request, exact(plan.device, tf32=True), freed_memory_kept():
            plan.notify("train_started", start=describe_start(plan, state))
            run_epochs(plan, state, request)
            _finish(plan, state)
    except (TrainingInterrupted, KeyboardInterrupt):
        run.config["status"] = "interrupted"
        raise
    except BaseException as error:
        told = _in_words(error, plan)
        run.config |= {"status": "failed", "error": f"{type(told).__name__}: {told}"}
        if told is error:
            raise
        raise told from error
    finally:
        run.save()
        _draw(plan, state)
        plan.notify("train_ended")
    return run


def _in_words(error: BaseException, plan: Plan) -> BaseException:
    """What the machine could not do as one line with what to try; any other error as it is."""
    return (
        out_of_memory(error, plan.hyperparameters)
        or compile_failure(error)
        or peer_failure(error, f"Go on with: zoo train --resume {plan.run.folder}")
        or error
    )


def _finish(plan: Plan, state: State) -> None:
    """Judge the best checkpoint, as it stands on disk, on the test split: once, and nothing is chosen by it."""
    world = plan.world
    load_model_state(state.model, world.broadcast(load_tensors(plan.run.best)[0] if world.first else None))
    scores = evaluate(state.model, plan.data.splits.test.to(plan.device), plan.task, world=world)
    assert state.best is not None  # an epoch has ended
    plan.run.config["status"] = "finished"
    plan.run.config["results"] = {
        "test": scores.metrics,
        "test_samples": scores.samples,
        "validation": state.best["validation"],
        "epoch": state.best["epoch"],
        "train_seconds": round(state.seconds, 2),
    }


def _draw(plan: Plan, state: State) -> None:
    """The curves and the table behind them; a training does not fail for want of a picture."""
    if not plan.world.first:
        return
    try:
        plan.run.write_table()
        entries = plan.run.metrics()
        if entries:
            title = f"{plan.run.config['architecture']} on {plan.data}"
            best = state.best["epoch"] if state.best else None
            draw_curves(plan.run.curves, title, plan.task.metric, entries, best)
    except Exception as error:
        log.warning("The curves could not be drawn: %s: %s", type(error).__name__, error)
