"""Error limits: how far from float64 a file may be, as a multiple of the scatter of correct float32 programs."""

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
"""A file may be this many times further from float64 than disturbed float32 runs are.

Convolutions by Winograd's algorithm, which needs fewer products and loses accuracy, were measured at up to 4.4 times.
If torch uses it, :func:`error_limits` gives no limit below torch's own error."""
OF_TORCH = 4.0
"""Torch's own error widens a limit at most so many times. In the zoo's networks it is at most half of the limit."""
SMALLEST = 1e-14
"""No limit is smaller, so that an error can be divided by it."""


@dataclass(frozen=True, slots=True)
class ErrorSize:
    """The size of the errors of one output for one kind of input, in the output's units; also used as a limit.

    Args:
        largest: the largest absolute error of any element.
        rms: the root mean square error over samples, of each element of the output, ``[…]``.
    """

    largest: float
    rms: Array

    @classmethod
    def of(cls, errors: Array) -> ErrorSize:
        """The size of absolute errors ``[N, …]``."""
        return cls(float(errors.max()), root_mean_square(errors))

    def times(self, multiple: float) -> ErrorSize:
        """Both figures times ``multiple``."""
        return ErrorSize(multiple * self.largest, multiple * self.rms)

    def at_most(self, other: ErrorSize) -> ErrorSize:
        """The smaller of both, figure by figure; a figure of ``other`` that is 0 does not count: nothing is known."""
        largest = min(self.largest, other.largest or float("inf"))
        return ErrorSize(largest, np.minimum(self.rms, np.where(other.rms > 0, other.rms, np.inf)))

    def or_more(self, other: ErrorSize) -> ErrorSize:
        """The larger of both, figure by figure; NaN is ignored."""
        return ErrorSize(float(np.fmax(self.largest, other.largest)), np.fmax(self.rms, other.rms))


def error_limits(
    reference: nn.Module, inputs: Tensor, exact: list[Array], float32: Sequence[Sequence[Array]] = ()
) -> list[ErrorSize]:
    """How far from float64 a correct float32 program may be, for each output.

    Args:
        reference: the model in float64.
        inputs: ``[N, …]``.
        exact: its outputs for them, ``[N, …]`` each.
        float32: torch's float32 outputs for the first inputs, in batches of several sizes. No limit is smaller than
            torch's own error, unless that is :data:`OF_TORCH` times what rounding explains: then torch itself is wrong,
            and a file that is wrong likewise must not pass. The error is not multiplied, so that a limit does not
            depend on which algorithms torch chose on this machine.
    """
    found = []
    for place, deviation in enumerate(deviations(reference, inputs, exact)):
        limit, zero = ErrorSize.of(deviation).times(MULTIPLE), np.zeros(deviation.shape[1:])
        cap = limit.times(OF_TORCH)
        for outputs in float32:
            error = np.abs(outputs[place] - exact[place][: len(outputs[place])])
            # a mean over a few samples says too little
            own = ErrorSize.of(error) if len(error) == len(inputs) else ErrorSize(float(error.max()), zero)
            limit = limit.or_more(own.at_most(cap))
        found.append(limit.or_more(ErrorSize(SMALLEST, zero + SMALLEST)))
    return found


def root_mean_square(errors: Array) -> Array:
    """Over the samples of ``[N, …]``."""
    found: Array = np.sqrt((errors.astype(np.float64) ** 2).mean(axis=0))
    return found
