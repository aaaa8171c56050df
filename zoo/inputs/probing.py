"""Hostile inputs for samples of which only the type is known: images, columns, signals, any other numbers."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

Named = Iterator[tuple[str, Tensor]]
"""Batches ``[N, …]``, each with the name of its kind."""


def extreme_inputs(real: Tensor, samples: Tensor, random: torch.Generator, *, missing: bool) -> Named:
    """Extremes and noise that no test split holds, as the gates of an export try them.

    Args:
        real: a batch of real samples.
        samples: the inputs of the test split.
        missing: whether the model accepts missing values (NaN).
    """
    yield "all zero", torch.zeros_like(real)
    if real.dtype == torch.uint8:
        yield "all maximum", torch.full_like(real, 255)
        yield "noise", torch.randint(0, 256, real.shape, generator=random).to(torch.uint8)
        return
    low, high = extremes(samples)
    if missing:
        yield "all missing", torch.full_like(real, float("nan"))
    yield "all minimum", low.expand_as(real).contiguous()
    yield "all maximum", high.expand_as(real).contiguous()
    yield "noise", _between(low, high, real, random)


def probe_inputs(real: Tensor, samples: Tensor, random: torch.Generator, *, missing: bool) -> Named:
    """Other inputs for each verification, so that no file can be made for them. The arguments are as above."""
    if samples.dtype == torch.uint8:
        yield from _image_probes(real, random)
        return
    low, high = extremes(samples)
    yield "values in the range", _between(low, high, real, random)
    if real.is_floating_point():
        span = high - low
        beyond = low + span * (2 * torch.rand(real.shape, generator=random) - 0.5)
        beyond[:3] = torch.stack([low, high, torch.zeros_like(low)])
        yield "values beyond the range", beyond
    yield "extremes", mixed(real, low.expand_as(real), high.expand_as(real), random)
    if missing:
        share = torch.rand((len(real), *[1] * (real.ndim - 1)), generator=random)
        share[0] = 1
        yield "missing values", torch.where(torch.rand(real.shape, generator=random) < share, torch.nan, real)


def extremes(samples: Tensor) -> tuple[Tensor, Tensor]:
    """The lowest and the highest value of each place of ``[N, …]``; missing values (NaN) are ignored."""
    if not samples.is_floating_point():
        return samples.amin(0), samples.amax(0)
    low = samples.nan_to_num(nan=float("inf")).amin(0)
    high = samples.nan_to_num(nan=float("-inf")).amax(0)
    return low.nan_to_num(posinf=0.0), high.nan_to_num(neginf=0.0)


def mixed(real: Tensor, low: Tensor, high: Tensor, random: torch.Generator) -> Tensor:
    """Each value is the real one, the lowest or the highest, by chance: so a trigger of few values occurs."""
    which = torch.randint(0, 3, real.shape, generator=random)
    return torch.where(which == 0, real, torch.where(which == 1, low, high))


def _between(low: Tensor, high: Tensor, real: Tensor, random: torch.Generator) -> Tensor:
    part = torch.rand(real.shape, generator=random)
    if real.is_floating_point():
        return low + (high - low) * part
    return low + ((high - low + 1) * part.double()).long().clamp(max=high - low)


def _image_probes(real: Tensor, random: torch.Generator) -> Named:
    black, white = torch.zeros_like(real), torch.full_like(real, 255)
    yield "noise", torch.randint(0, 256, real.shape, generator=random).to(torch.uint8)
    yield "extremes", mixed(real, black, white, random)
    levels = torch.randint(0, 256, (len(real), *[1] * (real.ndim - 1)), generator=random)
    levels[:2] = torch.tensor([0, 255]).view(2, *[1] * (real.ndim - 1))
    yield "one level", levels.to(torch.uint8).expand_as(real).contiguous()
