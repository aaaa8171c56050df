"""The test fixtures of the checks: synthetic datasets and a small network."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..data.splits import Split, Splits
from ..inputs.methods import InputMethods, input_of_dataset
from ..models.guarded_task import load_task
from ..models.tasks import TaskMethods
from ..registry.plugin import DISTRIBUTION, Plugin
from ..specs.architecture import Architecture
from ..specs.dataset import Dataset
from ..specs.hookspecs import hookimpl
from ..specs.task import Task

if TYPE_CHECKING:
    from pathlib import Path

    from ..registry.registry import Registry

DATA = "zoo-check-data"
NETWORK = "zoo-check-net"
_TRAIN, _TEST = 64, 17
_KEPT = 0.9
"""The part of the whole numbers of a prototype that its samples share."""


class _FixturePlugin:
    """The plugin that registers the fixtures."""

    def __init__(self, dataset: Dataset, architecture: Architecture | None) -> None:
        self.dataset, self.architecture = dataset, architecture

    @hookimpl
    def register_datasets(self, register: Callable[[Dataset], None]) -> None:
        """Register the dataset."""
        register(self.dataset)

    @hookimpl
    def register_architectures(self, register: Callable[[Architecture], None]) -> None:
        """Register the network, if there is one."""
        if self.architecture is not None:
            register(self.architecture)


def synthetic(spec: Dataset, task: Task, inputs: InputMethods) -> Dataset:
    """A small bundled dataset of random numbers with the kind of input, shape and task of ``spec``, always the same."""

    def load(folder: Path, download: bool) -> Splits:
        return Splits(_split(spec, task, inputs, _TRAIN, seed=1), _split(spec, task, inputs, _TEST, seed=2))

    return Dataset(
        name=DATA,
        summary=f"random numbers in the shape of {spec.name}",
        task=spec.task,
        loader=load,
        input_shape=spec.input_shape,
        num_outputs=spec.num_outputs,
        labels=spec.labels,
        columns=spec.columns,
        input=spec.input,
        input_options=spec.input_options,
    )


def add_dataset(registry: Registry, spec: Dataset) -> None:
    """Register a synthetic dataset for ``spec``."""
    dataset = synthetic(spec, registry.task(spec.task), input_of_dataset(spec, registry))
    registry.add(Plugin("zoo-check", DISTRIBUTION, "", ""), _FixturePlugin(dataset, None))


def add_network(registry: Registry, task: Task) -> None:
    """Register a small convolutional network for ``task``, and a synthetic dataset of small images for it.

    Args:
        task: predicts a class (then there are three of them, unless the task says how many) or numbers (two).
    """
    outputs = example_outputs(task)
    images = Dataset(
        name="images",
        summary="small images",
        task=task.name,
        loader=_no_loader,
        input_shape=(1, 8, 8),
        num_outputs=outputs,
        labels=("one", "two", "three")[: task.label_count(outputs)],
    )
    network = Architecture(
        name=NETWORK,
        summary="one convolution, one linear layer",
        task=task.name,
        builder=_build,
        dataset=DATA,
        parameters=4 * 10 + (4 * 36 + 1) * outputs,
        hyperparameters={"epochs": 2, "batch_size": 16},
    )
    dataset = synthetic(images, task, input_of_dataset(images, registry))
    registry.add(Plugin("zoo-check", DISTRIBUTION, "", ""), _FixturePlugin(dataset, network))


def add_linear_network(registry: Registry, inputs: InputMethods) -> None:
    """Register a network of one linear layer, and a synthetic dataset of this kind of input."""
    task = registry.usual_task("class")
    samples = Dataset(
        name="samples",
        summary="random samples",
        task=task.name,
        loader=_no_loader,
        input_shape=inputs.shape,
        num_outputs=3,
        labels=("one", "two", "three"),
        input=inputs.spec.name,
        input_options=inputs.options,
    )
    network = Architecture(
        name=NETWORK,
        summary="one linear layer",
        task=task.name,
        builder=_build_linear,
        dataset=DATA,
        parameters=3 * math.prod(inputs.network_shape) + 3,
    )
    dataset = synthetic(samples, task, inputs)
    registry.add(Plugin("zoo-check", DISTRIBUTION, "", ""), _FixturePlugin(dataset, network))


def example_outputs(task: Task) -> int:
    """A number of outputs for a task that predicts a class or numbers."""
    return task.num_outputs or (3 if task.predicts == "class" else 2)


def random_network_inputs(inputs: InputMethods, count: int, random: torch.Generator) -> Tensor:
    """Random inputs of a network ``[count, …]``: standardised numbers, or whole numbers as the kind has them."""
    if inputs.spec.type != "int64":
        return torch.randn(count, *inputs.network_shape, generator=random)
    normalised: Tensor = inputs.blank()(inputs.examples(count, random))
    return normalised


def learnable_batch(methods: TaskMethods, inputs: InputMethods, num_outputs: int, count: int) -> tuple[Tensor, Tensor]:
    """Inputs and targets that a network can learn: noisy prototypes of classes, or a linear function for regression.

    For other tasks, random targets.
    """
    random, shape, task = torch.Generator().manual_seed(0), inputs.network_shape, methods.spec
    noise = random_network_inputs(inputs, count, random)
    if task.predicts not in ("class", "numbers"):
        random = torch.Generator().manual_seed(0)
        return noise, methods.example_targets(count, inputs.shape, num_outputs, random)
    if task.predicts == "numbers":
        flat = noise.flatten(1).float()
        flat = flat if noise.is_floating_point() else (flat - flat.mean()) / flat.std()
        sums = (flat.sum(dim=1, keepdim=True) / flat.shape[1] ** 0.5).expand(-1, num_outputs).contiguous()
        return noise, accepted_targets(methods, sums, num_outputs, inputs.shape)
    classes = max(2, min(task.label_count(num_outputs), 4))
    targets, prototypes = torch.arange(count) % classes, random_network_inputs(inputs, classes, _seeded(1))
    if noise.is_floating_point():
        steps = torch.linspace(-2, 2, classes)[targets].view(-1, *[1] * len(shape))
        return steps + prototypes[targets] * (noise[0].numel() > 1) + 0.1 * noise, targets % max(2, num_outputs)
    kept = torch.rand(noise.shape, generator=_seeded(2)) < _KEPT
    return prototypes[targets].where(kept, noise), targets % max(2, num_outputs)


def accepted_targets(methods: TaskMethods, targets: Tensor, num_outputs: int, shape: tuple[int, ...]) -> Tensor:
    """``targets``, or if the task refuses them, its own examples: counts are whole numbers, for instance."""
    if not methods.target_problem(targets, num_outputs):
        return targets
    return methods.example_targets(len(targets), shape, num_outputs, _seeded(3))


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _no_loader(folder: Path, download: bool) -> Splits:
    raise NotImplementedError


class _Linear(nn.Module):
    """Inputs of any shape and type to logits."""

    def __init__(self, inputs: int, num_outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, num_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.linear(inputs.flatten(1).to(self.linear.weight.dtype))
        return logits


def _build_linear(input_shape: tuple[int, ...], num_outputs: int, **arguments: object) -> nn.Module:
    return _Linear(math.prod(input_shape), num_outputs)


def _build(input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    channels, height, width = input_shape
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * (height - 2) * (width - 2), num_outputs)
    )


def _split(spec: Dataset, task: Task, kind: InputMethods, size: int, seed: int) -> Split:
    random = torch.Generator().manual_seed(seed)
    inputs = kind.examples(size, random)
    if task.predicts == "numbers":  # no example_targets: a scale such as the logarithm needs positive ones
        targets = torch.rand(size, spec.num_outputs, generator=random) * 10 + 1
        return Split(inputs, accepted_targets(load_task(task), targets, spec.num_outputs, spec.input_shape))
    return Split(inputs, load_task(task).example_targets(size, spec.input_shape, spec.num_outputs, random))
