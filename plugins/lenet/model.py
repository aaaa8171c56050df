"""LeNet-5 with modern layers, and as the network of 1998 is often taught.

The paper (LeCun et al. 1998) differs from the latter: its activation is a scaled tanh, ``1.7159 * tanh(2/3 * x)``, its
pooling has a trained factor and offset for each map, its second convolution connects only some maps, and its last layer
has radial basis functions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

FACES: dict[str, tuple[type[nn.Module], type[nn.Module]]] = {
    "modern": (nn.ReLU, nn.MaxPool2d),
    "1998": (nn.Sigmoid, nn.AvgPool2d),
}
"""Activation and pooling for each value of the option ``face``."""


class LeNet(nn.Module):
    """``[N, C, H, W]`` to logits ``[N, num_outputs]``."""

    def __init__(self, input_shape: tuple[int, int, int], num_outputs: int, face: str) -> None:
        super().__init__()
        channels, height, width = input_shape
        activation, pool = FACES[face]
        self.features = nn.Sequential(
            nn.Conv2d(channels, 6, kernel_size=5, padding=2),
            activation(),
            pool(2),
            nn.Conv2d(6, 16, kernel_size=5),
            activation(),
            pool(2),
        )
        self.classifier = nn.Sequential(
            nn.Linear(16 * _after(height) * _after(width), 120),
            activation(),
            nn.Linear(120, 84),
            activation(),
            nn.Linear(84, num_outputs),
        )
        if face == "1998":
            # sigmoid units saturate with torch's default initialisation
            for module in self.modules():
                if isinstance(module, nn.Conv2d | nn.Linear):
                    nn.init.xavier_uniform_(module.weight)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of ``inputs``."""
        return self.classifier(torch.flatten(self.features(inputs), 1))  # type: ignore[no-any-return]


def _after(size: int) -> int:
    """``size`` after pooling, a 5x5 convolution without padding, and pooling."""
    return (size // 2 - 4) // 2


def build(input_shape: tuple[int, int, int], num_outputs: int, face: str = "modern") -> nn.Module:
    """Build the network for images of ``input_shape`` (channels, height, width).

    Args:
        face: a key of :data:`FACES`.

    Raises:
        ValueError: the images are smaller than 12x12.
    """
    if len(input_shape) != 3 or min(input_shape[1:]) < 12:
        raise ValueError("it needs images of at least 12x12 pixels")
    return LeNet(input_shape, num_outputs, face)
