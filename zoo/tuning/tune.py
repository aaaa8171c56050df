"""Tune: search the best recipe and network on the validation split, then train the winner over seeds.

A search goes through the modules of this package in this order::

    tune           the arguments, checked
    space          what is searched, from the typed options
    objectives     what is optimised
    limits         architectures that cannot meet the limits are left out
    study          the folder and the storage (storage: journal or database)
    work           the loop of a worker
    trial          one trial (costs: the limits)
    winners        the recipes of the best, and their training over seeds
    result         what was found
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..data.loading import LoadedDataset
from ..errors import DataError, InvalidValue, UsageError
from ..evaluation.seeds import Finished
from ..registry.recipe_parts import part_options
from ..registry.registry import Registry, create_registry
from ..specs.hyperparameters import NO_PART, Hyperparameters, resolve
from ..specs.settings import check_images, check_used
from ..specs.task import Task
from ..training.recipe import adapt_recipe
from ..training.request import make_request
from .definition import Definition, Limits
from .limits import within_limits
from .objectives import parse_objectives
from .result import StudyResult
from .space import make_space
from .storage import load_optuna
from .study import STUDIES, Study, check_names, create_study, find_folder, open_study
from .trial import DataCache, Worker
from .winners import finish, plain
from .work import Watcher, work

SEEDS = 3
"""The winner is trained with so many seeds."""


def tune(
    architectures: str | Sequence[str],
    *,
    trials: int | None = None,
    seconds: float | None = None,
    objectives: str | Sequence[str] | None = None,
    max_params: int | None = None,
    max_bytes: int | None = None,
    max_latency: float | None = None,
    space: Mapping[str, str] | None = None,
    sampler: str = "tpe",
    pruner: str | None = None,
    seeds: int = SEEDS,
    processes: int | None = 1,
    study: Path | str | None = None,
    storage: str | None = None,
    dataset: str | Path | None = None,
    data_options: Mapping[str, object] | None = None,
    seed: int = 0,
    device: str = "auto",
    data_dir: Path | str | None = None,
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
    watch: Watcher | None = None,
    finished: Finished | None = None,
    **settings: object,
) -> StudyResult:
    """Search the best recipe and network, and train the winner over several seeds.

    The validation split decides. The test split is dropped unread until the search is over; then it measures the
    winner, once for each seed. The first trials are the default recipes, so that the winner is at least as good on the
    validation split.

    Args:
        architectures: one or more names.
        trials: search until there are so many trials. Networks that exceed a limit are not trained, and do not count.
        seconds: search for so long. A training that is not over then is tried first if the study is resumed.
        objectives: ``accuracy``, or several: ``accuracy,params``. By default the main metric. Beside the metrics of the
            task there are ``params``, ``bytes`` and ``latency``. Several objectives give the Pareto front.
        max_params: the largest number of trainable parameters.
        max_bytes: the largest size of the exported ONNX file, in float32.
        max_latency: the largest number of seconds for one sample, in onnxruntime on one thread of this machine.
        space: settings to search, by name: ``{"lr": "0.001..0.1", "optimizer": "sgd,adamw"}``. Without it the learning
            rate, weight decay, batch size and the architecture's own options are searched, around their defaults.
        sampler: ``tpe``, ``random``, ``gp``, ``nsga2``, ``cmaes`` or ``qmc``.
        pruner: ``median``, ``halving``, ``hyperband`` or ``none``.
        seeds: train the winner with so many seeds; 0: do not train it.
        processes: how many of these trainings run at the same time; see :func:`zoo.train_seeds`.
        study: the folder of the study, or a name in ``./studies``. By default named after architectures and data.
        storage: the URL of a PostgreSQL or MySQL database; by default a journal file in the folder.
        seed: of the sampler and of each trial.
        watch: called after each trial with the state of the study.
        finished: called after each training of the winner.
        settings: settings of all trials, by name; they are not searched.

    The other arguments are those of :func:`zoo.train`.

    Raises:
        UsageError: a wrong argument; the study exists; no network meets the limits.
        DataError: the data cannot be used.
        ZooError: Optuna is not installed, the storage does not answer, or the first trials all failed.
        TrainingInterrupted: a signal stopped the search; :func:`continue_study` continues it.
    """
    load_optuna()
    registry = registry or create_registry()
    names = _names(architectures)
    if trials is None and seconds is None:
        raise UsageError("Give the budget of the search: --trials N, --time T, or both.")
    _check_budget(trials, seconds, seeds)
    task = _common_task(registry, names, dataset)
    objective_names = parse_objectives(objectives, registry.task(task))
    pruner = check_names(sampler, pruner, objective_names)
    common = {"dataset": dataset, "data_options": data_options, "device": device, "data_dir": data_dir}
    cache = DataCache()
    recipes, data = _recipes(registry, names, dict(settings), cache, {**common, "runs_dir": runs_dir, "seed": seed})
    _check_searched(registry.task(task), space or {}, recipes, data)
    own_path = None if data.path is None else str(data.path)
    definition = Definition(
        architectures=names,
        task=task,
        dataset=own_path or (None if dataset is None else str(dataset)),
        data_options={key: plain(value) for key, value in (data_options or {}).items()},
        data_name=data.spec.name,
        fingerprint=data.fingerprint,
        fixed={key: plain(value) for key, value in settings.items()},
        space=make_space(registry, recipes, space or {}, settings),
        objectives=objective_names,
        limits=Limits(max_params, max_bytes, max_latency),
        sampler=sampler,
        pruner=pruner,
        seed=seed,
    )
    folder = find_folder(study) if study is not None else Path(STUDIES) / _default_name(names, data.spec.name)
    worker = Worker(definition, registry, device, data_dir, runs_dir, data=cache)
    worker.definition = definition = within_limits(definition, worker)
    with contextlib.closing(create_study(folder, storage, definition)) as made:
        made.set_budget(trials, seconds)
        work(made, worker, watch)
        return finish(made, worker, seeds, processes, finished)


def _common_task(registry: Registry, names: Sequence[str], dataset: Path | str | None) -> str:
    """The task of all architectures.

    Raises:
        UsageError: they have different tasks, or without ``dataset`` different datasets.
    """
    specs = [registry.architecture(name) for name in names]
    for spec in specs:
        if spec.task != specs[0].task:
            raise UsageError(f"{specs[0].name} is for {specs[0].task}, {spec.name} for {spec.task}: search one task.")
    if dataset is None and len({spec.dataset for spec in specs}) > 1:
        raise UsageError("These architectures have different datasets. Name one with --dataset.")
    return specs[0].task


def continue_study(
    study: Path | str,
    *,
    trials: int | None = None,
    seconds: float | None = None,
    seeds: int = SEEDS,
    processes: int | None = 1,
    storage: str | None = None,
    device: str = "auto",
    data_dir: Path | str | None = None,
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
    watch: Watcher | None = None,
    finished: Finished | None = None,
) -> StudyResult:
    """Continue a study that was stopped, or search longer; then train the winner over several seeds.

    Args:
        study: its folder, its name in ``./studies``, or with ``storage`` its name there.
        trials: the number of trials that the study shall have in all. Default: as before.
        seconds: search for so long from now.

    The other arguments are those of :func:`tune`.

    Raises:
        UnknownName: there is no such study.
        DataError: the data is not that of the study.
        UsageError, ZooError, TrainingInterrupted: as for :func:`tune`.
    """
    _check_budget(trials, seconds, seeds)
    with contextlib.closing(open_study(study, storage)) as found:
        worker = Worker(found.definition, registry or create_registry(), device, data_dir, runs_dir)
        _check_data(found, worker)
        wanted = trials if trials is not None else found.wanted
        if wanted is None and seconds is None:
            raise UsageError("The study has no number of trials. Give --trials N or --time T.")
        found.set_budget(wanted, seconds)
        work(found, worker, watch)
        return finish(found, worker, seeds, processes, finished)


def join_study(
    study: Path | str,
    *,
    storage: str | None = None,
    seconds: float | None = None,
    device: str = "auto",
    data_dir: Path | str | None = None,
    registry: Registry | None = None,
    watch: Watcher | None = None,
) -> StudyResult:
    """Help with a study that another process, here or on another machine, has started, until the search is over.

    The process that started it trains the winner.

    Args:
        study, storage: as for :func:`continue_study`.
        seconds: help for so long.

    Raises:
        UnknownName, DataError, ZooError, TrainingInterrupted: as for :func:`continue_study`.
    """
    _check_budget(None, seconds, 0)
    with contextlib.closing(open_study(study, storage)) as found:
        worker = Worker(found.definition, registry or create_registry(), device, data_dir)
        _check_data(found, worker)
        if seconds is not None:
            worker.deadline = time.monotonic() + seconds
        work(found, worker, watch)
        return found.snapshot()


def _names(architectures: str | Sequence[str]) -> list[str]:
    names = architectures.split(",") if isinstance(architectures, str) else list(architectures)
    names = [name.strip() for name in names if name.strip()]
    if not names or len(set(names)) < len(names):
        raise InvalidValue("Give the names of one or more different architectures: NAME or NAME,NAME.")
    return names


def _check_budget(trials: int | None, seconds: float | None, seeds: int) -> None:
    if trials is not None and trials < 1:
        raise InvalidValue(f"trials must be at least 1, not {trials}.")
    if seconds is not None and not seconds > 0:
        raise InvalidValue(f"The time of a search must be above 0 s, not {seconds:g} s.")
    if seeds < 0:
        raise InvalidValue(f"seeds must be at least 0, not {seeds}.")


def _default_name(names: Sequence[str], data: str) -> str:
    more = f"-and-{len(names) - 1}-more" if len(names) > 1 else ""
    return f"{names[0].replace('/', '-')}{more}-{data}"


def _recipes(
    registry: Registry, names: Sequence[str], settings: dict[str, Any], cache: DataCache, common: Mapping[str, Any]
) -> tuple[dict[str, Hyperparameters], LoadedDataset]:
    """The recipe that each architecture has on this data without a search, and the data."""
    found: dict[str, Hyperparameters] = {}
    data = None
    for name in names:
        request = make_request(registry, name, settings, **common)
        data = cache.load(request)
        spec = request.architecture
        of_data = data.spec.hyperparameters if data.spec.name != spec.dataset else {}
        layers = (spec.hyperparameters, of_data, request.hyperparameters)
        plain = resolve(*layers, parts=part_options(registry))
        check_images(request.hyperparameters, data.spec.input_shape, data.spec.name)
        found[name] = adapt_recipe(plain, request.options, spec, data, registry, request.user_set).hyperparameters
    assert data is not None
    return found, data


def _check_searched(
    task: Task, space: Mapping[str, str], recipes: Mapping[str, Hyperparameters], data: LoadedDataset
) -> None:
    """Raises:
    UsageError: a hyperparameter to search changes nothing, for this task, loss or data.
    """
    searched = dict.fromkeys(space)
    check_images(searched, data.spec.input_shape, data.spec.name)
    for recipe in recipes.values():
        check_used(searched, task, NO_PART["loss"] if "loss" in space else recipe.loss)


def _check_data(study: Study, worker: Worker) -> None:
    """Raises:
    DataError: the data here is not that of the study.
    """
    definition = study.definition
    data = worker.data.load(worker.request(definition.architectures[-1], {}))
    if data.fingerprint != definition.fingerprint:
        raise DataError(
            f"The study {study.name} is about other data: {data.spec.name} here has another fingerprint than "
            f"{definition.data_name} there. Start a new study, or give the folder of the same data with --data-dir."
        )
