"""The memory pool of the process: memory that one step frees is kept for the next step.

GNU libc returns large blocks to the kernel when they are freed and requests them again a moment later. The kernel then
clears every page: this takes up to 40 % of the time of a step of a convolutional network on the CPU.
"""

from __future__ import annotations

import contextlib
import ctypes
import platform
from collections.abc import Iterator

# names and values from malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4
# the values that libc itself chooses after it freed blocks of 32 MiB; once set, it no longer adjusts them
_USUAL = {_M_TRIM_THRESHOLD: 2**26, _M_MMAP_THRESHOLD: 2**25, _M_MMAP_MAX: 65_536}
_KEEPING = {_M_TRIM_THRESHOLD: 2**30, _M_MMAP_MAX: 0}


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep up to 1 GiB of freed memory in the process during the block. Without GNU libc this does nothing."""
    libc = ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
    if libc is None:
        yield
        return
    _set(libc, _KEEPING)
    try:
        yield
    finally:
        _set(libc, _USUAL)
        libc.malloc_trim(0)


def _set(libc: ctypes.CDLL, values: dict[int, int]) -> None:
    for parameter, value in values.items():
        libc.mallopt(parameter, value)
