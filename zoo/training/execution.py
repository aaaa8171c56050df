"""Run the loop of a training, and record in the run folder how it ended: finished, interrupted or failed."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import platform
import signal
from collections.abc import Iterator

import torch

from ..errors import OutOfMemory, TrainingInterrupted, ZooError
from ..models.devices import describe_device, exact
from ..models.inference import calibrate
from ..models.scores import evaluate, logits_of
from ..process import Interrupted
from ..runs.checkpoint import load_model_state, load_tensors
from ..runs.curves import draw_curves
from ..runs.record import BestMetadata
from ..runs.run import Run
from ..specs.hookspecs import TrainingStart
from ..specs.hyperparameters import Hyperparameters
from ..stop_requests import stop_requests
from .distributed import peer_failure
from .loop import run_epochs
from .plan import Plan, State

log = logging.getLogger("zoo")

# from the messages of torch's CPU allocator; the CUDA allocator has its own exception class
_OUT_OF_MEMORY_TEXTS = ("not enough memory", "can't allocate memory")

# names and values from malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4
# the values that libc itself chooses after it freed blocks of 32 MiB; once set, it no longer adjusts them
_USUAL = {_M_TRIM_THRESHOLD: 2**26, _M_MMAP_THRESHOLD: 2**25, _M_MMAP_MAX: 65_536}
_KEEPING = {_M_TRIM_THRESHOLD: 2**30, _M_MMAP_MAX: 0}


def execute(plan: Plan, state: State) -> Run:
    """Run the loop, evaluate the best checkpoint on the test split, and record the results in the run folder."""
    run = plan.run
    with stop_requests(patient=plan.world.size > 1) as request:
        try:
            with exact(plan.device, tf32=True), freed_memory_kept():
                plan.notify("train_started", start=_describe_start(plan, state))
                run_epochs(plan, state, request)
                _record_results(plan, state)
        except Interrupted as error:
            run.config["status"] = "interrupted"
            raise _stopped_at_once(run, error) from error
        except (TrainingInterrupted, KeyboardInterrupt):
            run.config["status"] = "interrupted"
            raise
        except BaseException as error:
            explained = _explain(error, plan)
            run.config |= {"status": "failed", "error": f"{type(explained).__name__}: {explained}"}
            if explained is error:
                raise
            raise explained from error
        finally:
            request.ending = True
            run.save()
            _draw_curves(plan, state)
            plan.notify("train_ended")
    return run


@contextlib.contextmanager
def recorded_start(run: Run) -> Iterator[None]:
    """Record in the run folder that a new training ended before :func:`execute` began or could record it."""
    try:
        yield
    except BaseException as error:
        if run.status == "running":
            stopped = isinstance(error, KeyboardInterrupt)
            run.config |= {
                "status": "interrupted" if stopped else "failed",
                "error": None if stopped else f"{type(error).__name__}: {error}",
            }
            run.save()
        if isinstance(error, Interrupted):
            raise _stopped_at_once(run, error) from error
        raise


def _stopped_at_once(run: Run, error: Interrupted) -> TrainingInterrupted:
    name = signal.Signals(error.signal_number).name
    return TrainingInterrupted(
        f"Stopped by {name} at once. Resume from the last checkpoint with: zoo train --resume {run.folder}",
        error.signal_number,
    )


def _describe_start(plan: Plan, state: State) -> TrainingStart:
    samples = {
        "train": len(plan.train),
        "validation": len(plan.validation),
        "test": len(plan.data.splits.test),
    }
    processes = f", {plan.world.size} processes" if plan.world.size > 1 else ""
    return TrainingStart(
        dataset=str(plan.data),
        metric=plan.task.metric,
        samples=samples,
        parameters=plan.run.config["parameters"],
        device=describe_device(plan.device) + processes,
        epochs=plan.hyperparameters.epochs,
        steps_per_epoch=plan.steps_per_epoch,
        first_epoch=state.epoch,
        columns=plan.data.table.summary if plan.data.table else (),
    )


def _record_results(plan: Plan, state: State) -> None:
    """Evaluate the best checkpoint on the test split, once. Nothing is selected by the result."""
    world = plan.world
    tensors, kept = world.broadcast(load_tensors(plan.run.best, BestMetadata) if world.first else None)
    load_model_state(state.model, tensors)
    splits = plan.data.splits
    scores = evaluate(state.model, splits.test.to(plan.device), plan.task, world=world)
    plan.run.config["status"] = "finished"
    # what is recorded is what the file says of itself: after a kill it can be newer than the checkpoint to resume from
    plan.run.config["best"] = {key: kept[key] for key in ("epoch", "validation", "score")}
    plan.run.config["results"] = {
        "test": scores.metrics,
        "test_samples": scores.samples,
        "validation": kept["validation"],
        "epoch": kept["epoch"],
        "train_seconds": round(state.seconds, 2),
        "baseline": plan.task.baseline(splits.train.targets, splits.test.targets),
    } | _calibration(plan, state)


def _calibration(plan: Plan, state: State) -> dict[str, dict[str, float]]:
    """The calibration of a classifier on the validation split, for the results; empty if there is none."""
    if plan.task.spec.predicts != "class":
        return {}
    logits = logits_of(state.model, plan.validation, plan.device)
    found = calibrate(logits.cpu().numpy(), plan.validation.targets.cpu().numpy())
    return {"calibration": found} if found else {}


def _draw_curves(plan: Plan, state: State) -> None:
    """Write ``metrics.csv`` and ``curves.png``. A problem with the figure does not fail the training."""
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


def _explain(error: BaseException, plan: Plan) -> BaseException:
    """A one-line error with advice if the cause is known, else ``error`` itself."""
    return (
        out_of_memory(error, plan.hyperparameters)
        or compile_failure(error)
        or peer_failure(error, f"Resume with: zoo train --resume {plan.run.folder}")
        or error
    )


def out_of_memory(error: BaseException, hyperparameters: Hyperparameters) -> OutOfMemory | None:
    """A one-line error that names a smaller batch size, if ``error`` is about memory; else None."""
    on_cpu = isinstance(error, RuntimeError) and any(text in str(error) for text in _OUT_OF_MEMORY_TEXTS)
    if not (on_cpu or isinstance(error, torch.OutOfMemoryError | MemoryError)):
        return None
    size, pieces = hyperparameters.batch_size, hyperparameters.accumulate
    smaller = f"Try --batch-size {size // 2}, or" if size > 1 else "Try"
    return OutOfMemory(
        f"There is not enough memory for batches of {size} samples. {smaller} --set accumulate={2 * pieces}, which "
        "computes each batch in smaller pieces."
    )


def compile_failure(error: BaseException) -> ZooError | None:
    """A one-line error if torch.compile failed, else None."""
    if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        return None
    text = " ".join(str(error).split("\n\n")[0].split())
    return ZooError(f"torch.compile failed: {text[:200]}. Train without --compile; the result is the same.")


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep up to 1 GiB of freed memory in the process during the block. Without GNU libc this does nothing.

    GNU libc returns large blocks to the kernel when they are freed and requests them again a moment later. The kernel
    then clears every page: this takes up to 40 % of the time of a step of a convolutional network on the CPU.
    """
    libc = ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
    if libc is None:
        yield
        return
    _set_malloc(libc, _KEEPING)
    try:
        yield
    finally:
        _set_malloc(libc, _USUAL)
        libc.malloc_trim(0)


def _set_malloc(libc: ctypes.CDLL, values: dict[int, int]) -> None:
    for parameter, value in values.items():
        libc.mallopt(parameter, value)
