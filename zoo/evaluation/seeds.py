"""Train the same recipe with several seeds, in parallel processes if wanted, and summarise the results."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..data.read import read_dataset
from ..errors import DataError, InvalidValue, UsageError, ZooError
from ..folders import data_folder, runs_folder
from ..formatting import counted, html_table, main_metric, metric_text
from ..interpreter import python_command, python_environment
from ..models.devices import choose_device
from ..process import Interrupted
from ..registry.registry import Registry, create_registry
from ..runs.run import Run, load_run
from ..specs.dataset import is_present
from ..specs.results import mean_and_deviation
from ..training.distributed import end_with_launcher
from ..training.train import train

log = logging.getLogger("zoo")

Finished = Callable[[Run], None]
"""Called after each training, with its run."""
_SCRIPT = "from zoo.evaluation.seeds import train_from_stdin; train_from_stdin()"
_POLL = 0.05


@dataclass(frozen=True, slots=True)
class SeedResults:
    """Several trainings that differ only in the seed.

    Args:
        runs: the finished runs, by seed.
    """

    runs: tuple[Run, ...]

    @property
    def metric(self) -> str:
        """The main metric of the task: ``accuracy`` or ``mae``."""
        return main_metric(self.runs[0].config["results"]["test"])

    def metrics(self, split: str = "test") -> dict[str, dict[str, float]]:
        """``mean`` and ``std`` (sample standard deviation) of each metric on ``test`` or ``validation``."""
        found = [run.config["results"][split] for run in self.runs]
        names = [name for name in found[0] if all(name in one for one in found)]
        return {name: mean_and_deviation([one[name] for one in found]) for name in names}

    def values(self) -> tuple[float, ...]:
        """The main metric of each run on the test split."""
        return tuple(run.config["results"]["test"][self.metric] for run in self.runs)

    def to_dict(self) -> dict[str, Any]:
        """The result for JSON."""
        return {
            "metric": self.metric,
            "test": self.metrics(),
            "validation": self.metrics("validation"),
            "runs": [
                {"run": str(run.folder), "seed": run.config["seed"], **run.config["results"]} for run in self.runs
            ],
        }

    def _repr_html_(self) -> str:
        """A row a seed, for a notebook."""
        name = self.metric
        rows = [(run.config["seed"], metric_text(name, run.config["results"]["test"][name])) for run in self.runs]
        return html_table(("seed", name), rows)


def train_seeds(
    architecture: str,
    seeds: int | Sequence[int] = 5,
    *,
    processes: int | None = 1,
    device: str = "auto",
    data_dir: Path | str | None = None,
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
    finished: Finished | None = None,
    **arguments: Any,
) -> SeedResults:
    """Train an architecture once for each seed.

    Args:
        architecture: its name.
        seeds: how many, from 0; or the seeds themselves.
        processes: trainings at the same time, each in a process of its own that loads the installed plugins again.
            None: one for each GPU, or else for each core. 1: one after the other, in this process, with ``registry``.
        finished: called after each training, in the order in which they end.
        arguments: the other arguments of :func:`zoo.train`, settings among them. The values must be plain.

    Raises:
        UsageError: no seed, or the same one twice; or as for :func:`zoo.train`.
        ZooError: a training failed. The others are finished first, and their runs are kept.
        TrainingInterrupted: a signal stopped the trainings; each can be resumed.
    """
    numbers = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if not numbers or len(set(numbers)) < len(numbers):
        raise InvalidValue(f"seeds must be at least 1, or different numbers, not {seeds!r}.")
    common = {"architecture": architecture, "device": device, "data_dir": data_dir, "runs_dir": runs_dir}
    jobs = [{**common, **arguments, "seed": number} for number in numbers]
    return SeedResults(tuple(train_all(jobs, registry or create_registry(), processes, finished)))


def train_all(
    jobs: Sequence[Mapping[str, Any]], registry: Registry, processes: int | None, finished: Finished | None = None
) -> list[Run]:
    """One training for each of ``jobs``, the arguments of :func:`zoo.train` by name.

    Raises:
        ZooError: as for :func:`train_seeds`.
    """
    if not jobs:
        return []
    many = min(len(jobs), _possible(jobs[0]["device"]) if processes is None else processes)
    if many <= 1:
        return [_report(train(**job, registry=registry), finished) for job in jobs]
    _fetch(jobs[0], registry)
    results = _in_processes([_plain(job) for job in jobs], many, finished)
    failed = [(job, found) for job, found in zip(jobs, results, strict=True) if isinstance(found, ZooError)]
    if failed:
        job, error = failed[0]
        kept = counted(len(jobs) - len(failed), "other run")
        raise type(error)(f"{error} (Seed {job['seed']}; {kept} finished.)")
    return [found for found in results if isinstance(found, Run)]


def _report(run: Run, finished: Finished | None) -> Run:
    if finished is not None:
        finished(run)
    return run


def _possible(device: str) -> int:
    """Trainings that this machine can run at the same time: one for each GPU, or else for each core."""
    kind = choose_device(device).type
    if kind == "cuda":
        return torch.cuda.device_count() if device in ("auto", "cuda") else 1
    return 1 if kind != "cpu" else cores()


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _fetch(job: Mapping[str, Any], registry: Registry) -> None:
    """Download the dataset here if it is missing, so that the processes do not all do it."""
    name = str(job.get("dataset") or registry.architecture(job["architecture"]).dataset)
    spec, folder = registry.datasets.get(name), data_folder(job["data_dir"])
    if spec is not None and not is_present(spec, folder):
        with contextlib.suppress(DataError):  # each process says so, or takes the stand-in
            read_dataset(spec, registry, folder, options=job.get("data_options"))


def _plain(job: Mapping[str, Any]) -> dict[str, Any]:
    """``job`` for JSON, with folders that do not depend on the environment."""
    paths = {"data_dir": str(data_folder(job["data_dir"])), "runs_dir": str(runs_folder(job["runs_dir"]))}
    return {key: str(value) if isinstance(value, Path) else value for key, value in {**job, **paths}.items()}


def _in_processes(jobs: Sequence[dict[str, Any]], many: int, finished: Finished | None) -> list[Run | ZooError]:
    """The run of each job, or its error. Only ``many`` processes run at a time."""
    waiting = list(enumerate(jobs))[::-1]
    free = list(range(many))
    running: dict[int, tuple[subprocess.Popen[str], int]] = {}
    results: dict[int, Run | ZooError] = {}
    environment = python_environment(ZOO_LAUNCHER=str(os.getpid()))
    environment.setdefault("OMP_NUM_THREADS", str(max(1, cores() // many)))
    try:
        while waiting or running:
            while waiting and free:
                place, job = waiting.pop()
                slot = free.pop(0)
                running[place] = _start(job, slot, environment), slot
            for place, (process, slot) in list(running.items()):
                if process.poll() is not None:
                    results[place] = _result(process)
                    del running[place]
                    free.append(slot)
                    if isinstance(found := results[place], Run):
                        _report(found, finished)
            time.sleep(_POLL)
    except KeyboardInterrupt as error:
        number = error.signal_number if isinstance(error, Interrupted) else signal.SIGINT
        for process, _ in running.values():
            process.send_signal(number)
        for process, _ in running.values():
            process.wait()
        raise
    return [results[place] for place in range(len(jobs))]


def _start(job: dict[str, Any], slot: int, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """A process that trains ``job``. Signals of the terminal do not reach it; this process passes them on."""
    if job["device"] in ("auto", "cuda") and torch.cuda.is_available():
        job = job | {"device": f"cuda:{slot % torch.cuda.device_count()}"}
    process = subprocess.Popen(
        python_command("-c", _SCRIPT),
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # its end is seen later
        process.stdin.write(json.dumps(job))
        process.stdin.close()
    return process


def _result(process: subprocess.Popen[str]) -> Run | ZooError:
    assert process.stdout is not None
    with process.stdout as stream:
        lines = stream.read().splitlines()
    try:
        answer = json.loads(lines[-1])
    except (IndexError, ValueError):
        ended = f"signal {-process.returncode}" if process.returncode < 0 else f"exit code {process.returncode}"
        return ZooError(f"The process of a training ended by itself ({ended}).")
    for note in answer["notes"]:
        log.warning("%s", note)
    if "run" in answer:
        return load_run(Path(answer["run"]))
    return (UsageError if answer["usage"] else ZooError)(answer["error"])


def train_from_stdin() -> None:
    """Train what standard input says, and print the folder of the run or the error. A process of its own runs it."""
    end_with_launcher()
    notes = _Notes()
    log.addHandler(notes)
    job = json.load(sys.stdin)
    answer: dict[str, Any]
    try:
        with _stop_by_exception():
            answer = {"run": str(train(**job, registry=create_registry()).folder.resolve())}
    except Exception as error:
        text = str(error) if isinstance(error, ZooError) else f"{type(error).__name__}: {error}"
        answer = {"error": text, "usage": isinstance(error, UsageError)}
    print("\n" + json.dumps(answer | {"notes": notes.texts}), flush=True)


@contextlib.contextmanager
def _stop_by_exception() -> Iterator[None]:
    """A signal before the training handles signals ends the process like Ctrl-C."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Notes(logging.Handler):
    """Collects the library's notes."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())
