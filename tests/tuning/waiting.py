"""Waiting for another process."""

import time


def wait_for(condition, seconds=120):
    """Wait until ``condition()`` is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
