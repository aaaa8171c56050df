"""Signals: a training stops after a step, not in the middle of one."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

from .process import SECONDS_TO_CLEAN_UP, SIGNALS, Interrupted, StopSignals, lost_signal


@dataclass(slots=True)
class StopRequest:
    """The number of the signal that asked to stop; 0: none so far.

    Args:
        ending: the training has stopped, and only its records are still written. More signals change nothing.
    """

    signal_number: int = 0
    ending: bool = False


@contextlib.contextmanager
def stop_requests(*, patient: bool = False) -> Iterator[StopRequest]:
    """Record SIGINT, SIGTERM and SIGHUP during the block. A second signal raises :class:`Interrupted` at once.

    SIGHUP is not recorded if it was ignored before, as ``nohup`` wants it. Outside the main thread, where Python allows
    no signal handlers, no signal is recorded. A signal that came while libraries were imported, and was lost there,
    counts.

    Args:
        patient: ignore a second signal. For several processes: each gets Ctrl-C from the terminal and then a signal
            from torchrun, which kills the processes that take too long.
    """
    request = StopRequest(lost_signal())
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    raised = -SECONDS_TO_CLEAN_UP
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal raised
        if not request.signal_number:
            request.signal_number = number
        elif patient or request.ending:
            return
        elif isinstance(command := before[number], StopSignals):
            command(number, frame)  # it raises again what is lost
        elif time.monotonic() - raised >= SECONDS_TO_CLEAN_UP:
            raised = time.monotonic()
            raise Interrupted(number)

    handled = [n for n, handler in before.items() if n == signal.SIGINT or handler is not signal.SIG_IGN]
    for number in handled:
        signal.signal(number, handle)
    try:
        yield request
    finally:
        for number in handled:
            signal.signal(number, before[number] or signal.SIG_DFL)  # None: a handler that is not Python's
