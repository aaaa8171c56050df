"""Trackers: listeners that send trainings to a tracking service, such as MLflow, and never depend on it."""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from ..errors import ZooError
from ..files import write_json
from ..formatting import one_line, shortened
from ..schema import read_json
from ..specs.hookspecs import EpochMetrics, TrainingStart, hookimpl
from ..specs.references import Reference, resolve_reference
from .run import Run

log = logging.getLogger("zoo")

SEND_SECONDS = 2.0
"""Epochs can be shorter than a message to a server, so they are sent together, at most this often."""

_IDENTITY = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(slots=True)
class TrackedIdentity:
    """``RUN/TRACKER.json``: which run of the service belongs to the run, and how much of it the service has.

    Args:
        id: of the run of the service: letters, digits, ``-`` and ``_``.
        place: where that run is, without passwords; another place gets a new run.
        epochs: the last epoch that was sent.
    """

    id: str
    place: str = ""
    epochs: int = 0


Point = tuple[int, Mapping[str, float]]
"""An epoch and its metrics by name: ``loss/train``, ``accuracy/validation``, ``learning rate`` and so on."""


class TrackedRun(Protocol):
    """A run of a tracking service, open for writing. A method may raise any exception if the service fails."""

    identity: TrackedIdentity
    """If this is not what the function was given that opened the run, the run is new, and ``epochs`` is 0."""

    def send(self, points: Sequence[Point]) -> None:
        """Send the metrics of some epochs, in order."""

    def finish(self, run: Run, results: Mapping[str, float]) -> None:
        """Send files of the run, and close it with its status: ``finished``, ``interrupted`` or ``failed``.

        Args:
            results: metrics of the best checkpoint on the test split, ``accuracy/test`` and so on; empty without any.
        """

    def attach(self, run: Run, certificate: Any) -> None:
        """Add an exported file and its certificate, a :class:`zoo.Certificate`."""


class Tracker:
    """A listener that sends trainings to a tracking service, if ``--log`` names it.

    It sends an epoch once, also after a resume, and continues the same run of the service. If the service fails, there
    is one warning, the training goes on, and everything that is missing is sent at its end, when it is resumed, or by
    ``zoo export RUN … --log NAME``. A module hands on the methods as its hooks::

        tracker = zoo.Tracker("my-tracker", "my_package.client:open_run")
        train_started, epoch_ended = tracker.train_started, tracker.epoch_ended
        train_ended, file_exported = tracker.train_ended, tracker.file_exported

    Args:
        name: of the plugin.
        open_run: called as ``open_run(run, parameters, known)``, returns a :class:`zoo.TrackedRun`. ``parameters`` are
            the settings of the run by name. ``known`` is the :class:`zoo.TrackedIdentity` of the run of the service, or
            None if there is none yet. If the service no longer has that run, the function opens a new one.
    """

    def __init__(self, name: str, open_run: Reference) -> None:
        self.name, self._open_run = name, open_run
        self._open: dict[Path, tuple[TrackedRun, float]] = {}

    @hookimpl
    def train_started(self, run: Run, start: TrainingStart) -> None:
        """Open the run of the service."""
        if self.name in run.config.get("log", ()):
            with self._failures(run):
                self._start(run)

    @hookimpl
    def epoch_ended(self, run: Run, metrics: EpochMetrics) -> None:
        """Send the epochs that were not sent yet, if it is time."""
        tracked, sent = self._open.get(run.folder, (None, 0.0))
        if tracked is not None and time.monotonic() - sent >= SEND_SECONDS:
            with self._failures(run):
                self._send(run, tracked)

    @hookimpl
    def train_ended(self, run: Run) -> None:
        """Send the rest. If the service failed before, try again once."""
        if self.name not in run.config.get("log", ()):
            return
        if run.folder in self._open:
            with self._failures(run):
                self._finish(run)
            return
        try:
            self._start(run)
            self._finish(run)
        except Exception as error:  # the warning was given
            log.debug("%s: %s", self.name, error)
        finally:
            self._open.pop(run.folder, None)

    @hookimpl
    def file_exported(self, run: Run, certificate: Any) -> None:
        """Add an exported file to the run of the service, and what is missing there."""
        try:
            self._start(run).attach(run, certificate)
            self._finish(run)
        finally:
            self._open.pop(run.folder, None)

    def _start(self, run: Run) -> TrackedRun:
        """Open the run of the service, and send the epochs that it does not have."""
        open_run: Callable[..., TrackedRun] = resolve_reference(self._open_run)
        tracked = open_run(run, _parameters(run.config), self._known(run))
        write_json(self._file(run), asdict(tracked.identity))
        self._send(run, tracked)
        return tracked

    def _send(self, run: Run, tracked: TrackedRun) -> None:
        points = [_point(entry) for entry in run.metrics() if entry["epoch"] > tracked.identity.epochs]
        if points:
            tracked.send(points)
            tracked.identity.epochs = points[-1][0]
            write_json(self._file(run), asdict(tracked.identity))
        self._open[run.folder] = tracked, time.monotonic()

    def _finish(self, run: Run) -> None:
        tracked, _ = self._open[run.folder]
        self._send(run, tracked)
        del self._open[run.folder]
        results = run.config["results"] or {"test": {}}
        tracked.finish(run, {f"{name}/test": value for name, value in results["test"].items()})

    def _known(self, run: Run) -> TrackedIdentity | None:
        """The run of the service, as the run folder has it. The folder may come from somebody else."""
        what = f"the identity of the run at {self.name}"
        try:
            known = read_json(self._file(run), TrackedIdentity, what)
        except FileNotFoundError:
            return None
        if not _IDENTITY.fullmatch(known.id) or known.epochs < 0:
            raise ZooError(f"{what[:1].upper()}{what[1:]}, {self._file(run)}, is damaged; delete the file.")
        return known

    def _file(self, run: Run) -> Path:
        return run.folder / f"{self.name}.json"

    @contextlib.contextmanager
    def _failures(self, run: Run) -> Iterator[None]:
        """Context that forgets the run of the service if anything in it fails.

        Raises:
            ZooError: it failed. The training makes one warning of it.
        """
        try:
            yield
        except Exception as error:
            self._open.pop(run.folder, None)
            reason = shortened(one_line(error), 200).rstrip(".")
            raise ZooError(
                f"{type(error).__name__}: {reason}. The training continues; at its end the rest is sent if {self.name} "
                f"works again, and otherwise by `zoo export {run.folder} --onnx --log {self.name}`."
            ) from error


def _parameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """What was chosen for the training, by name."""
    data = config["data"]
    chosen = {"architecture": config["architecture"], "dataset": data["name"]}
    chosen |= {f"data.{name}": value for name, value in (data.get("options") or {}).items()}
    chosen |= config["options"] | config["hyperparameters"]
    chosen |= {key: config.get(key) for key in ("seed", "parameters", "device", "processes", "init_from")}
    return {name: value for name, value in chosen.items() if value not in (None, "", [])}


def _point(entry: Mapping[str, Any]) -> Point:
    metrics = {f"{name}/{split}": value for split in ("train", "validation") for name, value in entry[split].items()}
    return entry["epoch"], metrics | {"learning rate": entry["lr"]}
