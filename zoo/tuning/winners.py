"""After the search: the recipes of the best trials, and their training over several seeds with the test split."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ZooError
from ..evaluation.seeds import Finished, SeedResults, train_seeds
from ..recipe_file import RecipeFile
from ..runs.run import load_run
from .objectives import value_text
from .result import Finalist, StudyResult, TrialResult
from .space import typed
from .study import Study, recorded_finalists
from .trial import Worker

FINALISTS = 5
"""Of a Pareto front, at most so many trials are trained again."""


def plain(value: Any) -> Any:
    """A setting as a JSON value."""
    return list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value


def finish(study: Study, worker: Worker, seeds: int, processes: int | None, finished: Finished | None) -> StudyResult:
    """Write the recipes of the front, train them over seeds, and record everything."""
    found = study.snapshot()
    if not found.front:
        raise ZooError(
            f"No trial of the study {study.name} is finished. Continue with: zoo tune --resume {study.folder}"
        )
    for place, trial in enumerate(found.front):
        _recipe(study, worker, trial, first=not place)
    finalists: list[Finalist] = []
    old = {one.get("trial"): one for one in recorded_finalists(study.folder)}
    for place, trial in enumerate(found.front[:FINALISTS] if seeds else ()):
        results = _recorded(old.get(trial.number), seeds) or _train(study, worker, trial, seeds, processes, finished)
        finalists.append(Finalist(trial, _recipe_path(study, trial, first=not place), results))
        study.record(finalists)
    return study.snapshot(finalists)


def _recipe_path(study: Study, trial: TrialResult, *, first: bool) -> Path:
    return study.folder / ("recipe.json" if first else f"recipe-{trial.number}.json")


def _recipe(study: Study, worker: Worker, trial: TrialResult, *, first: bool) -> None:
    about = {
        "study": study.name,
        "trial": trial.number,
        "dataset": study.definition.data_name,
        "validation": {name: value_text(name, value) for name, value in trial.values.items()},
    }
    settings = {key: plain(value) for key, value in _settings(study, worker, trial).items()}
    RecipeFile(trial.architecture, settings, about).write(_recipe_path(study, trial, first=first))


def _settings(study: Study, worker: Worker, trial: TrialResult) -> dict[str, Any]:
    spec = worker.registry.architecture(trial.architecture)
    return typed(spec, worker.registry, {**study.definition.fixed, **trial.settings})


def _train(
    study: Study, worker: Worker, trial: TrialResult, seeds: int, processes: int | None, finished: Finished | None
) -> SeedResults:
    definition = study.definition
    return train_seeds(
        trial.architecture,
        list(range(definition.seed, definition.seed + seeds)),
        processes=processes,
        device=worker.device,
        data_dir=worker.data_dir,
        runs_dir=worker.runs_dir,
        registry=worker.registry,
        finished=finished,
        dataset=definition.dataset,
        data_options=definition.data_options,
        **_settings(study, worker, trial),
    )


def _recorded(record: Mapping[str, Any] | None, seeds: int) -> SeedResults | None:
    """The runs of an earlier end of the same study, if they are all there."""
    if record is None or len(record.get("runs", ())) != seeds:
        return None
    try:
        runs = tuple(load_run(Path(path)) for path in record["runs"])
    except ZooError:
        return None
    return SeedResults(runs) if all(run.status == "finished" for run in runs) else None
