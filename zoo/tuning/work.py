"""The loop of a worker: trial after trial, until there are enough or the time is over."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import TrainingInterrupted, UsageError, ZooError
from . import result
from .result import COUNTED, StudyResult, TrialResult, read_trials
from .storage import load_optuna, storage_errors
from .study import Study
from .trial import OutOfTime, TrialFailed, Worker, run_trial

log = logging.getLogger("zoo")

Watcher = Callable[[StudyResult], None]
"""Called after each trial of this worker with the state of the study."""
POLL_SECONDS = 0.5
MOST_REJECTED, MOST_FAILED = 60, 5
"""A search ends after so many networks in a row that exceed a limit, or so many first trials that failed."""


class _Surplus(Exception):
    """Two workers began the last trial at the same moment; the later one withdraws."""


def work(study: Study, worker: Worker, watcher: Watcher | None = None) -> None:
    """Run trials until the study has as many as it shall have, or its time is over.

    If only trials of other workers are left, wait for them: if such a worker is killed, its trial is tried again.

    Raises:
        UsageError: no network meets the limits.
        ZooError: the first trials all failed, or the storage does not answer.
        TrainingInterrupted: a signal stopped the search.
    """
    optuna = load_optuna()
    with storage_errors(study.url):
        worker.deadline = min(worker.deadline, time.monotonic() + study.seconds_left)
        while time.monotonic() < worker.deadline:
            optuna.storages.fail_stale_trials(study.optuna)
            trials = read_trials(study.optuna.get_trials(deepcopy=False), study.definition)
            if not trials_left(trials, study.wanted):
                if all(trial.outcome != "running" for trial in trials):
                    return
                time.sleep(POLL_SECONDS)
                continue
            if is_hopeless(trials):
                return
            begun: list[int] = []

            def objective(trial: Any, begun: list[int] = begun) -> Any:
                begun.append(trial.number)
                return _objective(trial, study, worker)

            try:
                study.optuna.optimize(objective, n_trials=1, catch=(TrialFailed, _Surplus))
            except OutOfTime:
                _try_again(study, begun)
                return
            except (TrainingInterrupted, KeyboardInterrupt) as error:
                _try_again(study, begun)
                raise _interrupted(study, error) from error
            finally:
                if watcher is not None:
                    watcher(study.snapshot())


def trials_left(trials: Sequence[TrialResult], wanted: int | None) -> bool:
    """Whether another trial is to be started."""
    if wanted is None:
        return True
    busy = sum(trial.outcome in (*COUNTED, "running") for trial in trials)
    return busy < wanted


def is_hopeless(trials: Sequence[TrialResult]) -> bool:
    """Whether nothing but rejected networks is left to find.

    Raises:
        UsageError: no network at all meets the limits.
        ZooError: the first trials all failed.
    """
    over = [trial for trial in trials if trial.outcome in (*COUNTED, "rejected")]
    failed = [trial for trial in over if trial.outcome == "failed"]
    if len(failed) >= MOST_FAILED and len(failed) == sum(trial.outcome in COUNTED for trial in over):
        raise ZooError(f"The first {len(failed)} trials failed. The last one: {failed[-1].reason}")
    last = over[-MOST_REJECTED:]
    if len(last) < MOST_REJECTED or any(trial.outcome != "rejected" for trial in last):
        return False
    if len(over) == sum(trial.outcome == "rejected" for trial in over):
        smallest = min(over, key=lambda trial: trial.costs.get("params", float("inf")))
        raise UsageError(
            f"None of {len(over)} networks meets the limits. The smallest, of {smallest.architecture}, has "
            f"{smallest.costs.get('params', 0):,.0f} parameters; it was rejected for {smallest.reason}. Raise the "
            "limit, or search smaller values with --space."
        )
    log.warning("The last %d networks exceed a limit: the search ends here.", MOST_REJECTED)
    return True


def _objective(trial: Any, study: Study, worker: Worker) -> Any:
    wanted = study.wanted
    if wanted is not None:
        before = [t for t in study.optuna.get_trials(deepcopy=False) if t.number < trial.number]
        if not trials_left(read_trials(before, study.definition), wanted):
            trial.set_user_attr(result.OUTCOME, "stopped")
            trial.set_user_attr(result.REASON, "there were enough trials already")
            raise _Surplus
    values = run_trial(trial, worker)
    return values[0] if len(values) == 1 else values


def _try_again(study: Study, begun: Sequence[int]) -> None:
    """Let the trial that was stopped here be the first of the next search.

    Args:
        begun: the number of the trial; empty if a signal came between two trials.
    """
    optuna = load_optuna()
    trials = study.optuna.get_trials(deepcopy=False)
    stopped = next((trial for trial in trials if trial.number in begun and trial.state.name == "FAIL"), None)
    if stopped is None:
        return
    kept = {
        key: value
        for key, value in stopped.user_attrs.items()
        if key not in (result.OUTCOME, result.REASON, result.EPOCHS)
    }
    waiting = optuna.trial.create_trial(
        state=optuna.trial.TrialState.WAITING,
        params=stopped.params,
        distributions=stopped.distributions,
        user_attrs=kept,
        system_attrs={key: value for key, value in stopped.system_attrs.items() if key == "fixed_params"},
    )
    study.optuna.add_trial(waiting)


def _interrupted(study: Study, error: BaseException) -> BaseException:
    if not isinstance(error, TrainingInterrupted):
        return error
    done = study.snapshot().counted
    return TrainingInterrupted(
        f"The search stopped; {done} trial{' is' if done == 1 else 's are'} kept. Continue with: "
        f"zoo tune --resume {study.folder}",
        error.signal_number,
    )
