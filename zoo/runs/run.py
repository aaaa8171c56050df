"""A run: the folder with everything about one training. A copy of the folder works on another machine.

run.json · metrics.jsonl · metrics.csv · best.safetensors · last/ · curves.png
"""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RunBusy, RunNotFound, ZooError
from ..files import make_folder, sweep, unwritable, write_json, write_text

if TYPE_CHECKING:
    from .record import RunRecord

log = logging.getLogger("zoo")

FORMAT = 1
"""The format of ``run.json``."""


class Run:
    """One training and its folder.

    Args:
        folder: the folder.
        config: the content of ``run.json``.
        writes: if several processes train together, true in only one of them.
    """

    __slots__ = ("_config", "_content", "_copied", "_record", "folder", "writes")

    def __init__(self, folder: Path, config: dict[str, Any] | None = None, writes: bool = True) -> None:
        self.folder, self.writes = folder, writes
        self._config = config
        self._content, self._record = b"", None  # type: tuple[bytes, RunRecord | None]
        self._copied: Run | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Run:
        """A copy for listeners: it writes nothing, and its ``config``, copied when it is first used, is its own."""
        made = Run(self.folder, writes=False)
        made._copied = self
        return made

    @classmethod
    def read(cls, folder: Path) -> Run:
        """The run in ``folder``; ``config`` is made only if it is used, because thousands of runs are listed at once.

        Raises:
            FileNotFoundError: there is no ``run.json``.
            ZooError: it cannot be read, or is damaged. The message names the field.
        """
        from .record import read_record

        run = cls(folder)
        run._content, run._record = read_record(folder / "run.json")
        return run

    @property
    def config(self) -> dict[str, Any]:
        """The content of ``run.json``."""
        if self._copied is not None:
            self._config, self._copied = copy.deepcopy(self._copied.config), None
        if self._config is None:
            import msgspec

            self._config = msgspec.json.decode(self._content)
            self._content, self._record = b"", None
        return self._config

    @config.setter
    def config(self, config: dict[str, Any]) -> None:
        self._config, self._record, self._copied = config, None, None

    @property
    def record(self) -> RunRecord:
        """``config`` with typed fields."""
        if self._record is not None:
            return self._record
        from ..schema import convert
        from .record import RunRecord

        return convert(self.config, RunRecord, f"the record of the run {self.folder}")

    @property
    def architecture(self) -> str:
        """The name of the architecture."""
        return self._record.architecture if self._record is not None else str(self.config["architecture"])

    @property
    def name(self) -> str:
        """``ARCHITECTURE/RUN``, as commands accept it."""
        return f"{self.architecture}/{self.folder.name}"

    @property
    def best(self) -> Path:
        """The checkpoint with the best validation metric."""
        return self.folder / "best.safetensors"

    @property
    def size(self) -> int | None:
        """The bytes of the best checkpoint; None if there is none yet."""
        try:
            status = os.stat(f"{self.folder}/best.safetensors")  # a Path costs more than the call
        except OSError:
            return None
        return status.st_size if stat.S_ISREG(status.st_mode) else None

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
        return self._record.status if self._record is not None else str(self.config["status"])

    def save(self) -> None:
        """Write ``config`` to ``run.json``."""
        if not self.writes:
            return
        write_json(self.folder / "run.json", self.config)

    def metrics(self) -> list[dict[str, Any]]:
        """The entries of ``metrics.jsonl``, one per epoch, in order.

        Raises:
            ZooError: a line is damaged. The message names the line and the field.
        """
        from .record import read_entries

        entries, error = read_entries(self.folder / "metrics.jsonl")
        if error is not None:
            raise error
        return entries

    def epochs_done(self) -> int:
        """The last epoch in ``metrics.jsonl``, as far as it can be read; 0: none."""
        from .record import read_entries

        entries, _ = read_entries(self.folder / "metrics.jsonl")
        return int(entries[-1]["epoch"]) if entries else 0

    def keep_metrics(self, epochs: int) -> None:
        """Remove the entries of later epochs than ``epochs`` from ``metrics.jsonl``.

        A damaged line ends the entries, with a warning if earlier epochs are lost. A run goes on without them, because
        nothing depends on them.
        """
        from .record import read_entries

        entries, error = read_entries(self.folder / "metrics.jsonl")
        kept = [entry for entry in entries if entry["epoch"] <= epochs]
        if error is not None and len(kept) < epochs:
            log.warning("%s This and later lines up to epoch %d are lost.", error, epochs)
        self.set_metrics(kept)

    def add_metrics(self, entry: dict[str, Any]) -> None:
        """Append the entry of an epoch to ``metrics.jsonl``. :meth:`sync_metrics` makes it survive a power failure."""
        if not self.writes:
            return
        path = self.folder / "metrics.jsonl"
        try:
            with path.open("a", encoding="utf-8") as handle:
                handle.write(json.dumps(entry, allow_nan=False) + "\n")
        except OSError as error:
            raise unwritable(path, error) from error

    def sync_metrics(self) -> None:
        """Wait until all entries of ``metrics.jsonl`` are on disk."""
        path = self.folder / "metrics.jsonl"
        if not self.writes or not path.exists():
            return
        try:
            with path.open("rb+") as handle:
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
            # an epoch of another version, before the training was resumed, may have other metrics
            columns = dict.fromkeys(name for row in rows for name in row)
            writer = csv.DictWriter(text, columns, lineterminator="\n")
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
            for folder in {path.parent for path in self.folder.rglob(".*") if path.suffix in (".part", ".pending")}:
                sweep(folder)


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
    except OSError as error:
        raise unwritable(run.folder, error) from error
    try:
        yield
    finally:
        lock.release()


def load_run(folder: Path) -> Run:
    """Load the run in ``folder``.

    Raises:
        RunNotFound: there is no ``run.json``, it cannot be read, or it is damaged. The message names the field.
    """
    try:
        return Run.read(folder)
    except FileNotFoundError as error:
        raise RunNotFound(f"{folder} contains no run.json, so it is not a run.") from error
    except ZooError as error:
        raise RunNotFound(str(error)) from error


def _flat(entry: dict[str, Any]) -> dict[str, Any]:
    """``{"train": {"loss": 1}}`` as ``{"train_loss": 1}``."""
    parts = (
        {f"{k}_{name}": v for name, v in value.items()} if isinstance(value, dict) else {k: value}
        for k, value in entry.items()
    )
    return {name: value for part in parts for name, value in part.items()}
