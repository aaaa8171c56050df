"""Memory that is kept between steps."""

import platform
import resource

import pytest
import torch

from zoo.training.memory_pool import freed_memory_kept

FEW = 10  # a huge page has 2 MiB, so that a step takes 20 of them, or 10,240 of the usual ones


def faults_of_a_step():
    """How many pages the kernel had to clear for a block of 40 MiB, written and freed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.zeros(10 * 2**20).add_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only GNU libc is told")
def test_the_kernel_is_asked_once_for_what_every_step_needs():
    with freed_memory_kept():
        assert min(faults_of_a_step() for _ in range(15)) < FEW
    with pytest.raises(RuntimeError), freed_memory_kept():
        raise RuntimeError
    assert max(faults_of_a_step() for _ in range(5)) > FEW, "the usual ways are back"


def test_elsewhere_it_does_nothing(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr("ctypes.CDLL", lambda name: pytest.fail("a library was called"))
    with freed_memory_kept():
        pass
