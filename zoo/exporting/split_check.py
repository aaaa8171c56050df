"""The test-split gate: predictions for every test sample, and the metric that the run recorded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from ..formatting import counted, metric_figure
from ..models.runtime import Runtime
from ..models.scores import predict_logits
from .certificate import Check
from .limits import error_limits
from .source import ExportSource

GATE = "test split"
TEST_BATCH = 250
CLOSEST = 64
"""Samples for which the rounding error is measured: those with the highest risk of a wrong prediction."""


def check_test_split(source: ExportSource, runtimes: list[Runtime]) -> Iterator[Check]:
    """Compare the predictions for every test sample with torch's, and the metric with the recorded one.

    Yields:
        One check for each runtime.
    """
    in_torch = torch_outputs(source)
    check = _check_classes if source.task.decides else _check_numbers
    for runtime in runtimes:
        yield check(source, runtime, in_torch)


def torch_outputs(source: ExportSource) -> Tensor:
    """The first output of torch in float32 for the test split, ``[N, …]``."""
    return predict_logits(_FirstOutput(source.model), source.test.inputs, TEST_BATCH)


def file_outputs(runtime: Runtime, inputs: Tensor) -> Tensor:
    """The first output of the file for all ``inputs``, ``[N, …]``."""
    return torch.from_numpy(np.concatenate([runtime.run(batch)[0] for batch in torch.split(inputs, TEST_BATCH)]))


def _check_classes(source: ExportSource, runtime: Runtime, in_torch: Tensor) -> Check:
    """Every predicted class, or other discrete prediction, is the same as in torch, except for ties."""
    task, test = source.task, source.test
    got = file_outputs(runtime, test.inputs)
    different = task.decisions(got) != task.decisions(in_torch)
    changed = torch.nonzero(different.flatten(1).any(1) if different.ndim > 1 else different).flatten()
    margins: list[float] = []
    wrong = 0
    if len(changed):
        reference = _FirstOutput(source.in_float64())
        every = task.margins(predict_logits(reference, test.inputs[changed], TEST_BATCH))
        # of several decisions for a sample, the changed one with the widest margin counts
        margins = every.where(different[changed], 0.0).reshape(len(changed), -1).amax(1).tolist()
        widest = changed[torch.tensor(margins).argsort(descending=True)[:CLOSEST]]
        tie = _tie(reference, test.inputs[widest])
        wrong = sum(margin > tie for margin in margins)

    metric = float(task.metric_of_each(got, test.targets).double().mean())
    recorded = (source.recorded or {}).get(task.metric)
    differs = recorded is not None and differs_by_more_than_ties(source, in_torch, abs(metric - recorded))
    figures = {
        "samples": len(test),
        "runtime": str(runtime),
        task.metric: metric,
        "recorded": recorded,
        "changed": [{"sample": int(i), "margin": margin} for i, margin in zip(changed, margins, strict=True)],
    }
    samples = _samples(source)
    if wrong:
        summary = f"predictions for {wrong} of {samples} differ from torch"
    elif differs:
        summary = f"{task.metric} {metric:.6f} on {samples}, but the run recorded {recorded:.6f}. {_WRONG_RECORD}"
    else:
        if recorded is None:
            comparison = "no recorded value"
        elif metric == recorded:
            comparison = "equal to the recorded value"
        else:
            comparison = f"recorded {metric_figure(task.metric, recorded)}, the difference is due to ties"
        figure = metric_figure(task.metric, metric)
        summary = f"{task.metric} {figure} on {samples}, {comparison}; {len(changed)} predictions differ from torch"
    return Check(GATE, not (wrong or differs), summary, figures)


def _tie(reference: nn.Module, inputs: Tensor) -> float:
    """The largest margin at which two correct float32 programs may predict different classes: twice the error limit."""
    exact = predict_logits(reference, inputs, TEST_BATCH)
    return 2 * error_limits(_Tuple(reference), inputs, [exact.numpy()])[0].largest


def differs_by_more_than_ties(source: ExportSource, in_torch: Tensor, difference: float) -> bool:
    """Whether two values of the metric differ by more than ties allow.

    The run may have been evaluated on another device or processor, which may predict another class at a tie.
    """
    # counted in samples and with a margin, because the two means are rounded: 1/12 is not exactly 1 - 11/12
    samples = difference * len(source.test)
    if samples <= 1e-6:
        return False
    every = source.task.margins(in_torch)
    margins = every.reshape(len(every), -1).amin(1)  # of several decisions for a sample, the closest one
    closest = margins.argsort()[:CLOSEST]
    tie = _tie(_FirstOutput(source.in_float64()), source.test.inputs[closest])
    return samples > int((margins <= tie).sum()) + 1e-6


def _check_numbers(source: ExportSource, runtime: Runtime, in_torch: Tensor) -> Check:
    """Every prediction of a regression is as close to float64 as correct float32 programs are."""
    task, test = source.task, source.test
    got = file_outputs(runtime, test.inputs).double()
    reference = _FirstOutput(source.in_float64())
    exact = predict_logits(reference, test.inputs, TEST_BATCH)
    error, torch_error = float((got - exact).abs().max()), float((in_torch.double() - exact).abs().max())
    # the limit is measured where the file's error is largest, because a wrong file is wrong there
    furthest = (got - exact).abs().flatten(1).amax(1).argsort(descending=True)[:CLOSEST]
    few = [tensor[furthest].numpy() for tensor in (exact, in_torch.double())]
    limit = error_limits(_Tuple(reference), test.inputs[furthest], few[:1], [few[1:]])[0].largest
    metric = float(task.metric_of_each(got, test.targets.double()).mean())
    recorded = (source.recorded or {}).get(task.metric)
    # a mean absolute error changes by no more than the predictions do; the recorded one was computed in float32
    differs = recorded is not None and not abs(metric - recorded) <= 2 * limit
    figures = {
        "samples": len(test),
        "runtime": str(runtime),
        task.metric: metric,
        "recorded": recorded,
        "largest_error": error,
        "torch_error": torch_error,
        "limit": limit,
    }
    samples = _samples(source)
    if not error <= limit:
        summary = f"a prediction is {error:.2g} from float64 on {samples}, limit {limit:.2g}"
    elif differs:
        summary = f"{task.metric} {metric:.6g} on {samples}, but the run recorded {recorded:.6g}. {_WRONG_RECORD}"
    else:
        comparison = "no recorded value" if recorded is None else f"recorded {recorded:.6g}"
        summary = (
            f"{task.metric} {metric:.6g} on {samples}, {comparison}; every prediction within {error:.2g} of "
            f"float64, limit {limit:.2g}"
        )
    return Check(GATE, error <= limit and not differs, summary, figures)


_WRONG_RECORD = (
    "The file agrees with torch, so the recorded value is not of this checkpoint or not of this data; train again"
)


def _samples(source: ExportSource) -> str:
    return f"{counted(len(source.test), 'test sample')} of {source.evaluated_on}"


class _Tuple(nn.Module):
    """A model whose one output is given as a tuple."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor) -> tuple[Tensor]:
        return (self.model(inputs),)


class _FirstOutput(nn.Module):
    """A model that gives its first output only."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.model(inputs)[0]
        return logits
