"""The run folder of a training: created or found, locked, and shared by all processes."""

from __future__ import annotations

import contextlib
import datetime
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ..data.table_file import OpenedTable
from ..environment import git_commit, host, versions
from ..files import make_folder
from ..inputs.methods import input_entries
from ..models.build import count_parameters
from ..models.devices import arithmetic
from ..registry.recipe_parts import part_origins
from ..runs.finding import find_run
from ..runs.run import Run, create_run, load_run, run_lock
from ..specs.columns import columns_to_json
from .distributed import World
from .preparation import Prepared
from .request import ResumeRequest, TrainingRequest


@contextlib.contextmanager
def new_run(request: TrainingRequest, prepared: Prepared, world: World) -> Iterator[Run]:
    """Create a run folder and lock it during the block. The folder of a dry run is deleted after the block.

    Raises:
        ZooError: the folder cannot be written.
    """
    config = describe_run(request, prepared, world)
    with tempfile.TemporaryDirectory() if request.dry_run else contextlib.nullcontext(request.runs_folder) as place:
        run = _shared_run(world, lambda: create_run(Path(place), request.architecture.name, config))
        with run_lock(run):
            yield run


@contextlib.contextmanager
def existing_run(request: ResumeRequest, world: World) -> Iterator[Run]:
    """Find a run folder and lock it during the block. Incomplete files of a killed process are deleted.

    Raises:
        UnknownName, RunNotFound: the run does not exist.
        RunBusy: another process trains it.
    """
    known = request.registry.architectures
    run = _shared_run(world, lambda: find_run(request.reference, request.runs_folder, known, trained=False))
    if world.first:
        make_folder(run.folder)  # an error if it cannot be written
    with run_lock(run):
        run.remove_leftovers()
        if world.first:
            run.config = load_run(run.folder).config  # another process may have changed it before the lock
        run.config = world.broadcast(run.config)
        yield run


def describe_run(request: TrainingRequest, prepared: Prepared, world: World) -> dict[str, Any]:
    """The content of ``run.json`` at the start of a run: everything needed to repeat it."""
    spec, data = request.architecture, prepared.data
    return {
        "status": "running",
        "plugin": request.registry.owner(spec).origin,
        "recipe_plugins": part_origins(request.registry, prepared.hyperparameters.as_dict()),
        "task": spec.task,
        "options": dict(prepared.options),
        "hyperparameters": prepared.hyperparameters.as_dict(),
        "seed": request.seed,
        "data": {
            "name": data.spec.name,
            "path": str(data.path) if data.path else None,
            "options": dict(data.options),
            "stand_in_for": data.stand_in_for or None,
            "default": spec.dataset,
            "fingerprint": data.fingerprint,
            "input_shape": list(data.spec.input_shape),
            "num_outputs": data.spec.num_outputs,
            "labels": list(data.spec.labels),
            "columns": columns_to_json(data.spec.columns),
            **input_entries(data.spec, request.registry),
            **_table_record(data.table),
        },
        "parameters": count_parameters(prepared.model),
        "device": str(request.device),
        "threads": torch.get_num_threads(),
        "arithmetic": [arithmetic(request.device)],
        "versions": versions(),
        "host": host(),
        "git_commit": git_commit(),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "best": None,
        "results": None,
        "error": None,
        "data_folder": str(request.data_folder.resolve()),
        "init_from": prepared.init_from,
        "freeze": list(request.freeze),
        "processes": world.size,
        "checkpoints": asdict(request.checkpoints),
        "log": [] if request.dry_run else list(request.loggers),  # a dry run leaves nothing, on a server either
        "user_set": sorted(request.user_set),
        "adapted": list(prepared.changes),
    }


def _table_record(table: OpenedTable | None) -> dict[str, Any]:
    """What else ``run.json`` says of a user table: why columns are left out, and how its target is written."""
    if table is None:
        return {}
    found = {"left_out": dict(table.unused), "target_reading": table.target_reading}
    return {key: value for key, value in found.items() if value}


def _shared_run(world: World, find: Callable[[], Run]) -> Run:
    """The run that the first process creates or finds. The other processes get a run that writes nothing."""
    run = find() if world.first else None
    folder, config = world.broadcast((run.folder, run.config) if run else None)
    return run or Run(folder, config, writes=False)
