"""The gates of numbers: every output of every runtime against a float64 run of the same weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..models.runtime import Runtime, Runtimes
from .certificate import Check
from .reference_vectors import ReferenceVectors
from .scatter import SMALLEST, Scatter, limits_of, root_mean_square
from .source import ExportSource

Array = NDArray[Any]

CAP = 1e-2
"""No limit is more than this part of the largest output: a network whose outputs rounding decides cannot be proven."""

BATCHES = (1, 2, 3, 7, 64)
REAL = "real samples"
REFERENCE_BATCH = 3
DISTINCT = 32
"""Fewer different samples say nothing about a mean of their errors."""
LARGEST, RMS = "largest", "root mean square"


@dataclass(frozen=True, slots=True)
class Case:
    """A batch of one kind of input, and what torch gives for it.

    Args:
        kind: of input.
        inputs: ``[N, …]``.
        exact: every output in float64.
        own: every output in float32.
        limits: how far from ``exact`` each output may be: any element, and the root mean square of each.
    """

    kind: str
    inputs: Tensor
    exact: list[Array]
    own: list[Array]
    limits: list[Scatter]

    @property
    def varied(self) -> bool:
        """Whether it has enough different samples for a mean of their errors to say something."""
        return len({row.tobytes() for row in self.inputs.numpy()}) >= DISTINCT


@dataclass(frozen=True, slots=True)
class Comparison:
    """One output of one runtime for one input, compared with float64.

    Args:
        measure: ``largest`` error of any element, or ``root mean square`` over the samples of the worst element.
        torch_error: the same of torch's own float32.
    """

    output: str
    inputs: str
    batch: int
    runtime: str
    measure: str
    error: float
    torch_error: float
    limit: float

    @property
    def of_limit(self) -> float:
        """The error as a part of what is allowed; NaN, on either side, counts as infinitely wrong."""
        ratio = self.error / self.limit
        return ratio if ratio == ratio else float("inf")

    def to_dict(self) -> dict[str, Any]:
        """All figures; None for what is infinite or NaN, which JSON does not know."""
        return {name: _finite(getattr(self, name)) for name in self.__slots__}

    def __str__(self) -> str:
        return (
            f"{self.error:.2g} from float64, limit {self.limit:.2g}, torch itself {self.torch_error:.2g} "
            f"(worst of all: {self.measure} error of {self.output}, {self.inputs}, batch {self.batch}, {self.runtime})"
        )


def make_cases(source: ExportSource) -> list[Case]:
    """Real and hostile inputs of every batch size, what torch gives for them, and how far from it a file may be."""
    reference, described = source.in_float64(), source.description
    missing = bool(described.get("columns")) and described.get("normalises", True)
    found: list[Case] = []
    for kind, inputs in hostile_and_real_inputs(source.test.inputs, missing):
        # float64 is slow, and so exact that the batch makes no difference to it
        exact = _run_exact(reference, inputs)
        own = [_run_torch(source.model, inputs[:size]) for size in BATCHES]
        limits = limits_of(reference, inputs, exact, own)
        found += [
            Case(kind, inputs[:size], [output[:size] for output in exact], given, limits)
            for size, given in zip(BATCHES, own, strict=True)
        ]
    return _capped(found)


def _capped(cases: list[Case]) -> list[Case]:
    """The cases, no limit of which is beyond the cap."""
    for output in range(len(cases[0].exact)):
        cap = max(SMALLEST, CAP * float(np.max([np.abs(case.exact[output]).max() for case in cases])))
        for case in cases:
            limit = case.limits[output]
            case.limits[output] = Scatter(min(limit.largest, cap), np.minimum(limit.rms, cap))
    return cases


def check_numerics(source: ExportSource, cases: list[Case], runtime: Runtime) -> Check:
    """The file, run as it is written, is as close to float64 as correct float32 programs are."""
    comparisons = compare_all(source, cases, [runtime])
    worst = max(comparisons, key=lambda comparison: comparison.of_limit)
    figures = {
        "comparisons": len(comparisons),
        "batches": list(BATCHES),
        "largest_error_over_torch": over_torch(comparisons),
        "runtime": str(runtime),
        "worst": worst.to_dict(),
    }
    return Check("numerics", worst.of_limit <= 1, f"{worst}; {len(comparisons)} comparisons", figures)


def check_providers(source: ExportSource, cases: list[Case], runtimes: Runtimes, wanted: Iterable[str] = ()) -> Check:
    """The same of every other way to run the file: each provider that really runs, with and without optimisation.

    Args:
        wanted: the providers that have to be tested; the others are where they run.
    """
    ran, faults = {}, []
    for runtime in runtimes.all[1:]:
        comparisons = compare_all(source, cases, [runtime])
        worst = max(comparisons, key=lambda comparison: comparison.of_limit)
        ran[str(runtime)] = {
            "of_limit": worst.of_limit,
            "largest_error_over_torch": over_torch(comparisons),
            "worst": worst.to_dict(),
        }
        if worst.of_limit > 1:
            faults.append(f"{runtime} computes something else than the file says: {worst}")
    for name in sorted(set(wanted) - {runtime.provider for runtime in runtimes.all}):
        faults.append(
            f"{name} was asked for, but {runtimes.usual.provider} is what ran "
            f"({runtimes.absent.get(name, 'no such provider')})"
        )
    parts = [f"{name} at {entry['of_limit']:.0%} of the limit" for name, entry in ran.items()]
    parts += [f"{name} not tested ({why})" for name, why in runtimes.absent.items()]
    figures = {"ran": ran, "not_tested": dict(runtimes.absent)}
    return Check("providers", not faults, "; ".join(faults or parts) or f"{runtimes.usual} is the only one", figures)


def over_torch(comparisons: Sequence[Comparison]) -> float:
    """The largest error as a multiple of torch's own largest, of the output where that is most; 0 where torch has none.

    Of the whole output, because on single inputs torch is at times exact by chance.
    """
    found = 0.0
    largest = [comparison for comparison in comparisons if comparison.measure == LARGEST]
    for output in {comparison.output for comparison in largest}:
        of_output = [comparison for comparison in largest if comparison.output == output]
        own = max(comparison.torch_error for comparison in of_output)
        found = max(found, max(comparison.error for comparison in of_output) / own if own else 0.0)
    return found


def compare_all(source: ExportSource, cases: list[Case], runtimes: Sequence[Runtime]) -> list[Comparison]:
    """Every output of every runtime for every case."""
    return [comparison for case in cases for comparison in compare(source, runtimes, case)]


def compare(source: ExportSource, runtimes: Sequence[Runtime], case: Case) -> Iterator[Comparison]:
    """Every output of every runtime for ``case`` against float64."""
    varied = case.varied
    for runtime in runtimes:
        # a file of another tool may stop at the first outputs, which its structure has told
        for output, (name, mine) in enumerate(zip(source.task.outputs, runtime.run(case.inputs), strict=False)):
            want, limit = case.exact[output], case.limits[output]
            about = (name, case.kind, len(case.inputs), str(runtime))
            if mine.shape != want.shape:
                yield Comparison(*about, LARGEST, float("inf"), 0.0, limit.largest)
                continue
            error, own = np.abs(mine - want), np.abs(case.own[output] - want)
            yield Comparison(*about, LARGEST, float(error.max()), float(own.max()), limit.largest)
            if varied:
                rms = root_mean_square(error)
                place = np.unravel_index(np.argmax(rms / limit.rms), rms.shape)
                yield Comparison(
                    *about, RMS, float(rms[place]), float(root_mean_square(own)[place]), float(limit.rms[place])
                )


def make_reference_vectors(source: ExportSource, cases: list[Case]) -> ReferenceVectors:
    """A few real samples, what float64 gives for them, and the limits that the file was judged by."""
    case = next(case for case in cases if case.kind == REAL and len(case.inputs) == REFERENCE_BATCH)
    outputs = {name: exact.astype(np.float32) for name, exact in zip(source.task.outputs, case.exact, strict=True)}
    # the outputs are rounded to float32 once more
    rounding = [float(np.abs(exact - exact.astype(np.float32)).max()) for exact in case.exact]
    limits = tuple(limit.largest + more for limit, more in zip(case.limits, rounding, strict=True))
    return ReferenceVectors(case.inputs.numpy(), outputs, limits)


def hostile_and_real_inputs(samples: Tensor, columns: bool = False) -> Iterator[tuple[str, Tensor]]:
    """The largest batch of each kind: real samples, and the extremes and noise that no test split holds.

    Args:
        columns: whether missing values (NaN) are part of what the model takes.
    """
    random = torch.Generator().manual_seed(0)
    real = samples[torch.randint(len(samples), (max(BATCHES),), generator=random)]
    yield REAL, real
    yield "all zero", torch.zeros_like(real)
    if real.dtype == torch.uint8:
        yield "all maximum", torch.full_like(real, 255)
        yield "noise", torch.randint(0, 256, real.shape, generator=random).to(torch.uint8)
        return
    low, high = _extremes(samples)
    if columns:
        yield "all missing", torch.full_like(real, float("nan"))
    yield "all minimum", low.expand_as(real).contiguous()
    yield "all maximum", high.expand_as(real).contiguous()
    yield "noise", low + (high - low) * torch.rand(real.shape, generator=random)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


@torch.inference_mode()
def _run_torch(model: nn.Module, inputs: Tensor) -> list[Array]:
    return [output.double().numpy() for output in model(inputs)]


def _run_exact(reference: nn.Module, inputs: Tensor) -> list[Array]:
    """The outputs in float64; where all samples are the same, one is computed."""
    if not bool((inputs == inputs[0]).all()):
        return _run_torch(reference, inputs)
    return [np.repeat(output, len(inputs), axis=0) for output in _run_torch(reference, inputs[:1])]


def _extremes(samples: Tensor) -> tuple[Tensor, Tensor]:
    """The lowest and the highest value of each column ``[N, F]``, missing ones (NaN) left out."""
    low = samples.nan_to_num(nan=float("inf")).amin(0)
    high = samples.nan_to_num(nan=float("-inf")).amax(0)
    return low.nan_to_num(posinf=0.0), high.nan_to_num(neginf=0.0)
