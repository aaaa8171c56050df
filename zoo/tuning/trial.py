"""One trial: choose settings, build the network, reject it if it exceeds a limit, train it, report its validation."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..data.loading import LoadedDataset
from ..errors import TrainingInterrupted, ZooError
from ..formatting import counted, one_line, shortened
from ..models.devices import exact
from ..registry.registry import Registry
from ..runs.run import Run
from ..specs.hookspecs import EpochMetrics
from ..stop_requests import stop_requests
from ..training.distributed import ALONE
from ..training.execution import freed_memory_kept, out_of_memory
from ..training.loop import Watch, run_epochs
from ..training.plan import make_plan, make_state
from ..training.preparation import Prepared, load_requested, prepare
from ..training.request import TrainingRequest, make_request
from ..training.run_folder import describe_run
from . import result
from .costs import CostMeter
from .definition import Definition
from .objectives import COSTS, is_minimised
from .space import suggest, typed

log = logging.getLogger("zoo")


class TrialFailed(Exception):
    """A trial that failed for a reason of its own. The search goes on."""


class OutOfTime(Exception):
    """The time of the search is over."""


class DataCache:
    """The data of a search, without its test split; each loaded once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], LoadedDataset] = {}

    def load(self, request: TrainingRequest) -> LoadedDataset:
        """The data of a training."""
        key = str(request.dataset or request.architecture.dataset), request.architecture.image_size
        if key not in self._known:
            self._known[key] = load_requested(request, with_test=False)
        return self._known[key]


@dataclass(slots=True)
class Worker:
    """What the trials of one worker share.

    Args:
        definition: of the study.
        registry: the plugins.
        device, data_dir, runs_dir: as for :func:`zoo.train`.
        deadline: when the search ends, by :func:`time.monotonic`; infinity: never.
        data: loads the data.
    """

    definition: Definition
    registry: Registry
    device: str = "auto"
    data_dir: Path | str | None = None
    runs_dir: Path | str | None = None
    deadline: float = float("inf")
    data: DataCache = field(default_factory=DataCache)
    meter: CostMeter = field(init=False)

    def __post_init__(self) -> None:
        self.meter = CostMeter(self.definition.limits, self.definition.objectives, self.registry)

    def request(self, architecture: str, settings: dict[str, Any]) -> TrainingRequest:
        """The training of a trial."""
        spec = self.registry.architecture(architecture)
        return make_request(
            self.registry,
            architecture,
            typed(spec, self.registry, {**self.definition.fixed, **settings}),
            dataset=self.definition.dataset,
            data_options=self.definition.data_options,
            data_dir=self.data_dir,
            runs_dir=self.runs_dir,
            seed=self.definition.seed,
            device=self.device,
        )

    def prepare(self, request: TrainingRequest) -> Prepared:
        """Data and model of a training. The data has no test split."""
        data = self.data.load(request)
        with _quiet():
            return prepare(request, data)

    def excess(self, architecture: str) -> str:
        """The limit that the network of an architecture exceeds with its default options, in words; empty if none."""
        request = self.request(architecture, {})
        prepared = self.prepare(request)
        with _scratch_run(request, prepared) as run:
            return self.meter.measure(prepared, run).excess


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the note of each trial how its recipe was adapted to the data."""
    log.addFilter(_only_errors)
    try:
        yield
    finally:
        log.removeFilter(_only_errors)


def _only_errors(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR


def run_trial(trial: Any, worker: Worker) -> list[float]:
    """Train what Optuna chose, and return the values of the objectives.

    Raises:
        optuna.TrialPruned: the network exceeds a limit, or it is worse than others so far.
        TrialFailed: it could not be built or trained.
        TrainingInterrupted: a signal stopped it.
        OutOfTime: the time of the search is over.
    """
    import optuna

    definition = worker.definition
    name, settings = suggest(trial, definition.architectures, definition.space)
    trial.set_user_attr(result.BASE, name)
    trial.set_user_attr(result.SETTINGS, settings)
    try:
        request = worker.request(name, settings)
        prepared = worker.prepare(request)
        with _scratch_run(request, prepared) as run:
            measured = worker.meter.measure(prepared, run)
            trial.set_user_attr(result.COSTS, dict(measured.costs))
            if measured.excess:
                _note(trial, "rejected", measured.excess)
                raise optuna.TrialPruned(measured.excess)
            best = _train(trial, prepared, run, worker)
        return [measured.costs[name] if name in COSTS else _metric(best, name) for name in definition.objectives]
    except (optuna.TrialPruned, TrainingInterrupted, OutOfTime, KeyboardInterrupt) as error:
        if not isinstance(error, optuna.TrialPruned):
            stopped = "the time was over" if isinstance(error, OutOfTime) else "a signal stopped the search"
            _note(trial, "stopped", stopped)
        raise
    except Exception as error:  # an option may make a network that torch cannot run
        reason = str(error) if isinstance(error, ZooError) else f"{type(error).__name__}: {error}"
        _note(trial, "failed", shortened(one_line(reason), 500))
        raise TrialFailed(reason) from error


def _note(trial: Any, outcome: str, reason: str) -> None:
    trial.set_user_attr(result.OUTCOME, outcome)
    trial.set_user_attr(result.REASON, reason)


def _metric(validation: dict[str, float], name: str) -> float:
    """Raises:
    ZooError: the validation split does not have this metric, such as AUC with only one class.
    """
    if name not in validation:
        raise ZooError(f"The validation split has no {name}: it has {', '.join(validation)}.")
    return validation[name]


@contextlib.contextmanager
def _scratch_run(request: TrainingRequest, prepared: Prepared) -> Iterator[Run]:
    """A run whose folder is deleted after the block: nothing of a trial but its result is kept."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "last").mkdir()
        described = {"architecture": request.architecture.name, **describe_run(request, prepared, ALONE)}
        yield Run(Path(place), described, writes=False)


def _train(trial: Any, prepared: Prepared, run: Run, worker: Worker) -> dict[str, float]:
    """Train, and return the validation metrics of the best epoch."""
    plan = make_plan(run, prepared, ALONE)
    state = make_state(prepared.model, plan)
    watch = _watch(trial, worker, plan.hyperparameters.epochs)
    with stop_requests() as stop, exact(plan.device, tf32=True), freed_memory_kept():
        try:
            run_epochs(plan, state, stop, watch)
        except Exception as error:
            memory = out_of_memory(error, plan.hyperparameters)
            if memory is not None:
                raise memory from error
            raise
        finally:
            trial.set_user_attr(result.EPOCHS, state.epoch - 1)
    assert state.best is not None  # at least one epoch
    validation: dict[str, float] = state.best["validation"]
    return validation


def _watch(trial: Any, worker: Worker, epochs: int) -> Watch:
    """After each epoch: report the best value so far to Optuna, and end the trial if it is hopeless or too late."""
    import optuna

    name = worker.definition.objectives[0]
    reports = len(worker.definition.objectives) == 1 and name not in COSTS and worker.definition.pruner != "none"
    best: list[float] = []

    def watch(metrics: EpochMetrics) -> None:
        if metrics["epoch"] == epochs:
            return
        if time.monotonic() >= worker.deadline:
            raise OutOfTime
        if not reports or name not in metrics["validation"]:
            return
        # the best so far: a training is as good as its best epoch
        best.append(metrics["validation"][name])
        trial.report(min(best) if is_minimised(name) else max(best), metrics["epoch"])
        if trial.should_prune():
            _note(trial, "pruned", f"worse than others after {counted(metrics['epoch'], 'epoch')}")
            raise optuna.TrialPruned

    return watch
