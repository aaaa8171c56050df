"""A study: its folder, its storage, and its trials. Created once, opened by any number of workers."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InvalidValue, UnknownName, UsageError, ZooError
from ..files import make_folder, write_json
from ..folders import expanded
from ..schema import read_json
from .definition import FORMAT, Definition
from .objectives import COSTS, direction
from .result import Finalist, StudyResult, read_trials
from .space import first_parameters
from .storage import (
    JOURNAL,
    close_storage,
    has_hidden_password,
    load_optuna,
    open_storage,
    storage_errors,
    without_password,
)

STUDIES = "studies"
RECORD = "study.json"
SAMPLERS = ("tpe", "random", "gp", "nsga2", "cmaes", "qmc")
PRUNERS = ("median", "halving", "hyperband", "none")
_DEFINITION, _WANTED, _UNTIL = "zoo", "wanted", "until"
_DEFAULT = "default"


@dataclass(slots=True)
class Study:
    """A study that this process works on.

    Args:
        name: in the storage.
        folder: for everything that this process writes.
        url: of the storage; None: the journal file in the folder.
        definition: what is searched.
        optuna: Optuna's study.
        storage: of Optuna's study; :meth:`close` closes it.
    """

    name: str
    folder: Path
    url: str | None
    definition: Definition
    optuna: Any
    storage: Any

    def close(self) -> None:
        """Close the connections to the database."""
        close_storage(self.storage)

    @property
    def wanted(self) -> int | None:
        """The number of trials that the study shall have; None: as many as fit in the time."""
        found: int | None = self.optuna.user_attrs.get(_WANTED)
        return found

    @property
    def seconds_left(self) -> float:
        """Until the end of the search; infinity: it has no end."""
        until = self.optuna.user_attrs.get(_UNTIL)
        return float("inf") if until is None else float(until) - time.time()

    def set_budget(self, trials: int | None, seconds: float | None) -> None:
        """How long all workers search: up to ``trials`` trials, and up to ``seconds`` from now."""
        self.optuna.set_user_attr(_WANTED, trials)
        self.optuna.set_user_attr(_UNTIL, None if seconds is None else time.time() + seconds)

    def snapshot(self, finalists: Sequence[Finalist] = ()) -> StudyResult:
        """The state of the study now."""
        trials = read_trials(self.optuna.get_trials(deepcopy=False), self.definition)
        return StudyResult(self.name, self.folder, self.definition, trials, self.wanted, tuple(finalists))

    def record(self, finalists: Sequence[Finalist] = ()) -> None:
        """Write ``study.json``: what is needed to open the study again, and the retrained recipes."""
        content = {
            "format": FORMAT,
            "name": self.name,
            "storage": None if self.url is None else without_password(self.url),
            "definition": self.definition.to_dict(),
            "finalists": [
                {
                    "trial": one.trial.number,
                    "recipe": one.recipe.name,
                    "runs": [os.path.abspath(run.folder) for run in one.seeds.runs],
                    "test": one.seeds.metrics(),
                }
                for one in finalists
            ],
        }
        write_json(self.folder / RECORD, content)


def create_study(folder: Path, url: str | None, definition: Definition) -> Study:
    """A new study. The default recipe of each architecture is its first trial.

    Raises:
        UsageError: there is a study of that name already.
        ZooError: the storage does not answer, or the folder cannot be written to.
    """
    optuna = load_optuna()
    if (folder / RECORD).exists():
        raise _exists(folder, folder)
    make_folder(folder)
    (folder / JOURNAL).unlink(missing_ok=True)  # of a command that was killed before the study existed
    with storage_errors(url), contextlib.ExitStack() as on_error:
        storage = open_storage(folder, url)
        on_error.callback(close_storage, storage)
        try:
            made = optuna.create_study(
                storage=storage,
                study_name=folder.name,
                directions=[direction(name) for name in definition.objectives],
                sampler=make_sampler(definition, definition.seed),
                pruner=make_pruner(definition),
            )
        except optuna.exceptions.DuplicatedStudyError as error:
            raise _exists(folder, Path(folder.name)) from error
        made.set_user_attr(_DEFINITION, definition.to_dict())
        for name in definition.architectures:
            parameters = first_parameters(name, definition.architectures, definition.space)
            made.enqueue_trial(parameters, user_attrs={_DEFAULT: True})
        study = Study(folder.name, folder, url, definition, made, storage)
        study.record()
        on_error.pop_all()
    return study


def _exists(folder: Path, reference: Path) -> UsageError:
    return UsageError(
        f"There is already a study {folder.name} ({folder}). Continue it with `zoo tune --resume {reference}`, or name "
        "another one with --study."
    )


def open_study(reference: str | Path, url: str | None) -> Study:
    """A study that exists.

    Args:
        reference: its folder, its name in ``./studies``, or with a ``url`` its name in that storage.

    Raises:
        UnknownName: there is no such study.
        UsageError: the password of its storage is needed.
        ZooError: the storage does not answer, or the study is damaged.
    """
    optuna = load_optuna()
    folder = find_folder(reference)
    record: dict[str, Any] = {}
    if (folder / RECORD).is_file():
        record = read_json(folder / RECORD, dict[str, Any], "the study")
        url = url or record.get("storage")
    elif url is None:
        parent = folder.parent
        known = sorted(path.parent.name for path in parent.glob(f"*/{RECORD}"))
        hint = f"{parent} has: {', '.join(known) or 'none'}. For a study in a database, give --storage too."
        raise UnknownName("study", str(reference), known, hint)
    if url is not None and has_hidden_password(url):
        raise UsageError(f"The password of {url} is not stored. Give the whole URL again with --storage.")
    name = str(record.get("name", folder.name))
    make_folder(folder)
    with storage_errors(url), contextlib.ExitStack() as on_error:
        storage = open_storage(folder, url)
        on_error.callback(close_storage, storage)
        try:
            found = optuna.load_study(study_name=name, storage=storage)
        except KeyError as error:
            where = without_password(url) if url else str(folder / JOURNAL)
            raise ZooError(f"There is no study {name} in {where}.") from error
        definition = Definition.from_dict(found.user_attrs.get(_DEFINITION), f"the study {name}")
        found.sampler = make_sampler(definition, int.from_bytes(os.urandom(4), "little"))
        found.pruner = make_pruner(definition)
        study = Study(name, folder, url, definition, found, storage)
        if not record:
            study.record()
        on_error.pop_all()
    return study


def find_folder(reference: str | Path) -> Path:
    """The folder of a study: a path, or a name in ``./studies``."""
    path = expanded(reference)
    plain = len(path.parts) == 1 and not (path / RECORD).exists()
    return Path(STUDIES) / path if plain else path


def make_sampler(definition: Definition, seed: int) -> Any:
    """Optuna's sampler of that name.

    Raises:
        UsageError: it needs a package that is not installed, or does not suit the objectives.
    """
    samplers = load_optuna().samplers
    if definition.sampler == "tpe":
        return samplers.TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)
    kinds = {
        "random": samplers.RandomSampler,
        "gp": samplers.GPSampler,
        "nsga2": samplers.NSGAIISampler,
        "cmaes": samplers.CmaEsSampler,
        "qmc": samplers.QMCSampler,
    }
    if definition.sampler == "cmaes" and len(definition.objectives) > 1:
        raise UsageError("The sampler cmaes is for one objective. Use tpe, gp or nsga2 for several.")
    extra = {} if definition.sampler in ("random", "nsga2") else {"warn_independent_sampling": False}
    try:
        return kinds[definition.sampler](seed=seed, **extra)
    except ImportError as error:
        raise UsageError(f"The sampler cmaes needs a package: pip install cmaes ({type(error).__name__}).") from error


def make_pruner(definition: Definition) -> Any:
    """Optuna's pruner of that name."""
    pruners = load_optuna().pruners
    return {
        "median": pruners.MedianPruner,
        "halving": pruners.SuccessiveHalvingPruner,
        "hyperband": pruners.HyperbandPruner,
        "none": pruners.NopPruner,
    }[definition.pruner]()


def check_names(sampler: str, pruner: str | None, objectives: Sequence[str]) -> str:
    """The pruner for these objectives; by default ``median``, or ``none`` if trials cannot be compared before they end.

    Raises:
        UnknownName: there is no such sampler or pruner.
        InvalidValue: the pruner does not suit the objectives.
    """
    if sampler not in SAMPLERS:
        raise UnknownName("sampler", sampler, SAMPLERS, f"There are: {', '.join(SAMPLERS)}.")
    if pruner is not None and pruner not in PRUNERS:
        raise UnknownName("pruner", pruner, PRUNERS, f"There are: {', '.join(PRUNERS)}.")
    prunable = len(objectives) == 1 and objectives[0] not in COSTS
    if pruner not in (None, "none") and not prunable:
        raise InvalidValue(f"The pruner {pruner} needs one objective, a metric. Leave out --pruner.")
    return pruner or ("median" if prunable else "none")


def recorded_finalists(folder: Path) -> list[dict[str, Any]]:
    """The retrained recipes in ``study.json``."""
    with contextlib.suppress(FileNotFoundError):
        found = read_json(folder / RECORD, dict[str, Any], "the study").get("finalists", [])
        return [one for one in found if isinstance(one, dict)]
    return []
