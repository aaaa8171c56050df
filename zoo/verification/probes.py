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
from ..exporting.numerics import CAP, REAL, Case, capped, run_exact, run_torch
from ..exporting.source import ExportSource
from ..inputs.probing import extremes, mixed
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
    for kind, drawn in draw_inputs(source, random):
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


def draw_inputs(source: ExportSource, random: torch.Generator) -> Iterator[tuple[str, Tensor]]:
    """A pool of each kind of input, real samples first."""
    samples = source.test.inputs
    real = samples[torch.randint(len(samples), (POOL,), generator=random)]
    yield REAL, real
    yield from source.probes(real, random)


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


def why_no_random_input(inspection: Inspection, real: Tensor | None) -> str:
    """Why no random input can be made for the file; empty if one can.

    Args:
        real: inputs of the reference vectors: only they show which whole numbers the file takes. None: there are none.
    """
    if len(inspection.inputs) != 1:
        return f"the file takes {len(inspection.inputs)} inputs; random inputs can be made for one only"
    (spec,) = inspection.inputs
    if not spec.shape or any(isinstance(size, str) for size in spec.shape[1:]):
        return f"sizes other than the batch size are not fixed in its input {spec}"
    known = ("uint8", "float32", "float64", "float16", *(("int64", "int32") if real is not None else ()))
    return "" if spec.type in known else f"its input is of type {spec.type}"


def _random_inputs(spec: TensorSpec, random: torch.Generator, real: Tensor | None) -> Tensor:
    """A few inputs for a file of which only the interface is known."""
    shape = [ALONE, *(int(size) for size in spec.shape[1:])]
    if spec.type in ("int64", "int32"):
        assert real is not None  # why_no_random_input refuses the file without them
        base, (low, high) = real[torch.arange(ALONE) % len(real)], extremes(real.flatten())
        noise = torch.randint(int(low), int(high) + 1, shape, generator=random).to(base.dtype)
        return torch.cat([base, noise, mixed(base, low.expand_as(base), high.expand_as(base), random)])
    if spec.type != "uint8":
        return torch.randn(shape, generator=random).to(getattr(torch, spec.type))
    noise = torch.randint(0, 256, shape, generator=random).to(torch.uint8)
    base = noise if real is None else real[torch.arange(ALONE) % len(real)]
    black, white = torch.zeros_like(noise), torch.full_like(noise, 255)
    return torch.cat([base, noise, mixed(base, black, white, random)])


def _between(low: int, high: int, random: torch.Generator) -> int:
    return int(torch.randint(low, high + 1, (), generator=random))
