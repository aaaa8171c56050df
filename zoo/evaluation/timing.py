"""How long calls take, several contenders side by side. Imports no torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

WARM_UP = 5
LEAST_CALLS = 20
ROUNDS = 5
"""The contenders take turns so often, so that what else the machine does meets them all."""

Call = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Latency:
    """Of so many calls, in seconds."""

    p50: float
    p95: float
    calls: int


def measure(calls: Mapping[str, Call], seconds: float) -> dict[str, Latency]:
    """Each call over and over for that long in all, at least :data:`LEAST_CALLS` times, after an unmeasured warm-up.

    They take turns.
    """
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        for _ in range(WARM_UP):
            call()
    for _ in range(ROUNDS):
        for name, call in calls.items():
            _take_turn(call, taken[name], seconds / ROUNDS)
    return {
        name: Latency(float(np.percentile(times, 50)), float(np.percentile(times, 95)), len(times))
        for name, times in taken.items()
    }


def _take_turn(call: Call, times: list[float], seconds: float) -> None:
    end, first = time.perf_counter() + seconds, len(times)
    call()  # the turn of another has left the caches to it
    while len(times) - first < LEAST_CALLS // ROUNDS or time.perf_counter() < end:
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
