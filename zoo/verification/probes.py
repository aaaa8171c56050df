"""Probes: inputs and batch sizes that are drawn anew for each verification, so that no file can be made for them.

The seed is recorded with the result; with the same seed, the same probes are drawn again.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ..exporting.certificate import Check
from ..exporting.limits import error_limits
from ..exporting.numerics import CAP, REAL, Case, capped, extremes, run_exact, run_torch
from ..exporting.source import ExportSource
from ..models.runtime import Inspection, Runtimes, TensorSpec

POOL = 64
"""Different inputs of each kind. A larger batch repeats them."""
TORCH_BATCHES = (1, 2, 3, 7, POOL)
LARGEST_SEED = 2**32
RANGES = ((9, 64), (9, 64), (9, 64), (65, 250), (251, 512))
"""Where the batch sizes above 8 are drawn from."""
ALONE = 8
"""Inputs of each kind that a file runs one by one, if there is nothing to compare its outputs with."""


def new_seed() -> int:
    """A seed that cannot be predicted."""
    return secrets.randbelow(LARGEST_SEED)


def draw_batch_sizes(random: torch.Generator) -> list[int]:
    """Every size from 1 to 8, and one from each of :data:`RANGES`."""
    return [*range(1, 9), *(_between(low, high, random) for low, high in RANGES)]


def make_probe_cases(source: ExportSource, seed: int) -> list[Case]:
    """A batch of each kind of input, and the drawn batch sizes of real samples and of another kind."""
    random = torch.Generator().manual_seed(seed)
    reference, pools = source.in_float64(), []
    missing = bool(source.description.get("columns")) and source.description.get("normalises", True)
    for kind, drawn in draw_inputs(source.test.inputs, random, missing=missing):
        inputs = _finite_only(source, drawn)
        exact = run_exact(reference, inputs)
        float32 = [run_torch(source.model, inputs[:size]) for size in TORCH_BATCHES]
        limits = error_limits(reference, inputs, exact, float32)
        pools.append(Case(kind, inputs, exact, float32[-1], limits))
    sizes, found = draw_batch_sizes(random), list(pools)
    for size in sizes:
        other = pools[_between(1, len(pools) - 1, random)]
        found += [_batch_of(pool, size, random) for pool in (pools[0], other)]
    return capped(found)


def draw_inputs(samples: Tensor, random: torch.Generator, *, missing: bool = False) -> Iterator[tuple[str, Tensor]]:
    """A pool of each kind of input, real samples first.

    Args:
        samples: the inputs of the test split, ``[N, …]``.
        missing: whether the model accepts missing values (NaN).
    """
    real = samples[torch.randint(len(samples), (POOL,), generator=random)]
    yield REAL, real
    if samples.dtype == torch.uint8:
        yield from _images(real, random)
        return
    low, high = extremes(samples)
    span = high - low
    yield "values in the range", low + span * torch.rand(real.shape, generator=random)
    beyond = low + span * (2 * torch.rand(real.shape, generator=random) - 0.5)
    beyond[:3] = torch.stack([low, high, torch.zeros_like(low)])
    yield "values beyond the range", beyond
    yield "extremes", _mixed(real, low.expand_as(real), high.expand_as(real), random)
    if missing:
        share = torch.rand((POOL, *[1] * (real.ndim - 1)), generator=random)
        share[0] = 1
        yield "missing values", torch.where(torch.rand(real.shape, generator=random) < share, torch.nan, real)


def _images(real: Tensor, random: torch.Generator) -> Iterator[tuple[str, Tensor]]:
    black, white = torch.zeros_like(real), torch.full_like(real, 255)
    yield "noise", torch.randint(0, 256, real.shape, generator=random).to(torch.uint8)
    yield "extremes", _mixed(real, black, white, random)
    levels = torch.randint(0, 256, (POOL, *[1] * (real.ndim - 1)), generator=random)
    levels[:2] = torch.tensor([0, 255]).view(2, *[1] * (real.ndim - 1))
    yield "one level", levels.to(torch.uint8).expand_as(real).contiguous()


def _mixed(real: Tensor, low: Tensor, high: Tensor, random: torch.Generator) -> Tensor:
    """Each value is the real one, the lowest or the highest, by chance: so a trigger of few values occurs."""
    which = torch.randint(0, 3, real.shape, generator=random)
    return torch.where(which == 0, real, torch.where(which == 1, low, high))


def _finite_only(source: ExportSource, inputs: Tensor) -> Tensor:
    """The inputs, with those that overflow float32 replaced by real samples: there is no right output for them."""
    outputs = run_torch(source.model, inputs)
    finite = np.all([np.isfinite(output).reshape(len(inputs), -1).all(1) for output in outputs], axis=0)
    return torch.where(torch.from_numpy(finite).view(-1, *[1] * (inputs.ndim - 1)), inputs, source.samples(len(inputs)))


def _batch_of(pool: Case, size: int, random: torch.Generator) -> Case:
    """A batch of ``size`` inputs of a pool, in random order."""
    rows = torch.randperm(POOL, generator=random).repeat(size // POOL + 1)[:size]
    exact, float32 = ([output[rows.numpy()] for output in outputs] for outputs in (pool.exact, pool.float32))
    return Case(pool.kind, pool.inputs[rows], exact, float32, pool.limits)


def check_runs(inspection: Inspection, runtimes: Runtimes, seed: int, real: Tensor | None, *, alone: bool) -> Check:
    """Random inputs of the drawn batch sizes give finite outputs on every runtime.

    Args:
        real: inputs of the reference vectors; None if there are none.
        alone: whether an output must be the same as for its input alone. A network of another tool, or one of
            integers, may break that.
    """
    (spec,) = inspection.inputs
    random = torch.Generator().manual_seed(seed)
    fixed = spec.shape[0] if isinstance(spec.shape[0], int) else 0
    inputs = _random_inputs(spec, random, real)
    sizes = [fixed] if fixed else draw_batch_sizes(random)
    broken = ""
    for runtime in runtimes.all:
        single = [] if fixed else [runtime.run(inputs[place : place + 1]) for place in range(len(inputs))]
        expected = [np.concatenate(outputs) for outputs in zip(*single, strict=True)]
        for size in sizes:
            rows = torch.randperm(len(inputs), generator=random).repeat(size // len(inputs) + 1)[:size]
            outputs = runtime.run(inputs[rows])
            if not all(np.isfinite(output).all() for output in outputs):
                broken = broken or f"random inputs of batch size {size} give NaN or infinity on {runtime}"
            elif alone and any(map(_far, outputs, [output[rows.numpy()] for output in expected])):
                broken = broken or f"outputs for batch size {size} differ from those for single inputs on {runtime}"
    names = ", ".join(map(str, runtimes.all))
    shown = ", ".join(map(str, sizes))
    return Check("runs", not broken, broken or f"finite outputs at batch size {shown} on {names}", {"batches": sizes})


def _far(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape != other.shape or bool(np.abs(one - other).max() > CAP * np.abs(other).max())


def why_no_random_input(inspection: Inspection) -> str:
    """Why no random input can be made for the file; empty if one can."""
    if len(inspection.inputs) != 1:
        return f"the file takes {len(inspection.inputs)} inputs; random inputs can be made for one only"
    (spec,) = inspection.inputs
    if not spec.shape or any(isinstance(size, str) for size in spec.shape[1:]):
        return f"sizes other than the batch size are not fixed in its input {spec}"
    return "" if spec.type in ("uint8", "float32", "float64", "float16") else f"its input is of type {spec.type}"


def _random_inputs(spec: TensorSpec, random: torch.Generator, real: Tensor | None) -> Tensor:
    """A few inputs for a file of which only the interface is known."""
    shape = [ALONE, *(int(size) for size in spec.shape[1:])]
    if spec.type != "uint8":
        return torch.randn(shape, generator=random).to(getattr(torch, spec.type))
    noise = torch.randint(0, 256, shape, generator=random).to(torch.uint8)
    base = noise if real is None else real[torch.arange(ALONE) % len(real)]
    black, white = torch.zeros_like(noise), torch.full_like(noise, 255)
    return torch.cat([base, noise, _mixed(base, black, white, random)])


def _between(low: int, high: int, random: torch.Generator) -> int:
    return int(torch.randint(low, high + 1, (), generator=random))
