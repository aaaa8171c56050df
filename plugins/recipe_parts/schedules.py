"""Learning rates as a fraction of the peak, over the progress of a training."""

from __future__ import annotations

import math


def cosine(progress: float) -> float:
    """Half a cosine from 1 to 0 (Smith and Topin, 2018)."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def linear(progress: float) -> float:
    """A straight line from 1 to 0."""
    return 1 - progress


def step(progress: float) -> float:
    """A tenth from half of the run on, and a hundredth from three quarters on (He et al., 2016)."""
    return float(0.1 ** ((progress > 0.5) + (progress > 0.75)))


def constant(progress: float) -> float:
    """The peak."""
    return 1.0
