"""The conformance suite on an architecture: what its builder gives."""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn

from ..errors import BuildError, UnknownName, ZooError
from ..models.build import build_network, count_parameters
from ..models.tasks import TASKS
from ..specs.hyperparameters import resolve
from .check import LARGE, Bench, NotChecked, Problem

Shape = tuple[int, ...]

_SHAPES: dict[int, tuple[Shape, ...]] = {
    3: ((1, 28, 28), (3, 32, 32), (3, 64, 64), (2, 28, 36)),
    1: ((1,), (4,), (13,), (64,)),
}
_SAMPLES = 16
_STEPS = 400


def dataset(bench: Bench) -> str:
    """The dataset that it names."""
    spec = bench.architecture
    try:
        found = bench.registry.dataset(spec.dataset)
    except UnknownName as error:
        raise Problem(str(error), "Register the dataset too, or name one of `zoo datasets`.") from error
    if found.task != spec.task:
        raise Problem(f"{spec.name} learns {spec.task}, {found.name} is for {found.task}", "Choose another dataset.")
    return f"{found.name}, {spec.task}"


def parameters(bench: Bench) -> str:
    """The number declared against the number built."""
    count, declared = count_parameters(_build(bench)), bench.architecture.parameters
    if count != declared:
        raise Problem(f"{declared:,} are declared, {count:,} are built", f"Declare parameters={count:_}.")
    return f"{count:,}, as declared"


def shapes(bench: Bench) -> str:
    """Other inputs and other numbers of outputs than its own dataset's."""
    own = _own_shape(bench)
    counts = (1,) if bench.architecture.task == "binary" else (bench.dataset.num_outputs, 2, 10)
    for count in counts:
        _check_outputs(bench, own, count)
    others = [shape for shape in _SHAPES.get(len(own), ()) if shape != own]
    refused = []
    for shape in others:
        try:
            for count in counts:
                _check_outputs(bench, shape, count)
        except _Refused as refusal:
            refused.append(f"{shape}: {refusal}")
    if others and len(refused) == len(others):
        raise Problem(
            f"it builds for {own} only; {refused[0]}",
            "Work the sizes out from input_shape and num_outputs instead of writing them down.",
        )
    told = f"; refuses {', '.join(line.partition(':')[0] for line in refused)}" if refused else ""
    return f"{len(others) - len(refused) + 1} input shapes, {len(set(counts))} output counts{told}"


def batches(bench: Bench) -> str:
    """A sample alone against the same sample among others."""
    network = _small(bench).eval()
    inputs = _noise(_own_shape(bench), 5)
    together = _outputs(network, inputs)
    for index in range(len(inputs)):
        alone = _outputs(network, inputs[index : index + 1])
        if alone.shape != (1, *together.shape[1:]):
            raise Problem(
                f"at batch size 1 it gives {tuple(alone.shape)}, among others {tuple(together.shape)}",
                "Do not squeeze() the batch; flatten from dimension 1 on.",
            )
        if not torch.allclose(alone[0], together[index], rtol=1e-3, atol=1e-4 * float(together.abs().max() + 1)):
            raise Problem(
                "a sample's output depends on the other samples of its batch",
                "Look for a normalisation or a softmax over dimension 0, or a view() that mixes samples.",
            )
    return "5 samples, alone and together"


def gradients(bench: Bench) -> str:
    """One backward pass."""
    network = _small(bench).train()
    network(_noise(_own_shape(bench), 4)).square().mean().backward()
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        if parameter.grad is None:
            raise Problem(f"{name} gets no gradient", "Use it in forward(), or leave it out.")
        if not parameter.grad.isfinite().all():
            raise Problem(f"the gradient of {name} is not finite", "Look for a division by zero or a root of zero.")
    return f"{sum(1 for _ in network.parameters())} tensors"


def logits(bench: Bench) -> str:
    """Outputs under large random weights: a logit leaves 0 … 1 then, a probability never does."""
    task = bench.architecture.task
    if task == "regression":
        return "any number may be predicted"
    network = _small(bench).eval()
    random = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.data = 3 * torch.randn(parameter.shape, generator=random)
    outputs = _outputs(network, _noise(_own_shape(bench), 32))
    inside = bool(((outputs >= 0) & (outputs <= 1)).all())
    if task == "classification" and outputs.shape[1] > 1:
        inside = inside and bool(torch.allclose(outputs.sum(dim=1), torch.ones(len(outputs)), atol=1e-4))
    if inside:
        kind = "softmax" if task == "classification" else "sigmoid"
        raise Problem(f"the outputs are probabilities: there is a {kind} at the end", "Leave it out; the loss has it.")
    return f"from {float(outputs.min()):.2g} to {float(outputs.max()):.2g}"


def seed(bench: Bench) -> str:
    """Two builds from one seed."""
    states = []
    for _ in range(2):
        torch.manual_seed(1)
        states.append(_small(bench).state_dict())
    for name, tensor in states[0].items():
        if not torch.equal(tensor, states[1][name]):
            raise Problem(f"{name} differs between two builds from one seed", "Draw from torch's own generator only.")
    return "equal to the bit"


def evaluation(bench: Bench) -> str:
    """The same input twice, under other seeds."""
    network = _small(bench).eval()
    inputs = _noise(_own_shape(bench), 4)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.manual_seed(1)
    first = _outputs(network, inputs)
    torch.manual_seed(2)
    if not torch.equal(first, _outputs(network, inputs)):
        raise Problem(
            "in evaluation mode the same input gives different outputs",
            "Make dropout and all else that is random depend on self.training.",
        )
    for name, tensor in network.state_dict().items():
        if not torch.equal(tensor, before[name]):
            raise Problem(f"running it in evaluation mode changes {name}", "Change buffers only while self.training.")
    return "two runs, equal to the bit"


def learns(bench: Bench) -> str:
    """One batch, over and over."""
    spec = bench.architecture
    best = 1.0
    for rate in (1e-2, 1e-3):
        torch.manual_seed(0)
        network = _small(bench).train()
        inputs, targets = _lesson(_own_shape(bench), spec.task, bench.dataset.num_outputs)
        task, recipe = TASKS[spec.task], resolve({})
        loss_of = functools.partial(task.loss, targets=targets, hyperparameters=recipe)
        optimizer = torch.optim.Adam(network.parameters(), rate)
        first = 0.0
        for step in range(_STEPS):
            loss = loss_of(network(inputs))
            now = float(loss.detach())
            first = first or now
            best = min(best, now / first) if first else 0.0
            if best < 0.3:
                return f"the loss falls to {best:.0%} in {step + 1} steps"
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    raise Problem(
        f"after {_STEPS} steps on one batch of {_SAMPLES} the loss is still {best:.0%} of the first",
        "Look for activations that die, weights that start at zero, a detach() or a missing nonlinearity.",
    )


class _Refused(ZooError):
    """The builder says that it cannot be built for a shape, as it should: with a ValueError."""


def _check_outputs(bench: Bench, shape: Shape, count: int) -> None:
    """Build, run, look at the outputs."""
    what = f"for input {shape} and {count} outputs"
    with torch.device("meta" if bench.architecture.parameters > LARGE else "cpu"):
        try:
            network = build_network(bench.architecture, shape, count, {})
        except BuildError as error:
            cause = error.__cause__
            if isinstance(cause, ValueError | ZooError) and shape != _own_shape(bench):
                raise _Refused(str(cause)) from error
            raise Problem(
                f"{what}: {error}", "Raise ValueError, with the reason in one line, where it cannot be built."
            ) from error
        inputs = torch.zeros(3, *shape) if bench.architecture.parameters > LARGE else _noise(shape, 3)
        try:
            outputs = _outputs(network.eval(), inputs)
        except Exception as error:
            text = " ".join(str(error).split())
            raise Problem(
                f"{what} it is built, but does not run: {text}",
                "Work the sizes out from input_shape, or raise ValueError in the builder.",
            ) from error
    if tuple(outputs.shape) != (3, count):
        raise Problem(
            f"{what} it gives {list(outputs.shape)} for a batch of 3, not [3, {count}]",
            "The last layer must have num_outputs outputs, and the batch must stay the first dimension.",
        )
    if not outputs.is_meta and not outputs.isfinite().all():
        raise Problem(f"{what} it gives outputs that are not finite", "Look for a division by zero, a log or a root.")


def _own_shape(bench: Bench) -> Shape:
    return bench.dataset.network_shape


def _build(bench: Bench) -> nn.Module:
    with torch.device("meta" if bench.architecture.parameters > LARGE else "cpu"):
        return build_network(bench.architecture, _own_shape(bench), bench.dataset.num_outputs, {})


def _small(bench: Bench) -> nn.Module:
    if bench.architecture.parameters > LARGE:
        raise NotChecked(f"it has {bench.architecture.parameters:,} parameters; only its shapes are checked")
    return _build(bench)


def _noise(shape: Shape, count: int) -> Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(0))


@torch.inference_mode()
def _outputs(network: nn.Module, inputs: Tensor) -> Tensor:
    outputs = network(inputs)
    if not isinstance(outputs, Tensor):
        raise Problem(f"it returns {type(outputs).__name__}, not a tensor", "Return the logits and nothing else.")
    return outputs


def _lesson(shape: Shape, task: str, num_outputs: int) -> tuple[Tensor, Tensor]:
    """Inputs that tell their targets: noisy copies of one prototype a class; for regression, a linear function."""
    noise = _noise(shape, _SAMPLES)
    if task == "regression":
        flat = noise.flatten(1)
        return noise, (flat.sum(dim=1, keepdim=True) / flat.shape[1] ** 0.5).expand(-1, num_outputs).contiguous()
    classes = 2 if task == "binary" else max(2, min(num_outputs, 4))
    targets = torch.arange(_SAMPLES) % classes
    steps = torch.linspace(-2, 2, classes)[targets].view(-1, *[1] * len(shape))
    prototypes = torch.randn(classes, *shape, generator=torch.Generator().manual_seed(1))
    return steps + prototypes[targets] * (noise[0].numel() > 1) + 0.1 * noise, targets % max(2, num_outputs)
