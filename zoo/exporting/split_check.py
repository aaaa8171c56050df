"""The last gate: every sample of the test split."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from ..models.runtime import Runtime
from ..models.scores import predict_logits
from .certificate import Check
from .scatter import limits_of
from .source import ExportSource

TEST_BATCH = 250
CLOSEST = 64
"""Samples that rounding is measured on: those that it matters most for."""
GATE = "test split"


def check_test_split(source: ExportSource, runtimes: list[Runtime]) -> Iterator[Check]:
    """Every test sample, and the metric that the run recorded; one verdict for each runtime."""
    own = torch_outputs(source)
    judge = _check_decisions if source.task.decides else _check_predictions
    for runtime in runtimes:
        yield judge(source, runtime, own)


def torch_outputs(source: ExportSource) -> Tensor:
    """What torch in float32 gives for the test split, the first output alone."""
    return predict_logits(_FirstOutput(source.model), source.test.inputs, TEST_BATCH)


def file_outputs(runtime: Runtime, inputs: Tensor) -> Tensor:
    """What the file gives for all ``inputs``, the first output alone."""
    return torch.from_numpy(np.concatenate([runtime.run(batch)[0] for batch in torch.split(inputs, TEST_BATCH)]))


def _check_decisions(source: ExportSource, runtime: Runtime, own: Tensor) -> Check:
    """The same decision as torch, but for ties."""
    task, test = source.task, source.test
    got = file_outputs(runtime, test.inputs)
    changed = torch.nonzero(task.decisions(got) != task.decisions(own)).flatten()
    margins: list[float] = []
    real_changes = 0
    if len(changed):
        reference = _FirstOutput(source.in_float64())
        margins = task.margins(predict_logits(reference, test.inputs[changed], TEST_BATCH)).tolist()
        widest = changed[torch.tensor(margins).argsort(descending=True)[:CLOSEST]]
        tie = _tie(reference, test.inputs[widest])
        real_changes = sum(margin > tie for margin in margins)

    metric = float(task.metric_of_each(got, test.targets).double().mean())
    recorded = (source.recorded or {}).get(task.metric)
    differs = recorded is not None and _differs_by_more_than_ties(source, own, abs(metric - recorded))
    where = _where(source)
    figures = {
        "samples": len(test),
        "runtime": str(runtime),
        task.metric: metric,
        "recorded": recorded,
        "changed": [{"sample": int(i), "margin": margin} for i, margin in zip(changed, margins, strict=True)],
    }
    if real_changes:
        summary = f"{real_changes} of {where} are decided differently than in torch"
    elif differs:
        summary = f"{task.metric} {metric:.6f} on {where}, but recorded was {recorded:.6f}. {_NOT_WHAT_WAS_MEASURED}"
    else:
        if recorded is None:
            held = "none was recorded"
        elif metric == recorded:
            held = "equal to the recorded"
        else:
            held = f"recorded {recorded:.4%}, apart by ties"
        summary = f"{task.metric} {metric:.4%} on {where}, {held}; {len(changed)} decisions changed"
    return Check(GATE, not (real_changes or differs), summary, figures)


def _tie(reference: nn.Module, inputs: Tensor) -> float:
    """The largest margin of a decision that two correct float32 programs may take differently: each may be off."""
    exact = predict_logits(reference, inputs, TEST_BATCH)
    return 2 * limits_of(_Tuple(reference), inputs, [exact.numpy()])[0].largest


def _differs_by_more_than_ties(source: ExportSource, own: Tensor, difference: float) -> bool:
    """Whether two values of the metric are further apart than ties allow: the run may have been evaluated on another
    device or processor, where a tie is decided differently."""
    # in samples, with room for the rounding of the two means: as fractions, one twelfth is not one less eleven twelfths
    samples = difference * len(source.test)
    if samples <= 1e-6:
        return False
    margins = source.task.margins(own)
    closest = margins.argsort()[:CLOSEST]
    tie = _tie(_FirstOutput(source.in_float64()), source.test.inputs[closest])
    return samples > int((margins <= tie).sum()) + 1e-6


def _check_predictions(source: ExportSource, runtime: Runtime, own: Tensor) -> Check:
    """Every prediction as close to float64 as correct float32 programs are."""
    task, test = source.task, source.test
    got = file_outputs(runtime, test.inputs).double()
    reference = _FirstOutput(source.in_float64())
    exact = predict_logits(reference, test.inputs, TEST_BATCH)
    error, torch_error = float((got - exact).abs().max()), float((own.double() - exact).abs().max())
    # rounding is measured where the file is furthest off: if it is at fault, it is so there
    furthest = (got - exact).abs().flatten(1).amax(1).argsort(descending=True)[:CLOSEST]
    few = [tensor[furthest].numpy() for tensor in (exact, own.double())]
    limit = limits_of(_Tuple(reference), test.inputs[furthest], few[:1], [few[1:]])[0].largest
    metric = float(task.metric_of_each(got, test.targets.double()).mean())
    recorded = (source.recorded or {}).get(task.metric)
    # a mean of absolute errors moves by no more than its terms do; the run's own was taken in float32, batch by batch
    differs = recorded is not None and not abs(metric - recorded) <= 2 * limit
    where = _where(source)
    figures = {
        "samples": len(test),
        "runtime": str(runtime),
        task.metric: metric,
        "recorded": recorded,
        "largest_error": error,
        "torch_error": torch_error,
        "limit": limit,
    }
    if not error <= limit:
        summary = f"a prediction is {error:.2g} from float64 on {where}; {limit:.2g} is allowed"
    elif differs:
        summary = f"{task.metric} {metric:.6g} on {where}, but recorded was {recorded:.6g}. {_NOT_WHAT_WAS_MEASURED}"
    else:
        held = "none was recorded" if recorded is None else f"recorded {recorded:.6g}"
        summary = (
            f"{task.metric} {metric:.6g} on {where}, {held}; every prediction within {error:.2g} of "
            f"float64, limit {limit:.2g}"
        )
    return Check(GATE, error <= limit and not differs, summary, figures)


_NOT_WHAT_WAS_MEASURED = (
    "The file does what torch does, so what was recorded is not of this checkpoint or not of this data; train again"
)


def _where(source: ExportSource) -> str:
    return f"{len(source.test):,} test samples of {source.evaluated_on}"


class _Tuple(nn.Module):
    """The one output as a tuple."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor) -> tuple[Tensor]:
        return (self.model(inputs),)


class _FirstOutput(nn.Module):
    """The logits alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.model(inputs)[0]
        return logits
