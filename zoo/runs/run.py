"""A run: the folder with everything about one training. A copy of the folder works on another machine.

run.json · metrics.jsonl · metrics.csv · best.safetensors · last/ · curves.png
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RunBusy, RunNotFound, UnknownName, ZooError
from ..files import make_folder, unwritable, write_json, write_text

log = logging.getLogger("zoo")

FORMAT = 1


@dataclass(slots=True)
class Run:
    """One training and its folder. ``config`` is the content of ``run.json``.

    If several processes train together, ``writes`` is true in only one of them.
    """

    folder: Path
    config: dict[str, Any]
    writes: bool = True

    @property
    def name(self) -> str:
        """``ARCHITECTURE/RUN``, as commands accept it."""
        return f"{self.config['architecture']}/{self.folder.name}"

    @property
    def best(self) -> Path:
        """The checkpoint with the best validation metric."""
        return self.folder / "best.safetensors"

    @property
    def last(self) -> Path:
        """The checkpoint to resume from."""
        return self.folder / "last" / "checkpoint.safetensors"

    @property
    def curves(self) -> Path:
        """The plot of the metrics over the epochs."""
        return self.folder / "curves.png"

    @property
    def table(self) -> Path:
        """The metrics of ``metrics.jsonl`` as a CSV table, one row per epoch."""
        return self.folder / "metrics.csv"

    @property
    def status(self) -> str:
        """``running``, ``finished``, ``interrupted`` or ``failed``."""
        return str(self.config["status"])

    def save(self) -> None:
        """Write ``config`` to ``run.json``."""
        if not self.writes:
            return
        write_json(self.folder / "run.json", self.config)

    def metrics(self) -> list[dict[str, Any]]:
        """The entries of ``metrics.jsonl``, one per epoch, in order."""
        path = self.folder / "metrics.jsonl"
        if not path.exists():
            return []
        text = path.read_text(encoding="utf-8")
        # a line without its end was being written when the process stopped
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def add_metrics(self, entry: dict[str, Any]) -> None:
        """Append the entry of an epoch to ``metrics.jsonl``."""
        if not self.writes:
            return
        path = self.folder / "metrics.jsonl"
        try:
            with path.open("a", encoding="utf-8") as handle:
                handle.write(json.dumps(entry) + "\n")
                handle.flush()
                os.fsync(handle.fileno())
        except OSError as error:
            raise unwritable(path, error) from error

    def write_table(self) -> None:
        """Write ``metrics.csv``."""
        import csv
        import io

        rows = [_flat(entry) for entry in self.metrics()]
        if self.writes and rows:
            text = io.StringIO()
            writer = csv.DictWriter(text, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            write_text(self.table, text.getvalue())

    def set_metrics(self, entries: list[dict[str, Any]]) -> None:
        """Replace all entries of ``metrics.jsonl``."""
        if not self.writes:
            return
        write_text(self.folder / "metrics.jsonl", "".join(json.dumps(entry) + "\n" for entry in entries))

    def remove_leftovers(self) -> None:
        """Delete incomplete files of a killed process. The caller must hold :func:`run_lock`."""
        if self.writes:
            for path in self.folder.rglob(".*.part"):
                path.unlink(missing_ok=True)


def create_run(folder: Path, architecture: str, config: dict[str, Any]) -> Run:
    """Create a new run in ``folder``, with the current time as its name. Parallel calls get different runs.

    Raises:
        ZooError: the folder cannot be written to.
    """
    import datetime

    parent = make_folder(folder / architecture)
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    for attempt in range(1, 1_000):
        path = parent / (stamp if attempt == 1 else f"{stamp}-{attempt}")
        try:
            path.mkdir()
            (path / "last").mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise unwritable(path, error) from error
        run = Run(path, {"format": FORMAT, "architecture": architecture} | config)
        run.save()
        return run
    raise ZooError(f"{parent} contains too many runs of this second; try again.")


@contextlib.contextmanager
def run_lock(run: Run) -> Iterator[None]:
    """Prevent other processes from training ``run``. The lock is released when this process ends in any way.

    Raises:
        RunBusy: another process holds the lock.
    """
    if not run.writes:
        yield
        return
    import filelock

    lock = filelock.FileLock(run.last.with_name(".lock"))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise RunBusy(f"{run.name} is being trained by another process; wait for it, or stop it.") from error
    try:
        yield
    finally:
        lock.release()


def load_run(folder: Path) -> Run:
    """Load the run in ``folder``.

    Raises:
        RunNotFound: there is no ``run.json``, or it cannot be read.
    """
    try:
        config = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunNotFound(f"{folder} contains no run.json, so it is not a run.") from error
    except (OSError, ValueError) as error:
        raise RunNotFound(f"Cannot read {folder / 'run.json'}: {error}.") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise RunNotFound(f"{folder / 'run.json'} was written by another version of the zoo.")
    return Run(folder, config)


def _flat(entry: dict[str, Any]) -> dict[str, Any]:
    """``{"train": {"loss": 1}}`` as ``{"train_loss": 1}``."""
    parts = (
        {f"{k}_{name}": v for name, v in value.items()} if isinstance(value, dict) else {k: value}
        for k, value in entry.items()
    )
    return {name: value for part in parts for name, value in part.items()}


def list_runs(folder: Path, architecture: str | None = None, dataset: str | None = None) -> list[Run]:
    """All readable runs in ``folder``, by architecture, best first (see :func:`rank`).

    Args:
        architecture: only runs of this architecture.
        dataset: only runs that were trained on this dataset; all architectures together, best first.
    """
    found = []
    for path in _run_files(folder, architecture):
        try:
            found.append(load_run(path.parent))
        except RunNotFound as error:
            log.warning("%s The run is skipped.", error)
    found.sort(key=lambda run: run.folder.name, reverse=True)  # at equal rank, the latest first
    found.sort(key=rank, reverse=True)
    if dataset is not None:
        return [run for run in found if run.config["data"]["name"] == dataset]
    return sorted(found, key=lambda run: str(run.config["architecture"]))


def rank(run: Run) -> tuple[float, ...]:
    """Sort key of runs; higher is better: trained on the default dataset, then finished, then validation score.

    The test metric is not used, because it must stay independent of the choice.
    """
    best = run.config.get("best") or {}
    return (
        float(run.config["data"]["name"] == run.config["data"]["default"]),
        float(run.status == "finished"),
        *best.get("score", [float("-inf")]),
    )


def find_run(reference: str, folder: Path, architectures: Iterable[str], *, trained: bool = True) -> Run:
    """Find the run that ``reference`` names: the folder of a run, ``ARCHITECTURE/RUN``, or an architecture's best run.

    Args:
        architectures: the known names, to distinguish a misspelled name from an architecture without runs.
        trained: skip runs without a checkpoint.

    Raises:
        UnknownName: it is neither a run nor an architecture.
        RunNotFound: the architecture has no trained run, or the run has no checkpoint.
    """
    for path in (Path(reference).expanduser(), folder / reference):
        if (path / "run.json").is_file():
            run = load_run(path)
            if trained and not run.best.is_file():
                raise RunNotFound(f"{run.name} has no checkpoint: it stopped before the end of its first epoch.")
            return run
    runs = [run for run in list_runs(folder, reference) if run.best.is_file() or not trained]
    known = list(architectures)
    if not runs and reference not in known:
        hint = f"`zoo list` shows the architectures, `zoo runs` the runs in {folder}."
        raise UnknownName("run or architecture", reference, known, hint)
    if not runs:
        raise RunNotFound(f"There is no trained run of {reference!r} in {folder}. Run `zoo train {reference}` first.")
    return runs[0]


def _run_files(folder: Path, architecture: str | None) -> Iterator[Path]:
    if architecture is not None:
        yield from (folder / architecture).glob("*/run.json")
    else:
        # one level more for names such as `torchvision/resnet18`
        yield from folder.glob("*/*/run.json")
        yield from folder.glob("*/*/*/run.json")
