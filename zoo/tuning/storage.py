"""Where a study is stored: a journal file in its folder, or a database that several machines reach."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import os
import re
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..errors import UsageError, ZooError
from ..formatting import one_line, shortened

HEARTBEAT_SECONDS, GRACE_SECONDS = 10, 60
"""A worker says so often that it lives; after so long without a word its trial is tried again."""
MOST_RETRIES = 3
CONNECT_SECONDS = 10
JOURNAL = "journal.log"
_DRIVERS = {"postgresql": ("psycopg", "psycopg[binary]"), "mysql": ("pymysql", "pymysql")}
_PASSWORD = re.compile(r"(?<=://)([^/@:]*):([^@]*)@")


def load_optuna() -> Any:
    """Optuna, with only its errors logged.

    Raises:
        ZooError: it is not installed.
    """
    try:
        import optuna
    except ModuleNotFoundError as error:
        if error.name != "optuna":
            raise
        raise ZooError("`zoo tune` needs Optuna. Run: pip install 'pluggy-zoo[tune]'") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna


def without_password(url: str) -> str:
    """``url`` as it may be shown and stored."""
    return _PASSWORD.sub(r"\1:***@", url)


def has_hidden_password(url: str) -> bool:
    """Whether :func:`without_password` took a password away."""
    return ":***@" in url


def open_storage(folder: Path, url: str | None) -> Any:
    """The storage of a study. A trial whose worker no longer lives is tried again, with either kind.

    Args:
        folder: of the study, with the journal file.
        url: of a database; None: the journal file.

    Raises:
        UsageError: the URL is none, or its driver is not installed.
        ZooError: the database does not answer.
    """
    optuna = load_optuna()
    retry = optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=MOST_RETRIES)
    if url is None:
        return _journal_class()(folder, retry)
    url = with_driver(url)
    arguments = {} if url.startswith("sqlite") else {"connect_args": {"connect_timeout": CONNECT_SECONDS}}
    with storage_errors(url):
        return optuna.storages.RDBStorage(
            url,
            engine_kwargs={"pool_pre_ping": True, **arguments},
            heartbeat_interval=HEARTBEAT_SECONDS,
            grace_period=GRACE_SECONDS,
            heartbeat_stale_trial_callback=retry,
        )


def close_storage(storage: Any) -> None:
    """Close the connections to a database; a journal file has none open."""
    if hasattr(storage, "engine"):
        storage.remove_session()
        storage.engine.dispose()


def with_driver(url: str) -> str:
    """``url`` with a driver that is installed.

    Raises:
        UsageError: it is no URL of a database, or no driver is installed.
    """
    kind, separator, rest = url.partition("://")
    if not separator or not rest:
        example = "postgresql://USER:PASSWORD@HOST/DATABASE"
        raise UsageError(f"--storage needs the URL of a database, such as {example}, not {without_password(url)!r}.")
    if kind in _DRIVERS:
        driver, package = _DRIVERS[kind]
        if importlib.util.find_spec(driver) is None:
            raise UsageError(f"A {kind} database needs a driver. Run: pip install {package!r}")
        return f"{kind}+{driver}://{rest}"
    return url


@contextlib.contextmanager
def storage_errors(url: str | None) -> Iterator[None]:
    """An error of the database in one line.

    Raises:
        ZooError: in place of the database's own error.
    """
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    optuna = load_optuna()
    shown = without_password(url or "the journal")
    try:
        yield
    except (ArgumentError, ModuleNotFoundError) as error:
        raise UsageError(f"--storage {shown} cannot be used: {_brief(error)}.") from error
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) else error
        text = _brief(getattr(cause, "orig", None) or cause or error)
        raise ZooError(f"The storage {shown} does not answer: {text}. Nothing that it has stored is lost.") from error


def _brief(error: object) -> str:
    return shortened(one_line(error), 200).rstrip(".")


def _journal_class() -> type[Any]:
    """A class of journal storages with a heartbeat, which Optuna's own lacks: a file for each running trial."""
    from optuna.storages import JournalStorage
    from optuna.storages._heartbeat import BaseHeartbeat
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
    from optuna.trial import TrialState

    class HeartbeatJournal(JournalStorage, BaseHeartbeat):
        def __init__(self, folder: Path, retry: Callable[..., None]) -> None:
            logging.getLogger("optuna").setLevel(logging.ERROR)
            path = str(folder / JOURNAL)
            lock = JournalFileOpenLock(path)
            _drop_cut_line(path, lock)
            super().__init__(JournalFileBackend(path, lock_obj=lock))
            self._beats, self._retry = folder / "workers", retry

        def record_heartbeat(self, trial_id: int) -> None:
            with contextlib.suppress(OSError):  # a full disk must not end the training
                write_beat(self._beats, trial_id)

        def _get_stale_trial_ids(self, study_id: int) -> list[int]:
            running = self.get_all_trials(study_id, deepcopy=False, states=(TrialState.RUNNING,))
            return [t._trial_id for t in running if is_stale(self._beats, t._trial_id, _age(t.datetime_start))]

        def get_heartbeat_interval(self) -> int | None:
            return HEARTBEAT_SECONDS

        def get_heartbeat_stale_trial_callback(self) -> Callable[..., None] | None:
            return self._retry

    return HeartbeatJournal


def _drop_cut_line(path: str, lock: Any) -> None:
    """Drop the end of a last line that a killed worker did not finish: Optuna could not read what follows it."""
    if not os.path.isfile(path):
        return
    lock.acquire()
    try:
        with open(path, "rb+") as file:
            content = file.read()
            file.truncate(content.rfind(b"\n") + 1)
    finally:
        lock.release()


def _age(started: Any) -> float:
    return float("inf") if started is None else time.time() - started.timestamp()


def write_beat(folder: Path, trial: int) -> None:
    """Record that the worker of a trial lives: this process."""
    folder.mkdir(exist_ok=True)
    content = {"host": socket.gethostname(), "pid": os.getpid(), "started": _started(os.getpid())}
    # never empty for a reader: the file is complete before it gets its name
    temporary = folder / f".trial-{trial}.{os.getpid()}.part"
    temporary.write_text(json.dumps(content), encoding="utf-8")
    temporary.replace(folder / f"trial-{trial}.json")


def is_stale(folder: Path, trial: int, age: float) -> bool:
    """Whether the worker of a running trial is gone.

    On the machine of the worker, its process is looked up. On others, the last sign of life must be old; the clock is
    that of the file system, which all machines share.

    Args:
        age: seconds since the trial began, for a worker that was killed before its first sign of life.
    """
    path = folder / f"trial-{trial}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        beat = path.stat().st_mtime
    except (OSError, ValueError):
        return age > GRACE_SECONDS
    if content.get("host") == socket.gethostname():
        return bool(_started(content.get("pid", 0)) != content.get("started"))
    return _now(folder) - beat > GRACE_SECONDS


def _started(pid: int) -> float | None:
    """When a process began, so that another process with its number is not taken for it; None if there is none."""
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except (psutil.Error, ValueError):
        return None


def _now(folder: Path) -> float:
    """The present by the clock of the file system."""
    path = folder / f".clock-{socket.gethostname()}-{os.getpid()}"
    path.touch()
    return path.stat().st_mtime
