"""Build a model: the normalisation of the data, then the network of a plugin."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from ..errors import BuildError, UsageError, ZooError
from ..inputs.methods import InputMethods
from ..specs.architecture import Architecture
from ..specs.hyperparameters import resolve
from ..specs.options import check_all
from ..specs.references import resolve_reference
from ..specs.task import Task
from .guarded_task import load_task


def build_network(
    architecture: Architecture,
    input_shape: tuple[int, ...],
    num_outputs: int,
    options: Mapping[str, object],
    arguments: Mapping[str, Any] | None = None,
) -> nn.Module:
    """The network without normalisation: standardised float32 ``[N, *input_shape]`` to logits ``[N, num_outputs]``.

    Args:
        arguments: what the kind of input gives every builder beside the options; see
            :meth:`zoo.InputMethods.builder_arguments`.

    Raises:
        UnknownName, InvalidValue: an unknown option, or an invalid value.
        BuildError: the plugin's builder fails, or does not support this shape or this kind of input.
    """
    checked = check_all(architecture.options, options, architecture.name)
    builder = resolve_reference(architecture.builder)
    given: dict[str, Any] = {**checked, **(arguments or {})}
    _check_call(architecture, builder, given)
    try:
        network = builder(tuple(input_shape), num_outputs, **given)
    except UsageError:
        raise
    except (ZooError, ValueError) as error:
        raise BuildError(f"{architecture.name} cannot be built for input {input_shape}: {error}") from error
    except Exception as error:
        text = " ".join(str(error).split())
        raise BuildError(f"The builder of {architecture.name} failed: {type(error).__name__}: {text}.") from error
    if not isinstance(network, nn.Module):
        kind = type(network).__name__
        raise BuildError(f"The builder of {architecture.name} must return a torch.nn.Module, not {kind}.")
    return network


def _check_call(architecture: Architecture, builder: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Raises:
    BuildError: the builder does not take the arguments of this kind of input, or needs those of another one.
    """
    try:
        signature = inspect.signature(builder)
    except (TypeError, ValueError):  # a class of an extension module has none
        return
    try:
        signature.bind((), 1, **given)
    except TypeError as error:
        raise BuildError(
            f"{architecture.name} cannot be built for this kind of input: its builder has {error}."
        ) from error


def assemble(preprocess: nn.Module, network: nn.Module, postprocess: nn.Module | None = None) -> nn.Sequential:
    """The whole model: raw samples ``[N, …]`` to logits, or to predictions in the target's units, ``[N, K]``."""
    parts: OrderedDict[str, nn.Module] = OrderedDict(preprocess=preprocess, network=network)
    if postprocess is not None:
        parts["postprocess"] = postprocess
    return nn.Sequential(parts)


def count_parameters(module: nn.Module) -> int:
    """The number of trainable parameters; a shared parameter counts once."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def build_for(
    architecture: Architecture, inputs: InputMethods, num_outputs: int, options: Mapping[str, object]
) -> nn.Module:
    """The network for a kind of input; see :func:`build_network`."""
    return build_network(architecture, inputs.network_shape, num_outputs, options, inputs.builder_arguments())


def blank_model(
    architecture: Architecture, task: Task, inputs: InputMethods, metadata: Mapping[str, Any]
) -> nn.Sequential:
    """The model of a checkpoint, by its metadata, without the weights.

    Args:
        inputs: the kind of its inputs, from :func:`zoo.inputs.methods.input_of_record`.
    """
    num_outputs = metadata["data"]["num_outputs"]
    network = build_for(architecture, inputs, num_outputs, metadata["options"])
    recipe = resolve(metadata.get("hyperparameters", {}))
    postprocess = load_task(task).fit(torch.zeros(1, num_outputs), recipe).postprocess()
    with inputs.spec.guard("blank"):
        preprocess = inputs.blank()
    return assemble(preprocess, network, postprocess)
