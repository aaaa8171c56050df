"""How far from float64 a file may be: a multiple of how far correct float32 programs scatter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from .rounding import deviations

Array = NDArray[Any]

MULTIPLE = 4.0
"""A runtime may be this many times further from float64 than correct float32 programs scatter.

Convolutions by Winograd's algorithm, which saves products at the cost of digits, were seen to reach 3.1."""
SMALLEST = 1e-14
"""Never zero, so that an error can be compared with it."""


@dataclass(frozen=True, slots=True)
class Scatter:
    """How far correct float32 programs are from float64, for one output and one kind of input.

    Args:
        largest: the largest deviation.
        rms: the root mean square over samples, of each element of the output.
    """

    largest: float
    rms: Array

    @classmethod
    def of(cls, deviations: Array) -> Scatter:
        """From absolute deviations ``[N, …]``."""
        return cls(float(deviations.max()), root_mean_square(deviations))

    def times(self, multiple: float) -> Scatter:
        """Both figures times ``multiple``."""
        return Scatter(multiple * self.largest, multiple * self.rms)

    def or_more(self, other: Scatter) -> Scatter:
        """The larger of both, each figure for itself; NaN counts as none."""
        return Scatter(float(np.fmax(self.largest, other.largest)), np.fmax(self.rms, other.rms))


def limits_of(
    reference: nn.Module, inputs: Tensor, exact: list[Array], own: Sequence[Sequence[Array]] = ()
) -> list[Scatter]:
    """How far from float64 a correct float32 program may be, for each output.

    Args:
        reference: the model in float64.
        inputs: ``[N, …]``.
        exact: its outputs for them.
        own: what torch in float32 gives for the first of them, in several batches. No limit is smaller than torch's own
            error. It is not multiplied, so that a limit does not depend on which algorithms torch chose here.
    """
    found = []
    for place, deviation in enumerate(deviations(reference, inputs, exact)):
        limit, zero = Scatter.of(deviation).times(MULTIPLE), np.zeros(deviation.shape[1:])
        for given in own:
            error = np.abs(given[place] - exact[place][: len(given[place])])
            # the mean over a few samples is no mean
            limit = limit.or_more(Scatter.of(error) if len(error) == len(inputs) else Scatter(error.max(), zero))
        found.append(limit.or_more(Scatter(SMALLEST, zero + SMALLEST)))
    return found


def root_mean_square(errors: Array) -> Array:
    """Over the samples of ``[N, …]``."""
    found: Array = np.sqrt((errors.astype(np.float64) ** 2).mean(axis=0))
    return found
