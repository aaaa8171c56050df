"""The gates of numbers: every output of every runtime, compared with a float64 run of the same weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..models.runtime import Runtime, Runtimes
from .certificate import Check
from .limits import SMALLEST, ErrorSize, error_limits, root_mean_square
from .reference_vectors import ReferenceVectors
from .source import ExportSource

Array = NDArray[Any]

CAP = 1e-2
"""No limit is more than this part of the largest output: if rounding decides the outputs, nothing can be verified."""

BATCHES = (1, 2, 3, 7, 64)
REAL = "real samples"
REFERENCE_BATCH = 3
DISTINCT = 32
"""With fewer different samples, the mean of their errors is not compared."""
LARGEST, RMS = "largest", "root mean square"


@dataclass(frozen=True, slots=True)
class Case:
    """A batch of one kind of input, with torch's outputs for it.

    Args:
        kind: of input.
        inputs: ``[N, …]``.
        exact: every output in float64, ``[N, …]`` each.
        float32: every output in torch's float32, likewise.
        limits: how far from ``exact`` each output may be.
    """

    kind: str
    inputs: Tensor
    exact: list[Array]
    float32: list[Array]
    limits: list[ErrorSize]

    @property
    def varied(self) -> bool:
        """Whether there are enough different samples for the mean of their errors to be compared."""
        return len({row.tobytes() for row in self.inputs.numpy()}) >= DISTINCT


@dataclass(frozen=True, slots=True)
class Comparison:
    """One output of one runtime for one case, compared with float64.

    Args:
        output: its name.
        inputs: the kind of input.
        batch: the number of samples.
        runtime: as ``PROVIDER MODE``.
        measure: ``largest`` error of any element, or ``root mean square`` over the samples of the worst element.
        error: by that measure, in the output's units.
        torch_error: the same of torch's float32.
        limit: the largest error allowed.
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
        """The error as a part of the limit; infinite if either is NaN."""
        ratio = self.error / self.limit
        return ratio if ratio == ratio else float("inf")

    def to_dict(self) -> dict[str, Any]:
        """All figures; None for NaN and infinity, which JSON lacks."""
        return {name: _finite(getattr(self, name)) for name in self.__slots__}

    def __str__(self) -> str:
        return (
            f"{self.error:.2g} from float64, limit {self.limit:.2g}, torch's own error {self.torch_error:.2g} "
            f"({self.measure} error of {self.output}, {self.inputs}, batch size {self.batch}, {self.runtime})"
        )


class ExactRuns:
    """The float64 runs that several gates use. Float64 is slow, so each is made once, when it is first needed.

    Args:
        source: the model and the test data.
    """

    def __init__(self, source: ExportSource) -> None:
        self.source = source
        self._outputs: dict[int, list[Array]] = {}

    @cached_property
    def reference(self) -> nn.Module:
        """The model in float64."""
        return self.source.in_float64()

    @cached_property
    def inputs(self) -> list[tuple[str, Tensor]]:
        """The largest batch of each kind of inputs, real samples first."""
        return list(real_and_extreme_inputs(self.source))

    def outputs(self, place: int) -> list[Array]:
        """The outputs in float64 for the inputs in that place, ``[N, …]`` each."""
        if place not in self._outputs:
            self._outputs[place] = run_exact(self.reference, self.inputs[place][1])
        return self._outputs[place]


def make_cases(source: ExportSource, exact_runs: ExactRuns | None = None) -> list[Case]:
    """Real and extreme inputs of every batch size, with torch's outputs for them and the limits for a file's.

    Args:
        exact_runs: of ``source``, if other gates have made some.
    """
    runs = exact_runs or ExactRuns(source)
    reference, found = runs.reference, list[Case]()
    for place, (kind, inputs) in enumerate(runs.inputs):
        # float64 is precise enough that its result does not depend on the batch size
        exact = runs.outputs(place)
        float32 = [run_torch(source.model, inputs[:size]) for size in BATCHES]
        limits = error_limits(reference, inputs, exact, float32)
        found += [
            Case(kind, inputs[:size], [output[:size] for output in exact], outputs, limits)
            for size, outputs in zip(BATCHES, float32, strict=True)
        ]
    return capped(found)


def real_and_extreme_inputs(source: ExportSource) -> Iterator[tuple[str, Tensor]]:
    """The largest batch of each kind of inputs: real samples, then extremes and noise that no test split holds."""
    samples, random = source.test.inputs, torch.Generator().manual_seed(0)
    real = samples[torch.randint(len(samples), (max(BATCHES),), generator=random)]
    yield REAL, real
    yield from source.extremes(real, random)


def run_exact(reference: nn.Module, inputs: Tensor) -> list[Array]:
    """The outputs in float64. If all samples are the same, only one is computed."""
    if not bool((inputs == inputs[0]).all()):
        return run_torch(reference, inputs)
    return [np.repeat(output, len(inputs), axis=0) for output in run_torch(reference, inputs[:1])]


@torch.inference_mode()
def run_torch(model: nn.Module, inputs: Tensor) -> list[Array]:
    """All outputs of ``model`` for ``inputs``, as float64 arrays ``[N, …]``."""
    return [output.double().numpy() for output in model(inputs)]


def capped(cases: list[Case]) -> list[Case]:
    """The cases, with no limit above :data:`CAP`."""
    for output in range(len(cases[0].exact)):
        cap = max(SMALLEST, CAP * float(np.max([np.abs(case.exact[output]).max() for case in cases])))
        for case in cases:
            limit = case.limits[output]
            case.limits[output] = ErrorSize(min(limit.largest, cap), np.minimum(limit.rms, cap))
    return cases


def make_reference_vectors(source: ExportSource, cases: list[Case]) -> ReferenceVectors:
    """A few real samples with their float64 outputs and the limits that the file was checked with."""
    case = next(case for case in cases if case.kind == REAL and len(case.inputs) == REFERENCE_BATCH)
    outputs = {name: exact.astype(np.float32) for name, exact in zip(source.task.outputs, case.exact, strict=True)}
    # the outputs are rounded to float32 once more
    rounding = [float(np.abs(exact - exact.astype(np.float32)).max()) for exact in case.exact]
    limits = tuple(limit.largest + more for limit, more in zip(case.limits, rounding, strict=True))
    return ReferenceVectors(case.inputs.numpy(), outputs, limits)


def check_numerics(source: ExportSource, cases: list[Case], runtime: Runtime) -> Check:
    """The file, run as written, is as close to float64 as correct float32 programs are."""
    comparisons = compare_all(source, cases, [runtime])
    worst = max(comparisons, key=lambda comparison: comparison.of_limit)
    figures = {
        "comparisons": len(comparisons),
        "batches": batch_sizes(cases),
        "largest_error_over_torch": over_torch(comparisons),
        "runtime": str(runtime),
        "worst": worst.to_dict(),
    }
    return Check("numerics", worst.of_limit <= 1, f"{worst}; worst of {len(comparisons)} comparisons", figures)


def check_providers(source: ExportSource, cases: list[Case], runtimes: Runtimes, wanted: Iterable[str] = ()) -> Check:
    """The same for every other way to run the file: each provider that runs here, with and without optimisation.

    Args:
        wanted: the providers that must be tested.
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
            faults.append(f"outputs of {runtime} are wrong: {worst}")
    for name in sorted(set(wanted) - {runtime.provider for runtime in runtimes.all}):
        faults.append(f"{name} was requested but does not run here ({runtimes.absent.get(name, 'no such provider')})")
    parts = [f"{name} at {entry['of_limit']:.0%} of the limit" for name, entry in ran.items()]
    parts += [f"{name} not tested ({why})" for name, why in runtimes.absent.items()]
    figures = {"ran": ran, "not_tested": dict(runtimes.absent)}
    return Check(
        "providers", not faults, "; ".join(faults or parts) or f"{runtimes.usual} is the only runtime", figures
    )


def batch_sizes(cases: Iterable[Case]) -> list[int]:
    """The different batch sizes of the cases."""
    return sorted({len(case.inputs) for case in cases})


def compare_all(source: ExportSource, cases: list[Case], runtimes: Sequence[Runtime]) -> list[Comparison]:
    """Every output of every runtime for every case."""
    return [comparison for case in cases for comparison in compare(source, runtimes, case)]


def compare(source: ExportSource, runtimes: Sequence[Runtime], case: Case) -> Iterator[Comparison]:
    """Compare every output of every runtime for ``case`` with float64."""
    varied = case.varied
    for runtime in runtimes:
        # a file of another tool may have fewer outputs; the structure check has reported that
        for output, (name, got) in enumerate(zip(source.task.outputs, runtime.run(case.inputs), strict=False)):
            want, limit = case.exact[output], case.limits[output]
            about = (name, case.kind, len(case.inputs), str(runtime))
            if got.shape != want.shape:
                yield Comparison(*about, LARGEST, float("inf"), 0.0, limit.largest)
                continue
            error, torch_error = np.abs(got - want), np.abs(case.float32[output] - want)
            yield Comparison(*about, LARGEST, float(error.max()), float(torch_error.max()), limit.largest)
            if varied:
                rms, torch_rms = root_mean_square(error), root_mean_square(torch_error)
                place = np.unravel_index(np.argmax(rms / limit.rms), rms.shape)
                yield Comparison(*about, RMS, float(rms[place]), float(torch_rms[place]), float(limit.rms[place]))


def over_torch(comparisons: Sequence[Comparison]) -> float:
    """The largest error as a multiple of torch's largest, for the output with the highest ratio; 0 if torch has none.

    Errors are compared over a whole output, because for a single input torch may be exact by chance.
    """
    found = 0.0
    largest = [comparison for comparison in comparisons if comparison.measure == LARGEST]
    for output in {comparison.output for comparison in largest}:
        of_output = [comparison for comparison in largest if comparison.output == output]
        torch_error = max(comparison.torch_error for comparison in of_output)
        found = max(found, max(comparison.error for comparison in of_output) / torch_error if torch_error else 0.0)
    return found


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
