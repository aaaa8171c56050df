"""Stopping between two steps when a signal asks for it, in place of in the middle of one."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class StopRequest:
    """Which signal asked to stop; 0 while none did."""

    signal_number: int = 0


@contextlib.contextmanager
def stop_requests(*, patient: bool = False) -> Iterator[StopRequest]:
    """Collect SIGINT and SIGTERM while the block runs. A second one stops at once, as usual.

    Args:
        patient: a second one changes nothing. Of several processes each gets Ctrl-C from the terminal and then a signal
            from torchrun, which ends them itself where they take too long.

    Outside the main thread, where Python allows no handlers, nothing is collected.
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
