"""A perceptron of five linear layers."""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


def build(
    input_shape: tuple[int, ...],
    num_outputs: int,
    widths: Sequence[int] = (512, 256, 128, 64),
    activation: str = "relu",
) -> nn.Module:
    """Build the network for samples of any ``input_shape``: ``[N, *input_shape]`` to logits ``[N, num_outputs]``.

    Args:
        widths: units in each hidden layer.
        activation: a key of :data:`ACTIVATIONS`.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    sizes = (math.prod(input_shape), *widths)
    for number, (before, after) in enumerate(itertools.pairwise(sizes), start=1):
        layers[f"hidden{number}"] = nn.Linear(before, after)
        layers[f"activation{number}"] = ACTIVATIONS[activation]()
    layers["fc"] = nn.Linear(sizes[-1], num_outputs)
    return nn.Sequential(layers)
