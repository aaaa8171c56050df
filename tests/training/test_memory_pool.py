"""The memory pool: memory is kept between steps."""

import platform
import resource

import pytest
import torch

from zoo.training.execution import freed_memory_kept

FEW = 10
"""Page faults. A block of 40 MiB has 20 huge pages of 2 MiB, or 10,240 usual pages."""


def page_faults():
    """The pages that the kernel clears when a block of 40 MiB is allocated, written and freed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.zeros(10 * 2**20).add_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs GNU libc")
def test_freed_memory_is_reused_without_page_faults():
    with freed_memory_kept():
        assert min(page_faults() for _ in range(15)) < FEW
    with pytest.raises(RuntimeError), freed_memory_kept():
        raise RuntimeError
    assert max(page_faults() for _ in range(5)) > FEW, "libc has its usual settings again"


def test_without_gnu_libc_the_memory_pool_does_nothing(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr("ctypes.CDLL", lambda name: pytest.fail("a library was called"))
    with freed_memory_kept():
        pass
