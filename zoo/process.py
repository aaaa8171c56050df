"""What ``zoo`` does with its own process: signals that stop it, the three standard streams, garbage collection.

Only the command calls these functions; a program that imports the zoo keeps its own handlers and streams. This module
imports nothing but a few modules of the standard library: until it has done its work, Ctrl-C ends in a traceback.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, TextIO, cast

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""The signals that stop a command."""
SECONDS_TO_CLEAN_UP = 2.0
"""For so long after a signal, further ones are ignored: a second Ctrl-C must not leave half of the work undone."""


IMPORT_SECONDS = 10.0
"""So long a signal waits for an import of torch to end."""


class Interrupted(KeyboardInterrupt):
    """A signal stopped the command."""

    def __init__(self, signal_number: int) -> None:
        super().__init__()
        self.signal_number = signal_number


class StopSignals:
    """The handler of the signals that stop a command: it raises :class:`Interrupted` in the main thread."""

    def __init__(self) -> None:
        self.number = 0
        """The first signal that came; 0: none so far."""
        self._raised = -SECONDS_TO_CLEAN_UP
        self._waits_until = 0.0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        now = time.monotonic()
        if not self.number:
            self.number, self._waits_until = number, now + IMPORT_SECONDS
        if (now < self._waits_until and _is_importing_torch(frame)) or _is_reporting(frame):
            self.retry(number, 0.05)
            return
        if now - self._raised >= SECONDS_TO_CLEAN_UP:
            self._raised = now
            raise Interrupted(number)

    def report(self, unraisable: Any, hook: Callable[[Any], object]) -> None:
        """Handle an exception in code that cannot raise, such as ``__del__``: an interruption comes again.

        Args:
            unraisable: the argument of :func:`sys.unraisablehook`.
            hook: what reports other exceptions.
        """
        if isinstance(unraisable.exc_value, Interrupted):
            self.retry(unraisable.exc_value.signal_number)
        else:
            hook(unraisable)

    def retry(self, number: int, seconds: float = 0.01) -> None:
        """Let the signal come again soon."""

        def again() -> None:
            self._raised = -SECONDS_TO_CLEAN_UP
            _signal_main_thread(number)

        timer = threading.Timer(seconds, again)  # not at once: that would be in the same code
        timer.daemon = True
        timer.start()


def _signal_main_thread(number: int) -> None:
    """Let the main thread handle a signal, if it still has a handler. A wait of the main thread ends at once."""
    if not callable(signal.getsignal(number)):
        return
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:  # pragma: no cover - needs Windows: the signal is handled when the wait is over
        import _thread

        _thread.interrupt_main(signal.Signals(number))


def _is_importing_torch(frame: FrameType | None) -> bool:
    """Whether a module of torch is being imported. Its C++ code ends the process if an exception is raised there."""
    while frame is not None:
        name = str(frame.f_globals.get("__name__"))
        if frame.f_code.co_name == "<module>" and name.partition(".")[0] == "torch":
            return True
        frame = frame.f_back
    return False


def _is_reporting(frame: FrameType | None) -> bool:
    """Whether an exception that was lost is being handled. One that is raised there would be lost, too."""
    while frame is not None:
        if frame.f_code is StopSignals.report.__code__:
            return True
        frame = frame.f_back
    return False


@contextlib.contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Raise :class:`Interrupted` in the block when a signal asks to stop, so that temporary files are removed.

    A signal that was ignored before stays ignored, as ``nohup`` wants it. Only the main thread can handle signals.
    """
    stop = StopSignals()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    handled = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    hook = sys.unraisablehook
    sys.unraisablehook = functools.partial(stop.report, hook=hook)
    for number in handled:
        signal.signal(number, stop)
    try:
        yield stop
    finally:
        for number in handled:
            signal.signal(number, before[number])
        sys.unraisablehook = hook


def lost_signal() -> int:
    """The first signal that came in the block of :func:`stop_signals`; 0: none.

    Code that still runs after a signal learns from it that the exception was lost: some libraries import others in a
    ``try`` with a bare ``except``.
    """
    handlers = [signal.getsignal(number) for number in SIGNALS]
    return next((handler.number for handler in handlers if isinstance(handler, StopSignals)), 0)


def end_quietly() -> None:
    """From now on a signal ends the process at once: everything is written, and only Python itself has to end."""
    with contextlib.suppress(ValueError):  # not in the main thread
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)


class _Results(io.FileIO):
    """Standard output, which remembers why it could not be written."""

    failure: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            self.failure = error
            raise


class _Messages(io.FileIO):
    """Standard error. A message that cannot be written is dropped: a training goes on without its terminal."""

    def write(self, data: Any) -> int:
        try:
            written = cast("int | None", super().write(data))
        except OSError:
            return len(data)
        return len(data) if written is None else written  # None: it would block


def take_streams() -> Callable[[], OSError | None]:
    """Make the standard streams safe: they are open, and can print every text.

    A closed one (``zoo list >&-``) becomes the null device; otherwise the next file that is opened would take its
    number, and libraries would print into it. Characters that the encoding lacks are printed as ``\\xb1``. Streams that
    the caller replaced stay as they are.

    Returns:
        A function that gives the reason why standard output could not be written; None if it could.
    """
    _open_missing()
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - it stays open
    if os.name == "nt":  # pragma: no cover - needs Windows, whose console needs Python's own streams
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        return lambda: None
    results = _Results(1, "w", closefd=False)
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text_stream(results, sys.stdout, immediately=results.isatty())
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text_stream(_Messages(2, "w", closefd=False), sys.stderr, immediately=True)
    return lambda: results.failure


def move_messages(descriptor: int) -> None:
    """Let standard error, as :func:`take_streams` made it, write to another descriptor; 2 is for libraries then."""
    if sys.stderr is not sys.__stderr__ and isinstance(getattr(sys.stderr.buffer, "raw", None), _Messages):
        sys.stderr = _text_stream(_Messages(descriptor, "w", closefd=False), sys.stderr, immediately=True)


def _text_stream(file: io.FileIO, before: TextIO | None, *, immediately: bool) -> TextIO:
    return io.TextIOWrapper(
        io.BufferedWriter(file),
        getattr(before, "encoding", None) or "utf-8",
        "backslashreplace",
        line_buffering=immediately,
        write_through=immediately or bool(getattr(before, "write_through", False)),
    )


def _open_missing() -> None:
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one


@contextlib.contextmanager
def paused_garbage_collection() -> Iterator[None]:
    """Search no reference cycles in the block, in which thousands of records are read.

    The garbage collector would look at all of them again and again. What has no cycles is freed as always.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
