"""Find runs in the runs folder: all of them, best first, or the one that a name stands for."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import RunNotFound, UnknownName, UsageError, ZooError
from ..folders import expanded, runs_folder
from ..process import paused_garbage_collection
from .run import Run, load_run

log = logging.getLogger("zoo")

_EXPORTED = (".onnx", ".pt2")
_NUMBERS = re.compile("([0-9]+)")


@dataclass(frozen=True, slots=True)
class DamagedRun:
    """A run that cannot be read.

    Args:
        folder: its folder.
        name: the path of the folder in the runs folder.
        reason: what is wrong, in one sentence.
    """

    folder: Path
    name: str
    reason: str


def list_runs(folder: Path | None = None, architecture: str | None = None, dataset: str | None = None) -> list[Run]:
    """All readable runs in ``folder``, by architecture, best first (see :func:`rank`).

    Args:
        folder: the folder that holds all runs. Default: see :func:`zoo.runs_folder`.
        architecture: only runs of this architecture.
        dataset: only runs that were trained on this dataset; all architectures together, best first.

    Raises:
        ZooError: the folder cannot be read.
    """
    found, damaged = scan_runs(folder, architecture, dataset)
    for run in damaged:
        log.warning("%s The run is skipped.", run.reason)
    return found


def scan_runs(
    folder: Path | None = None, architecture: str | None = None, dataset: str | None = None
) -> tuple[list[Run], list[DamagedRun]]:
    """As :func:`list_runs`, and the runs that cannot be read, by name."""
    folder = runs_folder() if folder is None else folder
    found, damaged = [], []
    with paused_garbage_collection():
        for path in _run_folders(folder, architecture):
            try:
                found.append(load_run(path))
            except RunNotFound as error:
                damaged.append(DamagedRun(path, str(path.relative_to(folder)), str(error)))
    # at equal rank, the latest first
    found.sort(key=lambda run: _in_order(run.folder.name), reverse=True)
    found.sort(key=rank, reverse=True)
    damaged.sort(key=lambda run: run.name)
    if dataset is not None:
        return [run for run in found if run.record.data.name == dataset], damaged
    return sorted(found, key=lambda run: run.architecture), damaged


def rank(run: Run) -> tuple[float, ...]:
    """Sort key of runs; higher is better: finished, then trained on the default dataset, then validation score.

    The test metric is not used, because it must stay independent of the choice.
    """
    record = run.record
    return (
        float(record.status == "finished"),
        float(record.data.name == record.data.default),
        *(record.best.score if record.best else [float("-inf")]),
    )


def find_run(
    reference: str, folder: Path | None = None, architectures: Iterable[str] = (), *, trained: bool = True
) -> Run:
    """Find the run that ``reference`` names: the folder of a run, ``ARCHITECTURE/RUN``, or an architecture's best run.

    Args:
        folder: the folder that holds all runs. Default: see :func:`zoo.runs_folder`.
        architectures: the known names, to distinguish a misspelled name from an architecture without runs.
        trained: skip runs without a checkpoint.

    Raises:
        UsageError: it is a file.
        UnknownName: it is neither a run nor an architecture.
        RunNotFound: the architecture has no trained run, or the run has no checkpoint, or is damaged.
    """
    folder = runs_folder() if folder is None else folder
    for path in (expanded(reference), folder / reference):
        if os.path.lexists(path / "run.json"):
            run = load_run(path)
            if trained and not run.best.is_file():
                raise RunNotFound(f"{run.name} has no checkpoint: it stopped before the end of its first epoch.")
            return run
    known = list(architectures)
    if reference not in known and (reference.lower().endswith(_EXPORTED) or os.path.isfile(expanded(reference))):
        raise UsageError(
            f"{reference} is the name of a file. Give the name of a run (`zoo runs`) or an architecture (`zoo list`). "
            "`zoo verify` takes an exported file; `zoo eval`, `zoo predict` and `zoo demo` take an ONNX file."
        )
    runs = [run for run in list_runs(folder, reference) if run.best.is_file() or not trained]
    if not runs and reference not in known:
        hint = f"`zoo list` shows the architectures, `zoo runs` the runs in {folder}."
        raise UnknownName("run or architecture", reference, known, hint)
    if not runs:
        raise RunNotFound(f"There is no trained run of {reference!r} in {folder}. Run `zoo train {reference}` first.")
    return runs[0]


def _run_folders(folder: Path, architecture: str | None) -> Iterator[Path]:
    """The folders with a ``run.json``: ``ARCHITECTURE/RUN``, where names such as ``torchvision/resnet18`` have a slash.

    Raises:
        ZooError: ``folder`` cannot be read.
    """
    try:
        os.listdir(folder)
    except (FileNotFoundError, ValueError):
        return
    except OSError as error:
        raise ZooError(f"Cannot read the runs folder {folder}: {error.strerror}.") from error
    if architecture is not None:
        yield from _with_record(os.path.join(folder, architecture), deeper=0)
    else:
        for path in _subfolders(folder):
            yield from _with_record(path, deeper=1)


def _with_record(folder: str, deeper: int) -> Iterator[Path]:
    for path in _subfolders(folder):
        if os.path.lexists(f"{path}/run.json"):
            yield Path(path)
        elif deeper:
            yield from _with_record(path, deeper - 1)


def _subfolders(folder: str | Path) -> list[str]:
    """The folders in ``folder``; none if it is not a folder, or cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries if _is_folder(entry)]
    except (OSError, ValueError):  # ValueError: a name with a NUL byte
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _in_order(name: str) -> list[tuple[int, str]]:
    """Sort key of the names of runs: ``20260101-120000-10`` comes after ``20260101-120000-2``."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in _NUMBERS.split(name)]
