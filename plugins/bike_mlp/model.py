"""A perceptron with one hidden layer of sigmoid units, for regression on tables."""

from __future__ import annotations

import math
from collections import OrderedDict

from torch import nn


def build(input_shape: tuple[int, ...], num_outputs: int, width: int = 10) -> nn.Module:
    """Build the network for samples of any ``input_shape``: ``[N, *input_shape]`` to ``[N, num_outputs]``.

    Args:
        width: units in the hidden layer.
    """
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            hidden=nn.Linear(math.prod(input_shape), width),
            activation=nn.Sigmoid(),
            fc=nn.Linear(width, num_outputs),
        )
    )
