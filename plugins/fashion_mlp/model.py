"""A perceptron with one hidden layer, a common first model for Fashion-MNIST."""

from __future__ import annotations

import math

from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


class FashionMLP(nn.Module):
    """``[N, ...]`` to logits ``[N, num_outputs]``."""

    def __init__(self, num_inputs: int, num_outputs: int, width: int, activation: str) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.hidden = nn.Linear(num_inputs, width)
        self.activation = ACTIVATIONS[activation]()
        self.fc = nn.Linear(width, num_outputs)
        for layer in (self.hidden, self.fc):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of ``inputs``."""
        return self.fc(self.activation(self.hidden(self.flatten(inputs))))  # type: ignore[no-any-return]


def build(input_shape: tuple[int, ...], num_outputs: int, width: int = 430, activation: str = "relu") -> nn.Module:
    """Build the network for samples of any ``input_shape``, images or columns.

    Args:
        width: units in the hidden layer.
        activation: a key of :data:`ACTIVATIONS`.
    """
    return FashionMLP(math.prod(input_shape), num_outputs, width, activation)
