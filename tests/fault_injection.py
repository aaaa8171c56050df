"""Faults at every operation on files: a kill, a full disk, a folder that turns read-only or vanishes.

A script calls :func:`watch`, then :func:`attempt` any number of times. Each attempt runs an action in a forked process
and lets a fault happen at the n-th operation that changes something below the watched folder: opening a file for
writing, renaming, deleting, making a folder, changing permissions, ``fsync``. So every moment between two operations is
tried, and nothing depends on time. A write in progress is tried too: ``torn`` halves the file before the kill.

It needs ``fork``, so it is for POSIX. It imports nothing heavy; scripts decide what the forked processes have loaded.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_EVENTS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate", "os.link", "os.symlink"}
KILLED = -signal.SIGKILL


@dataclass
class _Watch:
    folder: str = ""
    running: bool = False
    events: list[str] = field(default_factory=list)
    fault: Callable[[int, str, int | None], None] = lambda place, event, handle: None


_watch = _Watch()


def watch(folder: Path) -> None:
    """Watch the operations below ``folder``. It can be called again for another folder."""
    known, _watch.folder = _watch.folder, os.path.realpath(folder) + os.sep
    if known:
        return
    sys.addaudithook(_audit)

    def fsync(handle: int) -> None:
        path = os.readlink(f"/proc/self/fd/{handle}") if os.path.exists("/proc/self/fd") else _watch.folder
        if (path + os.sep).startswith(_watch.folder):
            _happen("fsync", handle if os.path.isfile(path) else None)

    os.fsync = fsync  # a kill loses nothing that was written, so the real one would only cost time


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if not _watch.running:
        return
    if event == "open":
        path, _, flags = arguments
        if not isinstance(flags, int) or not flags & _WRITING:
            return
    elif event in _EVENTS:
        path = arguments[0]
    else:
        return
    if isinstance(path, (str, bytes, os.PathLike)) and _is_below(os.fspath(path)):
        _happen(event, None)


def _is_below(path: str | bytes) -> bool:
    folder, name = os.path.split(os.fsdecode(path))
    return (os.path.join(os.path.realpath(folder or "."), name) + os.sep).startswith(_watch.folder)


def _happen(event: str, handle: int | None) -> None:
    if _watch.running:
        _watch.events.append(event if handle is None else "fsync of a file")
        _watch.fault(len(_watch.events), event, handle)


def attempt(action: Callable[[], object], fault: Callable[[int, str, int | None], None], limit: int = 0) -> int:
    """Run ``action`` in a forked process. Returns its exit code, or the negative number of the signal that killed it.

    Args:
        action: its result, if it is an int, becomes the exit code.
        fault: called before each operation, with its number from 1, its name, and for ``fsync`` of a file the handle.
        limit: the largest size of a file in bytes; 0 for none.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 99
    try:
        if limit:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        _watch.events, _watch.fault, _watch.running = [], fault, True
        found = action()
        _watch.running = False
        code = found if isinstance(found, int) else 0
    except BaseException:
        _watch.running = False
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def lift_limit() -> None:
    """End the limit of :func:`attempt` on the size of files."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def operations(action: Callable[[], object]) -> list[str]:
    """The operations of ``action``, which runs in a forked process and must succeed."""
    reading, writing = os.pipe()

    def counted() -> object:
        found = action()
        _watch.running = False
        os.write(writing, "\n".join(_watch.events).encode())
        return found

    code = attempt(counted, lambda place, event, handle: None)
    os.close(writing)
    with open(reading, encoding="ascii") as file:
        text = file.read()
    if code or not text:
        raise RuntimeError(f"The action fails without a fault: exit code {code}.")
    return text.split("\n")


def kills(events: list[str]) -> Iterator[tuple[int, bool]]:
    """Every kill that is worth a try: where, and whether a file that was being written is torn."""
    for at, event in enumerate(events, 1):
        yield at, False
        if event == "fsync of a file":
            yield at, True


def kill(at: int, torn: bool = False) -> Callable[[int, str, int | None], None]:
    """A fault: SIGKILL before operation ``at``; ``torn``: if it is an fsync, half of the file is missing."""

    def fault(place: int, event: str, handle: int | None) -> None:
        if place == at:
            if torn and handle is not None:
                with contextlib.suppress(OSError):
                    os.ftruncate(handle, os.fstat(handle).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    return fault


def full_disk(at: int, code: int = errno.ENOSPC) -> Callable[[int, str, int | None], None]:
    """A fault: from operation ``at`` on, no file can be created, written or renamed; deleting works."""

    def fault(place: int, event: str, handle: int | None) -> None:
        if place >= at and event not in ("os.remove", "os.rmdir"):
            raise OSError(code, os.strerror(code))

    return fault


def read_only(at: int) -> Callable[[int, str, int | None], None]:
    """A fault: from operation ``at`` on, nothing can be changed."""

    def fault(place: int, event: str, handle: int | None) -> None:
        if place >= at:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    return fault


def vanish(at: int, folder: Path) -> Callable[[int, str, int | None], None]:
    """A fault: before operation ``at``, somebody deletes ``folder``."""

    def fault(place: int, event: str, handle: int | None) -> None:
        if place == at:
            _watch.running = False
            shutil.rmtree(folder, ignore_errors=True)

    return fault


def stray(folder: Path) -> list[str]:
    """The temporary files and journals below ``folder``."""
    return [path.name for path in folder.rglob(".*") if path.name.endswith((".part", ".pending"))]
