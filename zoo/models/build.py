"""Build a model: the normalisation of the data, then the network of a plugin."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ..errors import BuildError, UsageError, ZooError
from ..specs.architecture import Architecture
from ..specs.columns import columns_from_json, network_shape
from ..specs.hyperparameters import resolve
from ..specs.options import check_all
from ..specs.references import resolve_reference
from ..specs.task import Task
from .preprocess import blank_preprocess
from .tasks import load_task


def build_network(
    architecture: Architecture, input_shape: tuple[int, ...], num_outputs: int, options: Mapping[str, object]
) -> nn.Module:
    """The network without normalisation: standardised float32 ``[N, *input_shape]`` to logits ``[N, num_outputs]``.

    Raises:
        UnknownName, InvalidValue: an unknown option, or an invalid value.
        BuildError: the plugin's builder fails, or does not support this shape.
    """
    checked = check_all(architecture.options, options, architecture.name)
    builder = resolve_reference(architecture.builder)
    try:
        network = builder(tuple(input_shape), num_outputs, **checked)
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


def assemble(preprocess: nn.Module, network: nn.Module, postprocess: nn.Module | None = None) -> nn.Sequential:
    """The whole model: raw samples ``[N, …]`` to logits, or to predictions in the target's units, ``[N, K]``."""
    parts: OrderedDict[str, nn.Module] = OrderedDict(preprocess=preprocess, network=network)
    if postprocess is not None:
        parts["postprocess"] = postprocess
    return nn.Sequential(parts)


def count_parameters(module: nn.Module) -> int:
    """The number of trainable parameters; a shared parameter counts once."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def blank_model(architecture: Architecture, task: Task, metadata: Mapping[str, Any]) -> nn.Sequential:
    """The model of a checkpoint, by its metadata, without the weights."""
    data = metadata["data"]
    input_shape, num_outputs = tuple(data["input_shape"]), data["num_outputs"]
    columns = columns_from_json(data.get("columns", ()))
    network = build_network(architecture, network_shape(input_shape, columns), num_outputs, metadata["options"])
    recipe = resolve(metadata.get("hyperparameters", {}))
    postprocess = load_task(task).fit(torch.zeros(1, num_outputs), recipe).postprocess()
    return assemble(blank_preprocess(input_shape, columns), network, postprocess)
