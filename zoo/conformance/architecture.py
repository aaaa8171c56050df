"""Checks of an architecture: the network that its builder returns."""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn

from ..errors import BuildError, UnknownName, ZooError
from ..inputs.methods import InputMethods, input_of_dataset, load_input
from ..models.build import build_for, count_parameters
from ..models.guarded_task import load_task
from ..models.tasks import TaskMethods
from ..specs.hyperparameters import resolve
from ..specs.task import Task
from .check import NotChecked, Problem, Workspace
from .fixtures import learnable_batch, random_network_inputs

Shape = tuple[int, ...]

_SAMPLES = 16
_WEIGHT_SIZES = (3.0, 1.0, 0.3, 0.1, 0.03)
"""Standard deviations of random weights, the largest first; in deep networks large ones overflow."""
_STEPS = 400


def dataset(workspace: Workspace) -> str:
    """Look up its dataset and compare the tasks."""
    spec = workspace.architecture
    try:
        found = workspace.registry.dataset(spec.dataset)
    except UnknownName as error:
        raise Problem(str(error), "Register the dataset too, or choose one of `zoo datasets`.") from error
    if found.task != spec.task:
        raise Problem(
            f"the task of {spec.name} is {spec.task}, the task of {found.name} is {found.task}",
            "Choose another dataset.",
        )
    return f"{found.name}, {spec.task}"


def parameters(workspace: Workspace) -> str:
    """Compare the declared number of parameters with that of the network."""
    count, declared = count_parameters(_build(workspace)), workspace.architecture.parameters
    if count != declared:
        raise Problem(f"{declared:,} are declared, the network has {count:,}", f"Declare parameters={count:_}.")
    return f"{count:,}, as declared"


def shapes(workspace: Workspace) -> str:
    """Build and run it for other input shapes and output counts than those of its dataset."""
    own = _inputs(workspace)
    fixed = _task(workspace).num_outputs
    counts = (fixed,) if fixed else (workspace.dataset.num_outputs, 2, 10)
    for count in counts:
        _check_outputs(workspace, own, count)
    others = [_inputs_of_shape(own, shape) for shape in _other_shapes(own)]
    refused = []
    for other in others:
        try:
            for count in counts:
                _check_outputs(workspace, other, count)
        except _Refused as refusal:
            refused.append(f"{other.network_shape}: {refusal}")
    if others and len(refused) == len(others):
        raise Problem(
            f"it builds for input shape {own.network_shape} only; {refused[0]}",
            "Compute the layer sizes from input_shape and num_outputs instead of hard-coding them.",
        )
    note = f"; refuses {', '.join(line.partition(':')[0] for line in refused)}" if refused else ""
    return f"{len(others) - len(refused) + 1} input shapes, {len(set(counts))} output counts{note}"


def batches(workspace: Workspace) -> str:
    """Compare the output of a sample alone with its output in a batch."""
    network = _build_to_run(workspace).eval()
    inputs = _random_inputs(_inputs(workspace), 5)
    together = _outputs(network, inputs)
    for index in range(len(inputs)):
        alone = _outputs(network, inputs[index : index + 1])
        if alone.shape != (1, *together.shape[1:]):
            raise Problem(
                f"at batch size 1 the output shape is {tuple(alone.shape)}, at batch size 5 {tuple(together.shape)}",
                "Do not squeeze() the batch dimension; flatten from dimension 1.",
            )
        if not torch.allclose(alone[0], together[index], rtol=1e-3, atol=1e-4 * float(together.abs().max() + 1)):
            raise Problem(
                "the output of a sample depends on the other samples of the batch",
                "Look for a normalisation or a softmax over dimension 0, or a view() that mixes samples.",
            )
    return "5 samples, one by one and as a batch"


def gradients(workspace: Workspace) -> str:
    """Run one backward pass."""
    network = _build_to_run(workspace).train()
    network(_random_inputs(_inputs(workspace), 4)).square().mean().backward()
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        if parameter.grad is None:
            raise Problem(f"{name} gets no gradient", "Use it in forward(), or remove it.")
        if not parameter.grad.isfinite().all():
            raise Problem(
                f"the gradient of {name} is not finite", "Look for a division by zero or a square root of zero."
            )
    return f"{sum(1 for _ in network.parameters())} tensors"


def logits(workspace: Workspace) -> str:
    """Look at the outputs with large random weights: logits leave the range 0 to 1, probabilities do not."""
    task = _task(workspace)
    if task.predicts != "class":
        return f"{task.name} may return any number"
    network = _build_to_run(workspace).eval()
    random = torch.Generator().manual_seed(0)
    weights = {name: torch.randn(one.shape, generator=random) for name, one in network.named_parameters()}
    for size in _WEIGHT_SIZES:
        for name, parameter in network.named_parameters():
            parameter.data = size * weights[name]
        outputs = _outputs(network, _random_inputs(_inputs(workspace), 32))
        if outputs.isfinite().all():
            break
    else:
        raise NotChecked("the outputs are not finite with random weights of any size")
    inside = bool(((outputs >= 0) & (outputs <= 1)).all())
    if outputs.shape[1] > 1:
        inside = inside and bool(torch.allclose(outputs.sum(dim=1), torch.ones(len(outputs)), atol=1e-4))
    if inside:
        kind = "softmax" if outputs.shape[1] > 1 else "sigmoid"
        raise Problem(
            f"the outputs are probabilities: the network ends with a {kind}",
            f"Return the logits; the loss applies the {kind}.",
        )
    return f"from {float(outputs.min()):.2g} to {float(outputs.max()):.2g}"


def seed(workspace: Workspace) -> str:
    """Build it twice with one seed and compare the weights."""
    states = []
    for _ in range(2):
        torch.manual_seed(1)
        states.append(_build_to_run(workspace).state_dict())
    for name, tensor in states[0].items():
        if not torch.equal(tensor, states[1][name]):
            raise Problem(
                f"{name} differs between two builds with the same seed",
                "Use only torch's random generator.",
            )
    return "two builds, equal bit for bit"


def evaluation(workspace: Workspace) -> str:
    """Run it twice on the same input with different seeds."""
    network = _build_to_run(workspace).eval()
    inputs = _random_inputs(_inputs(workspace), 4)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.manual_seed(1)
    first = _outputs(network, inputs)
    torch.manual_seed(2)
    if not torch.equal(first, _outputs(network, inputs)):
        raise Problem(
            "in evaluation mode the same input gives different outputs",
            "Apply dropout and other random operations only if self.training.",
        )
    for name, tensor in network.state_dict().items():
        if not torch.equal(tensor, before[name]):
            raise Problem(f"running it in evaluation mode changes {name}", "Change buffers only if self.training.")
    return "two runs, equal bit for bit"


def learns(workspace: Workspace) -> str:
    """Train it on one batch until the loss is low."""
    methods = load_task(_task(workspace))
    # random targets of other tasks, such as masks or counts, are harder to learn than classes
    own_numbers = type(methods.methods).example_targets is not TaskMethods.example_targets
    predicts = methods.spec.predicts
    enough = 0.3 if predicts == "class" or (predicts == "numbers" and not own_numbers) else 0.9
    best = 1.0
    for rate in (1e-2, 1e-3):
        torch.manual_seed(0)
        network = _build_to_run(workspace).train()
        inputs, targets = learnable_batch(methods, _inputs(workspace), workspace.dataset.num_outputs, _SAMPLES)
        fitted = methods.fit(targets, resolve({}))
        loss_of = functools.partial(fitted.loss, targets=targets, hyperparameters=resolve({}))
        optimizer = torch.optim.Adam(network.parameters(), rate)
        first = 0.0
        for step in range(_STEPS):
            loss = loss_of(network(inputs))
            now = float(loss.detach())
            first = first or now
            best = min(best, now / first) if first else 0.0
            if best < enough:
                return f"the loss falls to {best:.0%} in {step + 1} steps"
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    raise Problem(
        f"after {_STEPS} steps on one batch of {_SAMPLES} samples the loss is still {best:.0%} of the initial loss",
        "Look for dead activations, weights initialised with zero, a detach() or a missing nonlinearity.",
    )


class _Refused(ZooError):
    """The builder raised ValueError for an input shape that it does not support, as the contract requires."""


def _check_outputs(workspace: Workspace, inputs: InputMethods, count: int) -> None:
    """Build it, run it, check the shape and the values of the outputs."""
    shape = inputs.network_shape
    what = f"for input {shape} and {count} outputs"
    with torch.device("meta" if workspace.large else "cpu"):
        try:
            network = build_for(workspace.architecture, inputs, count, {})
        except BuildError as error:
            cause = error.__cause__
            if isinstance(cause, ValueError | ZooError) and shape != _inputs(workspace).network_shape:
                raise _Refused(str(cause)) from error
            raise Problem(
                f"{what}: {error}", "If it cannot be built, raise ValueError with the reason in one line."
            ) from error
        _check_weights(network, what)
        batch = torch.zeros(3, *shape) if workspace.large else _random_inputs(inputs, 3)
        try:
            outputs = _outputs(network.eval(), batch)
        except Exception as error:
            text = " ".join(str(error).split())
            raise Problem(
                f"{what} it can be built, but not run: {text}",
                "Compute the layer sizes from input_shape, or raise ValueError in the builder.",
            ) from error
    free = _task(workspace).predicts not in ("class", "numbers")
    if len(outputs) != 3 if free else tuple(outputs.shape) != (3, count):
        raise Problem(
            f"{what} the output shape is {list(outputs.shape)} for a batch of 3, not [3, {count}]",
            "The last layer must have num_outputs outputs, and the batch must stay the first dimension.",
        )
    if not outputs.is_meta and not outputs.isfinite().all():
        raise Problem(
            f"{what} the outputs are not finite", "Look for a division by zero, a logarithm or a square root."
        )


def _check_weights(network: nn.Module, what: str) -> None:
    """Raise :class:`Problem` for NaN and infinite weights: the outputs would not say where they come from."""
    for name, tensor in network.named_parameters():  # a buffer may be infinite: a mask is
        if not tensor.is_meta and not tensor.isfinite().all():
            raise Problem(
                f"{what} {name} has values that are NaN or infinite",
                "Initialise it; torch.empty() leaves what is in memory.",
            )


def _task(workspace: Workspace) -> Task:
    return workspace.registry.task(workspace.architecture.task)


def _inputs(workspace: Workspace) -> InputMethods:
    """The kind of input of its dataset."""
    return input_of_dataset(workspace.dataset, workspace.registry)


def _inputs_of_shape(own: InputMethods, shape: Shape) -> InputMethods:
    """The same kind of input with samples of another shape; columns are then numbers."""
    return load_input(own.spec, shape, own.options)


def _other_shapes(own: InputMethods) -> list[Shape]:
    return [shape for shape in own.spec.shapes if shape != own.network_shape]


def _build(workspace: Workspace) -> nn.Module:
    with torch.device("meta" if workspace.large else "cpu"):
        return build_for(workspace.architecture, _inputs(workspace), workspace.dataset.num_outputs, {})


def _build_to_run(workspace: Workspace) -> nn.Module:
    workspace.skip_if_large()
    return _build(workspace)


def _random_inputs(inputs: InputMethods, count: int, seed: int = 0) -> Tensor:
    """Random inputs of a network: standardised numbers, or what the normalisation leaves as whole numbers."""
    return random_network_inputs(inputs, count, torch.Generator().manual_seed(seed))


@torch.inference_mode()
def _outputs(network: nn.Module, inputs: Tensor) -> Tensor:
    outputs = network(inputs)
    if not isinstance(outputs, Tensor):
        raise Problem(f"it returns {type(outputs).__name__}, not a tensor", "Return only the logits.")
    return outputs
