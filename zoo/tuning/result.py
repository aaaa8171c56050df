"""The result of a study: its trials, the best of them, and what retraining them gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..evaluation.seeds import SeedResults
from ..formatting import html_table
from .definition import Definition, Setting
from .objectives import is_minimised, title, value_text

OUTCOME, REASON, SETTINGS, COSTS, EPOCHS, BASE = "outcome", "reason", "settings", "costs", "epochs", "architecture"
"""The keys of a trial's user attributes in the storage."""
COUNTED = ("finished", "pruned", "failed")
"""The outcomes that count as a trial. A network that exceeds a limit costs no training, so it does not count."""


@dataclass(frozen=True, slots=True)
class TrialResult:
    """One trial of a study.

    Args:
        number: from 0.
        outcome: ``finished``; ``pruned``: stopped early because it was worse than others; ``rejected``: not trained,
            because it exceeds a limit; ``failed``; ``stopped``: by the end of the time or a signal, or its worker was
            killed; ``running`` or ``waiting``.
        architecture: its name; empty if it is waiting.
        settings: what the search chose.
        values: of the objectives on the validation split, by name; empty unless it is finished.
        costs: those that were measured: ``params``, ``bytes`` (of the exported file), ``latency`` (in seconds).
        seconds: how long it took; None if it is not over.
        reason: why it was rejected, failed or stopped.
        epochs: epochs trained.
        is_default: whether it is the recipe that the architecture has without the search.
    """

    number: int
    outcome: str
    architecture: str
    settings: Mapping[str, Setting]
    values: Mapping[str, float]
    costs: Mapping[str, float]
    seconds: float | None
    reason: str = ""
    epochs: int = 0
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class Finalist:
    """A trial of the Pareto front that was trained again with several seeds and evaluated on the test split.

    Args:
        trial: the trial.
        recipe: the recipe file, for ``zoo train --recipe``.
        seeds: the runs.
    """

    trial: TrialResult
    recipe: Path
    seeds: SeedResults


@dataclass(frozen=True, slots=True)
class StudyResult:
    """The state of a study, or its end.

    Args:
        name: of the study.
        folder: with everything that it has written.
        definition: what is searched, under which limits.
        trials: all of them, by number.
        wanted: the number of trials that it shall have; None: no limit.
        finalists: the retrained ones; the best first. Empty until the search is over.
    """

    name: str
    folder: Path
    definition: Definition
    trials: tuple[TrialResult, ...]
    wanted: int | None = None
    finalists: tuple[Finalist, ...] = field(default=())

    @property
    def finished(self) -> list[TrialResult]:
        """The trials with values, the best by the first objective first."""
        done = [trial for trial in self.trials if trial.outcome == "finished"]
        return sorted(done, key=self._rank)

    @property
    def counted(self) -> int:
        """The number of trials that count: finished, pruned or failed."""
        return sum(trial.outcome in COUNTED for trial in self.trials)

    @property
    def front(self) -> list[TrialResult]:
        """The best trial, or with several objectives the Pareto front, the best by the first objective first."""
        ranked = [(trial, self._rank(trial)) for trial in self.finished]
        kept: list[TrialResult] = []
        seen: set[tuple[float, ...]] = set()
        for trial, rank in ranked:
            beaten = any(all(a <= b for a, b in zip(other, rank, strict=True)) for _, other in ranked if other != rank)
            if not beaten and rank not in seen:
                kept.append(trial)
                seen.add(rank)
        return kept

    @property
    def best(self) -> TrialResult | None:
        """The finished trial with the best first objective; None if no trial is finished."""
        return next(iter(self.front), None)

    @property
    def default(self) -> TrialResult | None:
        """The best trial of a recipe as it is without the search."""
        return next((trial for trial in self.finished if trial.is_default), None)

    def _rank(self, trial: TrialResult) -> tuple[float, ...]:
        """Lower is better."""
        return tuple(
            trial.values[name] if is_minimised(name) else -trial.values[name] for name in self.definition.objectives
        )

    def to_dict(self) -> dict[str, Any]:
        """The result for JSON."""
        return {
            "study": self.name,
            "folder": str(self.folder),
            "definition": self.definition.to_dict(),
            "best": self.best.number if self.best else None,
            "front": [trial.number for trial in self.front],
            "trials": [trial_to_dict(trial) for trial in self.trials],
            "finalists": [
                {"trial": one.trial.number, "recipe": str(one.recipe), **one.seeds.to_dict()} for one in self.finalists
            ],
        }

    def _repr_html_(self) -> str:
        """The front as a table in a notebook."""
        names = self.definition.objectives
        rows = [
            (t.number, t.architecture, *(value_text(name, t.values[name]) for name in names), settings_text(t.settings))
            for t in self.front
        ]
        return html_table(("trial", "architecture", *map(title, names), "settings"), rows)


def trial_to_dict(trial: TrialResult) -> dict[str, Any]:
    """A trial for JSON."""
    return {
        "number": trial.number,
        "outcome": trial.outcome,
        "architecture": trial.architecture,
        "settings": dict(trial.settings),
        "values": dict(trial.values),
        "costs": dict(trial.costs),
        "seconds": trial.seconds,
        "epochs": trial.epochs,
        "reason": trial.reason,
        "default": trial.is_default,
    }


def settings_text(settings: Mapping[str, Setting]) -> str:
    """``lr 0.0123, batch_size 64``."""
    texts = (
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in settings.items()
    )
    return ", ".join(texts)


_STATES = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "stopped", "RUNNING": "running", "WAITING": "waiting"}


def read_trials(trials: Sequence[Any], definition: Definition) -> tuple[TrialResult, ...]:
    """The trials of an Optuna study."""
    return tuple(_read(trial, definition) for trial in trials)


def _read(trial: Any, definition: Definition) -> TrialResult:
    attributes, state = trial.user_attrs, trial.state.name
    usual = _STATES[state]
    outcome = attributes.get(OUTCOME, usual) if usual in ("pruned", "stopped") else usual
    reason = attributes.get(REASON, "")
    if outcome == "stopped" and not reason:
        reason = "its worker was killed"
    values = dict(zip(definition.objectives, trial.values or (), strict=False)) if outcome == "finished" else {}
    duration = trial.duration
    return TrialResult(
        trial.number,
        outcome,
        str(attributes.get(BASE, "")),
        attributes.get(SETTINGS, {}),
        values,
        attributes.get(COSTS, {}),
        None if duration is None else duration.total_seconds(),
        reason,
        int(attributes.get(EPOCHS, 0)),
        bool(attributes.get("default", False)),
    )
