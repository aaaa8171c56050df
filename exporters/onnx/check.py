"""The gates that an ONNX file has to pass before it is put in place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zoo import Check, ExportSubject

from .constants import CAP, EPSILON, ROUNDINGS, TIMES_TORCH
from .split_gate import check_test_split
from .structure import check_structure
from .write import INPUT_NAME

BATCHES = (1, 2, 3, 7, 64)
Array = NDArray[Any]


def check(subject: ExportSubject, path: Path, opset: int) -> Iterator[Check]:
    """Structure, numerics on every provider that runs, and the whole test split."""
    onnxruntime.set_default_logger_severity(4)
    model = onnx.load(path)
    yield check_structure(subject, model, opset)
    try:
        sessions = open_sessions(path)
        yield check_numerics(subject, sessions)
        yield check_test_split(subject, sessions[-1])
    except SessionFailed as error:
        yield Check("numerics", False, str(error))


class SessionFailed(Exception):
    """onnxruntime cannot load or run the file."""


@dataclass(frozen=True, slots=True)
class Session:
    """An onnxruntime session and what it really runs on."""

    provider: str
    optimised: bool
    session: onnxruntime.InferenceSession

    def run(self, inputs: Tensor) -> list[Array]:
        """All outputs for raw ``inputs``."""
        try:
            outputs: list[Array] = self.session.run(None, {INPUT_NAME: inputs.numpy()})
        except Exception as error:  # onnxruntime's exceptions have no base of their own
            cause = " ".join(str(error).split())
            raise SessionFailed(f"onnxruntime cannot run it at batch {len(inputs)} ({self}): {cause[:300]}") from error
        return outputs

    def __str__(self) -> str:
        return f"{self.provider.removesuffix('ExecutionProvider')} {'optimised' if self.optimised else 'unoptimised'}"


def open_sessions(path: Path) -> list[Session]:
    """A session for each execution provider that really runs, without and with graph optimisation; CPU comes last."""
    sessions = []
    wanted: list[tuple[str, dict[str, str]]] = [("CPUExecutionProvider", {})]
    if torch.cuda.is_available():
        # torch has loaded most of what the provider needs; this finds the rest where pip put it
        onnxruntime.preload_dlls()
        # TF32 rounds inputs to ten bits: fine to run with, not to be judged with
        wanted.insert(0, ("CUDAExecutionProvider", {"use_tf32": "0"}))
    for provider, options in wanted:
        for optimised in (False, True):
            settings = onnxruntime.SessionOptions()
            levels = onnxruntime.GraphOptimizationLevel
            settings.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
            try:
                session = onnxruntime.InferenceSession(path, settings, providers=[(provider, options)])
            except Exception as error:  # see Session.run
                raise SessionFailed(f"onnxruntime cannot load it: {' '.join(str(error).split())[:300]}") from error
            if session.get_providers()[0] == provider:  # asked for is not given: it falls back without a word
                sessions.append(Session(provider, optimised, session))
    return sessions


def check_numerics(subject: ExportSubject, sessions: list[Session]) -> Check:
    """onnxruntime is as close to a float64 run of the same weights as torch itself, on real and hostile inputs."""
    reference = subject.in_float64()
    cases = [
        Case(kind, inputs, _run_torch(reference, inputs), _run_torch(subject.model, inputs))
        for kind, inputs in hostile_and_real_inputs(subject.test.inputs, bool(subject.description["columns"]))
    ]
    comparisons = [comparison for case in cases for comparison in compare(subject, sessions, case, cases)]
    worst = max(comparisons, key=lambda comparison: comparison.of_limit)
    ran = sorted({comparison.session for comparison in comparisons})
    figures = {
        "cases": len(comparisons),
        "ran": ran,
        "cuda": "tested" if any(name.startswith("CUDA") for name in ran) else f"not tested: {_why_no_cuda()}",
        "batches": list(BATCHES),
        "largest_error_over_torch": max(comparison.over_torch for comparison in comparisons),
        "worst": worst.to_dict(),
    }
    return Check("numerics", worst.of_limit <= 1, f"{worst}; {len(comparisons)} cases on {', '.join(ran)}", figures)


def _why_no_cuda() -> str:
    return "onnxruntime's CUDA provider did not run" if torch.cuda.is_available() else "no CUDA device"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One output of one session for one input, held against float64."""

    output: str
    inputs: str
    batch: int
    session: str
    error: float
    torch_error: float
    limit: float

    @property
    def of_limit(self) -> float:
        """The error as a part of what is allowed; NaN, on either side, counts as infinitely wrong."""
        ratio = self.error / self.limit
        return ratio if ratio == ratio else float("inf")

    @property
    def over_torch(self) -> float:
        """The error as a multiple of torch's own; 0 where both are exact."""
        return self.error / self.torch_error if self.torch_error else 0.0

    def to_dict(self) -> dict[str, Any]:
        """All figures."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __str__(self) -> str:
        return (
            f"{self.error:.2g} from float64, limit {self.limit:.2g}, torch itself {self.torch_error:.2g} "
            f"(worst of all: {self.output}, {self.inputs}, batch {self.batch}, {self.session})"
        )


@dataclass(frozen=True, slots=True)
class Case:
    """A batch of one kind of input, and what torch gives for it: every output in float64, and by float32."""

    kind: str
    inputs: Tensor
    exact: list[Array]
    own: list[Array]

    def torch_error(self, output: int) -> float:
        """The largest error of torch's own float32."""
        return float(np.abs(self.own[output] - self.exact[output]).max())

    def scale(self, output: int) -> float:
        """The largest value."""
        return float(np.abs(self.exact[output]).max())

    def relative_error(self, output: int) -> float:
        """Torch's error as a part of the scale."""
        return self.torch_error(output) / (self.scale(output) or 1.0)


def compare(subject: ExportSubject, sessions: list[Session], case: Case, cases: list[Case]) -> Iterator[Comparison]:
    """Every output of every session for ``case`` against float64.

    How far torch itself is from float64 depends on the algorithms that it chooses for a batch of that size; so its
    error is taken, relative to the scale, as the largest over all batches of that kind.
    """
    limits = []
    inherited = EPSILON**2  # never zero, so that an error can be held against it
    for output in range(len(case.exact)):
        errors = [other.relative_error(output) for other in cases if other.kind == case.kind]
        scale = case.scale(output)
        allowed = min(np.max(errors) * TIMES_TORCH * scale, CAP * scale)
        # The later outputs are computed from the first by functions that stretch no distance (softmax at most halves
        # it), so an error that is allowed there is allowed here.
        inherited = float(np.maximum(np.maximum(allowed, ROUNDINGS * EPSILON * scale), inherited))
        limits.append(inherited)
    for session in sessions:
        got = session.run(case.inputs)
        for output, (name, want, mine) in enumerate(zip(subject.task.outputs, case.exact, got, strict=True)):
            error = float(np.abs(mine - want).max()) if mine.shape == want.shape else float("inf")
            torch_error = case.torch_error(output)
            yield Comparison(name, case.kind, len(case.inputs), str(session), error, torch_error, limits[output])


def hostile_and_real_inputs(samples: Tensor, columns: bool = False) -> Iterator[tuple[str, Tensor]]:
    """Batches of several sizes: real samples, and the extremes and noise that no test split holds.

    Args:
        columns: whether missing values (NaN) are part of what the model takes.
    """
    random = torch.Generator().manual_seed(0)
    for size in BATCHES:
        real = samples[torch.randint(len(samples), (size,), generator=random)]
        yield "real samples", real
        if real.dtype == torch.uint8:
            yield "all zero", torch.zeros_like(real)
            yield "all maximum", torch.full_like(real, 255)
            yield "noise", torch.randint(0, 256, real.shape, generator=random).to(torch.uint8)
        else:
            low, high = _extremes(samples)
            if columns:
                yield "all missing", torch.full_like(real, float("nan"))
            yield "all minimum", low.expand_as(real).contiguous()
            yield "all maximum", high.expand_as(real).contiguous()
            yield "noise", low + (high - low) * torch.rand(real.shape, generator=random)


@torch.inference_mode()
def _run_torch(model: nn.Module, inputs: Tensor) -> list[Array]:
    return [output.double().numpy() for output in model(inputs)]


def _extremes(samples: Tensor) -> tuple[Tensor, Tensor]:
    """The lowest and the highest value of each column ``[N, F]``, missing ones (NaN) left out."""
    low = samples.nan_to_num(nan=float("inf")).amin(0)
    high = samples.nan_to_num(nan=float("-inf")).amax(0)
    return low.nan_to_num(posinf=0.0), high.nan_to_num(neginf=0.0)
