"""Logistic regression: one linear layer."""

from __future__ import annotations

import math
from collections import OrderedDict

from torch import nn


def build(input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    """Build the network for samples of any ``input_shape``: ``[N, *input_shape]`` to ``[N, num_outputs]``."""
    return nn.Sequential(OrderedDict(flatten=nn.Flatten(), fc=nn.Linear(math.prod(input_shape), num_outputs)))
