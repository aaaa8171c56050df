"""Start the process that runs a file, and end it as soon as it takes too long or needs too much memory."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from ..interpreter import python_command, python_environment

START_SECONDS = 300.0
"""For the start of the process: the import of the libraries, on a busy machine."""
_WATCH_SECONDS = 0.02
_KEPT_VARIABLES = ("PYTHONPATH", "PYTHONSAFEPATH", "PYTHONHOME", "PYTHONUTF8", "PYTHONPYCACHEPREFIX")
_CHUNK = 2**16


@contextlib.contextmanager
def worker_process(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The process, in its own session and in ``folder``; it is killed at the end of the block."""
    environment = {
        name: value
        for name, value in python_environment().items()
        if not name.startswith("PYTHON") or name in _KEPT_VARIABLES
    }
    process = subprocess.Popen(
        python_command("-c", "from zoo.verification.worker import serve; serve()"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=environment,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _kill(process)
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(OSError):  # unsent bytes of a request cannot be flushed any more
                stream.close()  # type: ignore[union-attr]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process, and all that it started."""
    if process.returncode is not None:
        return  # another process may have its number by now
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:  # pragma: no cover - needs Windows
        process.kill()


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a process: seconds for a request and for all requests, bytes beyond those of its libraries."""

    seconds: float
    total_seconds: float
    memory: int


@dataclass(slots=True)
class Watch:
    """Kills the process as soon as it exceeds a limit, and remembers which one; keeps the end of what it prints."""

    process: subprocess.Popen[bytes]
    limits: Limits
    exceeded: str = ""
    last_line: str = ""
    _baseline: int | None = None
    _seconds: float = 0.0
    _deadline: float = 0.0
    _end: float = 0.0
    _stopped: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Watch:
        self._end = time.monotonic() + self.limits.total_seconds
        self.begin_request(START_SECONDS)
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._watch, self._drain)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        _kill(self.process)
        for thread in self._threads:
            thread.join()

    def begin_request(self, seconds: float) -> None:
        """Start the clock of a request."""
        self._seconds, self._deadline = seconds, time.monotonic() + seconds

    def end_request(self) -> None:
        """Stop the clock of a request: what this process computes does not count."""
        self._deadline = float("inf")

    def libraries_loaded(self) -> None:
        """From now on, memory counts."""
        with contextlib.suppress(psutil.Error):
            self._baseline = psutil.Process(self.process.pid).memory_info().rss

    def end_of_process(self) -> str:
        """Wait for the end of the process; why it ended, as the end of a sentence."""
        _kill(self.process)  # it has closed its pipe, so it has ended or is about to end
        code = self.process.wait()
        for thread in self._threads:
            thread.join(1.0)
        if self.exceeded:
            return self.exceeded
        reason = f"exit code {code}"
        if code < 0:
            with contextlib.suppress(ValueError):
                reason = signal.Signals(-code).name
        return f"crashed the process that runs the file ({': '.join(filter(None, (reason, self.last_line)))})"

    def _watch(self) -> None:
        with contextlib.suppress(psutil.Error):
            observed = psutil.Process(self.process.pid)
            while not self._stopped.wait(_WATCH_SECONDS):
                now = time.monotonic()
                added = 0 if self._baseline is None else observed.memory_info().rss - self._baseline
                if now > self._deadline:
                    self.exceeded = f"took longer than {self._seconds:g} s"
                elif now > self._end:
                    self.exceeded = f"came after the {self.limits.total_seconds:g} s that the whole file may take"
                elif added > self.limits.memory:
                    self.exceeded = f"needed more than {self.limits.memory / 2**30:.3g} GiB of memory"
                if self.exceeded:
                    _kill(self.process)
                    return

    def _drain(self) -> None:
        tail = b""
        while chunk := os.read(self.process.stderr.fileno(), _CHUNK):  # type: ignore[union-attr]
            tail = (tail + chunk)[-2000:]
            lines = [
                "".join(filter(str.isprintable, line)).strip() for line in tail.decode(errors="replace").split("\n")
            ]
            self.last_line = next((line[:200] for line in reversed(lines) if line), "")
