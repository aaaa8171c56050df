"""Signals: a training stops after a step, not in the middle of one."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class StopRequest:
    """The number of the signal that asked to stop; 0: none so far."""

    signal_number: int = 0


@contextlib.contextmanager
def stop_requests(*, patient: bool = False) -> Iterator[StopRequest]:
    """Record SIGINT and SIGTERM during the block. A second signal raises KeyboardInterrupt at once.

    Outside the main thread, where Python allows no signal handlers, no signal is recorded.

    Args:
        patient: ignore a second signal. For several processes: each gets Ctrl-C from the terminal and then a signal
            from torchrun, which kills the processes that take too long.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if request.signal_number and not patient:
            raise KeyboardInterrupt
        request.signal_number = request.signal_number or number

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
