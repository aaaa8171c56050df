"""Softmax regression: one linear layer from pixels to classes."""

from __future__ import annotations

import math

from torch import Tensor, nn


class SoftmaxRegression(nn.Module):
    """``[N, ...]`` to logits ``[N, num_outputs]``; the softmax is in the loss."""

    def __init__(self, num_inputs: int, num_outputs: int) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(num_inputs, num_outputs)
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of ``inputs``."""
        return self.fc(self.flatten(inputs))  # type: ignore[no-any-return]


def build(input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    """Build the network for samples of any ``input_shape``, images or columns."""
    return SoftmaxRegression(math.prod(input_shape), num_outputs)
