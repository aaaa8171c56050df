"""The gates of the model, before a file is written: it runs, repeats itself, and computes each sample alone."""

from __future__ import annotations

import contextlib
import copy
import random
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from .certificate import Check
from .limits import error_limits
from .numerics import BATCHES, ExactRuns, run_torch
from .source import ExportSource
from .tracing import (
    Observation,
    depth,
    first_line,
    generator_states,
    is_of_the_network,
    own_name,
    place_now,
    place_of_error,
)

MODEL_SAMPLES = 16
"""Test samples that the gates of the model run on."""
SIZES = (3, 2, 1)
"""Other batch sizes that the model must accept."""
CLOCK_SECONDS = 0.05
"""If the network reads a clock, the time between two runs, so that float64 shows a difference."""
FLOAT64_NOISE = 2.0**-40
"""As a part of the largest output: rounding in float64 stays below it, and it is far below one unit of float32."""
PART_OF_LIMIT = 2.0**-10
"""The part of the error limit by which an output may differ in float64 if the batch is another one; rounding in float64
is 2**-29 of rounding in float32."""
State = dict[str, Any]


def check_determinism(source: ExportSource, exact_runs: ExactRuns | None = None) -> Check:
    """The model runs, its outputs are finite, and equal in two runs. If not, no file can be compared with it.

    Args:
        exact_runs: of ``source``; later gates use them again.
    """
    runs = exact_runs or ExactRuns(source)
    problem = _cannot_run(source) or _unrepeatable(source, runs) or _not_finite(runs)
    if problem:
        return Check("determinism", False, f"{source.name} {problem}")
    return Check("determinism", True, f"two runs with different seeds give equal outputs ({MODEL_SAMPLES} samples)")


def _cannot_run(source: ExportSource) -> str:
    """Why the model does not run for some batch size; empty if it does."""
    model = copy.deepcopy(source.model)
    for size in (MODEL_SAMPLES, *SIZES):
        try:
            outputs = _run_seeded(model, source.samples(size), 1)
        except Exception as error:
            wrong = _wrong_output(source)
            if wrong:
                return wrong
            cause, place = first_line(error).partition(": ")[2], place_of_error(error)
            return f"cannot run a batch of {size} test {'sample' if size == 1 else 'samples'}: {cause}{place}"
        if any(len(output) != size for output in outputs):
            return f"gives outputs for {len(outputs[0])} samples for a batch of {size}{_forward_of(source)}"
        if not outputs[0].is_floating_point():
            return f"{_of_type(outputs[0])}{_forward_of(source)}: return float logits"
    return ""


def _wrong_output(source: ExportSource) -> str:
    """What is wrong with the value that the network returns; empty if it is a float tensor, or there is none."""
    inputs, network = source.samples(MODEL_SAMPLES), next(iter(source.model.children()), source.model)
    try:
        with torch.no_grad():
            output = copy.deepcopy(network)(inputs)
    except Exception:  # the caller reports the error
        return ""
    if not isinstance(output, Tensor):
        return f"returns a {type(output).__name__}{_forward_of(source)}: return the logits alone, one tensor"
    return "" if output.is_floating_point() else f"{_of_type(output)}{_forward_of(source)}: return float logits"


def _of_type(output: Tensor) -> str:
    return f"gives outputs of the type {str(output.dtype).removeprefix('torch.')}"


def _forward_of(source: ExportSource) -> str:
    """The first line of the network's ``forward``, as a place."""
    for module in source.model.modules():
        code = type(module).forward.__code__ if hasattr(type(module).forward, "__code__") else None
        if code is not None and is_of_the_network(code.co_filename):
            return f" at {code.co_filename}:{code.co_firstlineno} (`{type(module).__name__}.forward`)"
    return ""


def _unrepeatable(source: ExportSource, runs: ExactRuns) -> str:
    """What makes outputs depend on more than the input, or changes the input; empty if nothing does."""
    model, inputs = copy.deepcopy(source.model), source.samples(MODEL_SAMPLES)
    generators = generator_states(model)
    with torch.no_grad(), Observation(model, inputs) as seen:
        model(inputs)
    # a rare effect of these numbers, a branch for example, would not show in the outputs of a few runs
    drawn = [name for name, state in generator_states(model).items() if state != generators.get(name)]
    if seen.random or drawn:
        calls = [f"it calls {function}{place}" for function, place in seen.calls.items() if "random" in function]
        what = [*seen.random, *calls, *(f"{name}{_forward_of(source)}" for name in drawn)][0]
        return f"draws random numbers in evaluation mode: {what}. Do so only if self.training is true"
    if seen.autocast:
        return (
            f"uses torch.autocast in forward{seen.autocast[0]}: its precision depends on the device, so no file "
            "computes the same. Leave autocast to the training, or cast with .half() and .float()"
        )
    if "" in seen.writes:
        return f"changes its input in place{seen.writes['']}. Use an operation that gives a new tensor"
    for module, wait in ((model, 0.0), (runs.reference, CLOCK_SECONDS if seen.calls else 0.0)):
        first = _run_seeded(module, inputs, 1)
        time.sleep(wait)
        second = _run_seeded(module, inputs, 2)
        if not all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(first, second, strict=True)):
            # copied only now, because the state of a large network takes long to copy
            before = _state(module)
            _run_seeded(module, inputs, 3)
            return "gives different outputs for the same input in evaluation mode: " + _culprit(
                source, seen, before, _state(module)
            )
    return ""


def _culprit(source: ExportSource, seen: Observation, before: State, after: State) -> str:
    """Why two runs differ: a state that changes, a clock, or random numbers."""
    for name in (name.removeprefix("model.") for name in before if not _same(before[name], after.get(name))):
        place = seen.writes.get(name) or _forward_of(source)
        return (
            f"its {own_name(name)} changes in forward{place}, and a file keeps no state between calls. Change it only "
            "if self.training is true"
        )
    for function, place in seen.calls.items():
        return f"it calls {function}{place}. Do so only if self.training is true"
    return (
        f"something in it{_forward_of(source)} draws random numbers (random depth, say) or counts its calls. "
        "Make it depend on self.training"
    )


def _state(module: nn.Module) -> State:
    """Everything that a module may keep between two calls, by name: tensors, numbers, texts, lists, dictionaries."""
    kept = (Tensor, bool, int, float, str, list, dict, type(None))
    found: State = dict(module.state_dict())
    for prefix, part in module.named_modules():
        own = {**{name: value for name, value in vars(type(part)).items() if isinstance(value, list)}, **vars(part)}
        found |= {f"{prefix}.{name}".lstrip("."): value for name, value in own.items() if name[0] != "_"}
    found = {name: value for name, value in found.items() if isinstance(value, kept)}
    with contextlib.suppress(Exception):  # a list may hold anything
        found = copy.deepcopy(found)
    return found


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one, other)
    try:
        return bool(one == other)
    except Exception:  # an array, or a list with one; it has no single answer
        return True


def _not_finite(runs: ExactRuns) -> str:
    """For which kind of input the network gives NaN or infinity, and where it comes from; empty for none."""
    for place, (kind, inputs) in enumerate(runs.inputs):
        few = inputs[: 1 if kind.startswith("all ") else MODEL_SAMPLES]
        if all(np.isfinite(output[: len(few)]).all() for output in runs.outputs(place)):
            continue
        with torch.no_grad(), _Results(len(few)) as seen:
            runs.reference(few)
        return (
            f"gives NaN or infinity for inputs of the kind {kind!r}{seen.not_finite}. Add a small number to divisors, "
            "or clamp the value"
        )
    return ""


def check_independence(source: ExportSource, exact_runs: ExactRuns | None = None) -> Check:
    """Predictions do not depend on the rest of the batch, in float64: alone, in other batches, beside other samples.

    Args:
        exact_runs: of ``source``, if other gates have made some.
    """
    runs = exact_runs or ExactRuns(source)
    (_, inputs), reference = runs.inputs[0], runs.reference
    with torch.no_grad():
        # if all samples are the same, the exact run was of one only
        exact = runs.outputs(0) if bool((inputs != inputs[0]).any()) else run_torch(reference, inputs)
        whole = [torch.from_numpy(output) for output in exact]
        scale = [FLOAT64_NOISE * float(output.abs().max()) for output in whole]
        allowed: list[float] | None = None
        for size, batch in _other_batches(runs.inputs):
            outputs = reference(batch)
            apart = [float((a[:size] - b[:size]).abs().max()) for a, b in zip(whole, outputs, strict=True)]
            if all(one <= noise for one, noise in zip(apart, scale, strict=True)):
                continue
            # rounding in float64 may be larger if large terms cancel out
            limits = error_limits(reference, inputs, exact)
            allowed = allowed or [PART_OF_LIMIT * limit.largest for limit in limits]
            if not all(one <= limit for one, limit in zip(apart, allowed, strict=True)):
                return Check("independence", False, _dependence(source, reference, inputs, batch, max(apart)))
    return Check("independence", True, f"predictions do not depend on batch size ({len(inputs)} samples, in float64)")


def _other_batches(kinds: list[tuple[str, Tensor]]) -> Iterator[tuple[int, Tensor]]:
    """Batches that begin with samples of the first kind of inputs: how many, and the batch."""
    inputs = kinds[0][1]
    for size in BATCHES[:-1]:
        yield size, inputs[:size]
    half = MODEL_SAMPLES // 2
    yield half, inputs[:MODEL_SAMPLES]
    # beside samples that are extreme, and as many as in no other batch
    others = [kind[:1] for name, kind in kinds if name != "all missing"]
    yield half, torch.cat([inputs[:half], *others, *others])


def _dependence(source: ExportSource, reference: nn.Module, inputs: Tensor, batch: Tensor, apart: float) -> str:
    """The message for predictions that depend on the batch, with the first operation whose result does."""
    found: list[_Results] = []
    for one in (inputs, batch):
        with torch.no_grad(), _Results(len(one)) as results:
            reference(one)
        found.append(results)
    place = _first_difference(*found)
    return (
        f"predictions of {source.name} depend on the other samples of the batch, in evaluation mode (by {apart:.2g} "
        f"in float64){place}: something in it uses statistics or the size of the batch (a BatchNorm left in training "
        "mode, for example). Make eval() reach every layer, and compute each sample alone"
    )


@torch.inference_mode()
def _run_seeded(model: nn.Module, inputs: Tensor, seed: int) -> tuple[Tensor, ...]:
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    outputs: tuple[Tensor, ...] = model(inputs.clone())
    return outputs


class _Results(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Note the first sample in the result of every operation, and the operation whose result is not finite first.

    Args:
        size: of the batch.
    """

    def __init__(self, size: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.size, self.not_finite = size, ""
        self.firsts: list[tuple[Any, Tensor | None, str]] = []
        self._outside = depth()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        one = result[0] if isinstance(result, tuple | list) and result else result
        if isinstance(one, Tensor) and one.is_floating_point():
            place = place_now(self._outside)
            if not self.not_finite and place and not bool(one.isfinite().all()):
                self.not_finite = place
            first = one[0].clone() if one.ndim and len(one) == self.size else None
            self.firsts.append((func, first, place))
        return result


def _first_difference(one: _Results, other: _Results) -> str:
    """The place of the first operation with another result for the first sample; empty if there is none."""
    for (func, first, place), (func_too, second, _) in zip(one.firsts, other.firsts, strict=False):
        if func is not func_too:
            return place
        if first is None or second is None or first.shape != second.shape:
            continue
        if float((first - second).abs().max()) > FLOAT64_NOISE * float(first.abs().max()):
            return place
    return ""
