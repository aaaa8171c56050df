"""Checks of what is declared with methods: the loss, metrics and outputs of a task; the samples of a kind of input."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import torch
from torch import Tensor

from ..formatting import is_better
from ..inputs.methods import InputMethods, input_of_dataset, load_input
from ..inputs.reader import load_reader
from ..inputs.user_files import read_samples_of
from ..models.build import build_for
from ..models.guarded_task import load_task
from ..models.tasks import TaskMethods
from ..specs.hyperparameters import resolve
from .check import NotChecked, Problem, Workspace
from .fixtures import NETWORK, add_linear_network, example_outputs, random_network_inputs
from .training import export_short_training

_SAMPLES, _PART = 8, 6
_TOLERANCE = 1e-4
_POOL, _FEWEST_KINDS = 64, 3


def loss(workspace: Workspace) -> str:
    """Compute the training loss and its gradients."""
    methods, outputs, targets = _example(workspace)
    outputs = outputs.clone().requires_grad_()
    found = methods.loss(outputs, targets, resolve({}))
    (gradient,) = torch.autograd.grad(found, outputs, allow_unused=True)
    if gradient is None or not bool(torch.isfinite(found)) or not bool(torch.isfinite(gradient).all()):
        raise Problem("the loss or its gradient is missing or not finite", "Compute it from the outputs.")
    return f"{found.item():.3g} for {_SAMPLES} samples"


def averages(workspace: Workspace) -> str:
    """Compare the loss of a batch with that of its two parts."""
    methods, outputs, targets = _example(workspace)

    def value(part: slice) -> float:
        return float(methods.loss(outputs[part], targets[part], resolve({})))

    whole = value(slice(None))
    mean = (_PART * value(slice(_PART)) + (_SAMPLES - _PART) * value(slice(_PART, None))) / _SAMPLES
    if abs(whole - mean) > _TOLERANCE * max(1.0, abs(whole)):
        raise Problem(
            f"a batch has the loss {whole:.6g}, in two parts {mean:.6g}",
            "Compute a loss for each sample and average it; `accumulate` and several devices divide a batch.",
        )
    return "a batch in two parts gives the same loss"


def metrics(workspace: Workspace) -> str:
    """Compare the metrics with the declared ones, and those of single samples with those of a batch."""
    methods, outputs, targets = _example(workspace)
    found = methods.measure(outputs, targets)
    alone = [methods.measure(outputs[k : k + 1], targets[k : k + 1]) for k in range(_SAMPLES)]
    for name, values in found.items():
        single = torch.cat([one[name] for one in alone])
        if not torch.allclose(values, single, atol=_TOLERANCE, rtol=_TOLERANCE, equal_nan=True):
            raise Problem(f"{name} of a sample depends on the rest of the batch", "Return such a metric in summarise.")
    whole = methods.summarise(outputs, targets)
    if whole and not methods.whole_split:
        raise Problem("summarise gives metrics, but whole_split is False", "Set whole_split = True in the class.")
    names = [*found, *(name for name in whole if name not in found)]
    _compare_names(methods, names)
    return ", ".join(names)


def _compare_names(methods: TaskMethods, names: list[str]) -> None:
    declared = [metric.name for metric in methods.spec.metrics]
    for name in names:
        if name not in ("loss", *declared):
            raise Problem(f"{name} is computed and not declared", "Declare all metrics but the loss.")
    for name in declared:
        if name not in names:
            raise Problem(f"{name} is declared and not computed", "Return it in measure or in summarise.")


def choice(workspace: Workspace) -> str:
    """Compare the scores of made-up metrics."""
    methods, _, _ = _example(workspace)
    usual = {metric.name: 0.5 for metric in methods.spec.metrics} | {"loss": 0.5}
    better = 0.75 if is_better(methods.metric, 1.0, 0.0) else 0.25
    scores = [methods.score(usual | change) for change in ({}, {"loss": 0.25, methods.metric: better})]
    if not all(map(math.isfinite, [number for score in scores for number in score])):
        raise Problem(f"score returned {scores[0]!r}", "Return a tuple of finite numbers.")
    if not scores[1] > scores[0]:
        raise Problem("a better epoch has no higher score", "Negate errors: the highest score is the best checkpoint.")
    return f"{methods.metric} 0.5 gives {scores[0]}"


def decisions(workspace: Workspace) -> str:
    """Disturb the outputs by less than half of each margin, and compare the predictions."""
    methods, outputs, _ = _example(workspace)
    if not methods.decides:
        return f"{methods.name} predicts {methods.spec.predicts}"
    made, margins = methods.decisions(outputs), methods.margins(outputs)
    if margins.shape != made.shape:
        reason = f"decisions have the shape {list(made.shape)}, margins {list(margins.shape)}"
        raise Problem(reason, "Return a margin for each decision.")
    if bool((margins < 0).any()):
        raise Problem("a margin is negative", "A margin is the distance to another prediction, 0 at a tie.")
    random = torch.Generator().manual_seed(1)
    noise = 2 * torch.rand(outputs.shape, generator=random) - 1
    for size in (1e-3, 1e-2, 0.1, 1.0):
        changed = methods.decisions(outputs + size * noise) != made
        if bool((changed & (margins > 2 * size)).any()):
            raise Problem(
                f"a prediction with a margin over {2 * size:g} changes if the outputs change by at most {size:g}",
                "The margin must be in units of the outputs: the largest minus the second largest, for example.",
            )
    return f"{made[0].numel()} for each sample"


def answers(workspace: Workspace) -> str:
    """Run the module that makes the outputs of an exported model."""
    methods, outputs, _ = _example(workspace)
    found = methods.answers()(outputs)
    if not isinstance(found, tuple) or len(found) != len(methods.outputs):
        count = len(found) if isinstance(found, tuple) else type(found).__name__
        raise Problem(f"answers() gives {count}, but {len(methods.outputs)} outputs are declared", "Return a tuple.")
    if any(len(one) != _SAMPLES for one in found) or not torch.equal(found[0], outputs):
        raise Problem("the first output is not that of the network", "Return the outputs unchanged, then the others.")
    return ", ".join(f"{name} {list(one.shape[1:])}" for name, one in zip(methods.outputs, found, strict=True))


def describes(workspace: Workspace) -> str:
    """Describe the prediction for one sample."""
    methods, outputs, _ = _example(workspace)
    if methods.spec.predicts in ("class", "numbers"):
        return "as for every class" if methods.decides else "as all numbers"
    answer = methods.answers()(outputs)[-1][0].detach().numpy()
    found = methods.describe(answer, _labels(workspace, methods))
    return ", ".join(found)[:100]


def examples(workspace: Workspace) -> str:
    """Make random samples of a kind of input."""
    inputs = _inputs(workspace)
    samples = inputs.examples(_SAMPLES, _seed(0))
    wanted = getattr(torch, inputs.spec.type)
    if not isinstance(samples, Tensor) or samples.dtype != wanted or tuple(samples.shape) != (_SAMPLES, *inputs.shape):
        made = f"{samples.dtype} {list(samples.shape)}" if isinstance(samples, Tensor) else type(samples).__name__
        raise Problem(f"examples gives {made}", f"Return {wanted} {[_SAMPLES, *inputs.shape]}.")
    if not torch.equal(samples, inputs.examples(_SAMPLES, _seed(0))):
        raise Problem("examples draws random numbers of its own", "Draw with the generator alone.")
    problem = inputs.problem(samples)
    if problem:
        raise Problem(f"a split of examples {problem}", "Make problem and examples agree.")
    return f"{inputs.spec.type} {list(inputs.shape)}"


def normalises(workspace: Workspace) -> str:
    """Fit the normalisation to random samples, and load its values into a blank one."""
    inputs = _inputs(workspace)
    samples = inputs.examples(_SAMPLES, _seed(0))
    fitted, blank = inputs.fit(samples).eval(), inputs.blank().eval()
    whole = fitted(samples)
    if tuple(whole.shape) != (_SAMPLES, *inputs.network_shape) or not whole.isfinite().all():
        shown = f"{list(whole.shape)}" if whole.isfinite().all() else "numbers that are not finite"
        raise Problem(f"its normalisation gives {shown}", f"network_shape says {list(inputs.network_shape)}.")
    if not torch.allclose(whole, torch.cat([fitted(samples[k : k + 1]) for k in range(_SAMPLES)])):
        raise Problem("the normalisation of a sample depends on the batch", "Compute with fitted values only.")
    blank.load_state_dict(fitted.state_dict())
    if not torch.equal(whole, blank(samples)):
        raise Problem("blank() with the fitted values is another normalisation", "Keep all values in buffers.")
    described: Any = fitted
    json.dumps(described.describe(), allow_nan=False)
    return f"{list(inputs.shape)} to {list(inputs.network_shape)}"


def hostile(workspace: Workspace) -> str:
    """Draw the hostile inputs twice, and normalise them."""
    inputs = _inputs(workspace)
    samples = inputs.examples(_POOL, _seed(0))
    fitted, names = inputs.fit(samples).eval(), []
    for draw in (inputs.extremes, inputs.probes):
        drawn, again = (list(draw(samples, samples, _seed(1))) for _ in range(2))
        for (name, batch), (_, same) in zip(drawn, again, strict=True):
            if batch.dtype != samples.dtype or batch.shape != samples.shape:
                raise Problem(f"{name!r} is {batch.dtype} {list(batch.shape)}", "Return batches like the real one.")
            if not torch.equal(batch.nan_to_num(), same.nan_to_num()):
                raise Problem(f"{name!r} differs for one seed", "Draw with the generator alone.")
            if not fitted(batch).isfinite().all():
                raise Problem(f"{name!r} is not finite behind the normalisation", "Replace or clamp such values.")
            names.append(name)
    if len(set(names)) < _FEWEST_KINDS:
        raise Problem(f"only {', '.join(names)}", f"Try at least {_FEWEST_KINDS} kinds of hostile inputs.")
    return ", ".join(dict.fromkeys(names))[:200]


def exports(workspace: Workspace) -> str:
    """Train one linear layer on random samples, and export it."""
    add_linear_network(workspace.registry, _inputs(workspace))
    certificate = export_short_training(workspace, NETWORK)
    return f"{certificate.bytes:,} bytes; {len(certificate.checks)} gates passed"


def reads(workspace: Workspace) -> str:
    """Read files that hold nothing, noise, text, or numbers that are none."""
    inputs = _inputs(workspace)
    reader = load_reader(inputs.spec, inputs.shape, inputs.options)
    if reader is None:
        return "it declares no reader"
    noise = bytes(range(256)) * 20
    contents = {"empty": b"", "noise": noise, "text": "één\n\n\u6f22\n".encode(), "no numbers": b"nan,inf\n,\n1e999\n"}
    for name, content in contents.items():
        path = workspace.scratch / f"{name}.txt"
        path.write_bytes(content)
        for source in (path, io.BytesIO(content)):
            for sample in read_samples_of(reader, name, source):
                if sample.array is None and ("\n" in sample.error or not sample.error):
                    raise Problem(f"{name}: the error is {sample.error!r}", "Say in one line why it cannot be read.")
                if sample.array is not None and inputs.problem(torch.from_numpy(sample.array)[None]):
                    raise Problem(f"{name} is read as a sample that no split may hold", "Give it an error instead.")
    return "nothing, noise, text and no numbers are samples or errors"


def _inputs(workspace: Workspace) -> InputMethods:
    """The kind of input that is checked, with the options of a dataset of it; else its first usual shape."""
    registry = workspace.registry
    kind = registry.input(workspace.item.name)
    for data in registry.datasets.values():
        if registry.input_of(data.input, data.input_shape) is kind and not data.columns:
            return input_of_dataset(data, registry)
    if not kind.shapes:
        raise NotChecked(f"no dataset is of the kind {kind.name}, and it declares no shapes")
    return load_input(kind, kind.shapes[0], {})


def _seed(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def _labels(workspace: Workspace, methods: TaskMethods) -> tuple[str, ...]:
    """The labels that a prediction of the task's network has: those of the task, or of the network's dataset."""
    registry = workspace.registry
    found = (spec for spec in registry.architectures.values() if spec.task == methods.name)
    return methods.spec.labels or next((registry.dataset(spec.dataset).labels for spec in found), ())


def _example(workspace: Workspace) -> tuple[TaskMethods, Tensor, Tensor]:
    """The methods, and outputs and targets of some samples; for an unusual task, the outputs of one of its networks."""
    if "example" in workspace.cache:
        example: tuple[TaskMethods, Tensor, Tensor] = workspace.cache["example"]
        return example
    registry = workspace.registry
    task = registry.task(workspace.item.name)
    methods: TaskMethods = load_task(task)
    random = torch.Generator().manual_seed(0)
    if task.predicts in ("class", "numbers"):
        count = example_outputs(task)
        shape: tuple[int, ...] = (1, 8, 8)
        outputs = torch.randn(_SAMPLES, count, generator=random)
    else:
        found = [spec for spec in registry.architectures.values() if spec.task == task.name]
        if not found:
            raise NotChecked(f"no architecture is for {task.name}; register one, so that its outputs are known")
        data = registry.dataset(found[0].dataset)
        count, shape = data.num_outputs, data.input_shape
        inputs = input_of_dataset(data, registry)
        network = build_for(found[0], inputs, count, {}).eval()
        with torch.no_grad():
            outputs = network(random_network_inputs(inputs, _SAMPLES, random))
    targets = methods.example_targets(_SAMPLES, shape, count, random)
    problem = methods.target_problem(targets, count)
    if problem:
        raise Problem(f"a split of example_targets {problem}", "Make target_problem and example_targets agree.")
    methods = methods.fit(targets, resolve({}))  # as in a training: a task may have a scale
    workspace.cache["example"] = methods, outputs, targets
    return methods, outputs, targets
