"""Run a command in a child process, so that a crash of a library is one line of an error.

onnxruntime can end its whole process on a damaged or hostile file: an assertion in its C++ code fails. Python cannot
catch that. So the command runs in a fork of this process, which is made before any library is imported: nothing else
changes, and this process only waits. Only the command does this; a program that calls the library runs a file in its
own process.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import BinaryIO

from .errors import ZooError
from .process import SECONDS_TO_CLEAN_UP, SIGNALS, Interrupted, move_messages

SECONDS_TO_STOP = 10.0
"""After a signal, for the child to end by itself. Then it is killed: no handler runs while a library computes."""
_CAPTURED = 2**16
_LAST_LINE = 200


class LibraryCrashed(ZooError):
    """The child process ended without a result."""


def can_guard() -> bool:
    """Whether this system can fork. Windows cannot."""
    return hasattr(os, "fork")


def run_guarded(command: Callable[[], int], what: str) -> int:
    """Run ``command`` in a child process, a fork of this one.

    Signals that stop a command are passed on. If this process ends first, the child is stopped too. What libraries
    print on standard error without Python appears when the child has ended.

    Args:
        command: returns its exit code, 0 to 255. It is called in the child only; there this function returns too.
        what: what the command works on, for the error.

    Returns:
        The exit code, in both processes.

    Raises:
        LibraryCrashed: in this process: the child ended before ``command`` returned.
        Interrupted: in this process: the child had to be killed after a signal.
    """
    sys.stdout.flush()
    gc.freeze()  # objects that the garbage collector leaves alone stay on shared pages of memory
    with _Signals() as signals, _unnamed_file() as printed:
        result, report = os.pipe()  # for the exit code
        alive, lifeline = os.pipe()  # nothing is written to it: it closes when this process ends
        try:
            child = os.fork()
        except OSError:  # too many processes, or too little memory: the command works here
            signals.restore()
            return command()
        signals.child = child
        if not child:
            os.close(result)
            os.close(lifeline)
            signals.restore()
            threading.Thread(target=_stop_at_end_of, args=(alive,), daemon=True).start()
            move_messages(os.dup(2))
            os.dup2(printed.fileno(), 2)
            code = command()
            os.write(report, bytes([code]))
            return code
        os.close(report)
        os.close(alive)
        status = signals.wait()
        reported = os.read(result, 1)
        os.close(result)
        os.close(lifeline)
        output = _end_of(printed)
    if reported:
        with contextlib.suppress(OSError):
            os.write(2, output)
        return reported[0]
    if signals.number:
        raise Interrupted(signals.number)
    cause = ": ".join(filter(None, (_how(status), _last_line(output))))
    raise LibraryCrashed(f"A library crashed ({cause}) while it worked on {what}.")


class _Signals:
    """While the child runs: pass the signals that stop a command on to it, and kill it if it does not end."""

    def __init__(self) -> None:
        self.number = 0
        """The first signal that came; 0: none."""
        self.child = 0
        self._first = 0.0
        self._before = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGALRM)}

    def __enter__(self) -> _Signals:
        for number, handler in self._before.items():
            if handler is not signal.SIG_IGN:  # nohup
                signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        self.restore()

    def restore(self) -> None:
        """Put the handlers back."""
        signal.alarm(0)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self.number and not self.child:  # it came in the child, before this
            os.kill(os.getpid(), self.number)

    def wait(self) -> int:
        """Wait for the end of the child; its status."""
        if self.number:  # it came before there was a child
            os.kill(self.child, self.number)
        _, status = os.waitpid(self.child, 0)
        return status

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        last = number == signal.SIGALRM or (self.number and now - self._first >= SECONDS_TO_CLEAN_UP)
        if not self.number:
            self.number, self._first = number, now
            signal.setitimer(signal.ITIMER_REAL, SECONDS_TO_STOP)
        if self.child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.child, signal.SIGKILL if last else number)


def _stop_at_end_of(pipe: int) -> None:
    """Stop this process when the other end of ``pipe`` is closed: the process that waits for this one was killed."""
    os.read(pipe, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(SECONDS_TO_STOP)
    os.kill(os.getpid(), signal.SIGKILL)


def _unnamed_file() -> BinaryIO:
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("zoo"), "w+b")
    import tempfile

    return tempfile.TemporaryFile()


def _end_of(file: BinaryIO) -> bytes:
    file.seek(max(0, file.seek(0, os.SEEK_END) - _CAPTURED))
    return file.read()


def _how(status: int) -> str:
    """How a process ended, from its status."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"it ended the process with exit code {code}"
    if -code == signal.SIGKILL:
        return "SIGKILL, perhaps because there is not enough memory"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


def _last_line(output: bytes) -> str:
    lines = ("".join(filter(str.isprintable, line)).strip() for line in output.decode(errors="replace").splitlines())
    return next((line[:_LAST_LINE] for line in reversed(list(lines)) if line), "")
