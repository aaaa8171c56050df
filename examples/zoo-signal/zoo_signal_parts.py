"""The data and the network. The zoo imports this module only when one of them is used."""

import numpy as np
import torch
from torch import nn
from zoo_signal import LENGTH, RHYTHMS

from zoo import Split, Splits

RATE = 64
"""Values a second."""
WAVES = ((-0.16, 0.025, 0.12), (-0.03, 0.012, -0.12), (0.0, 0.014, 1.0), (0.03, 0.012, -0.22), (0.24, 0.05, 0.28))
"""The waves of a beat: seconds from its peak, width in seconds, height in millivolts."""


def load(folder, download):
    """Simulate both splits; always the same."""
    return Splits(train=simulate(1_800, seed=1), test=simulate(450, seed=2))


def simulate(count, seed):
    """Signals float32 ``[count, 1, 256]`` in millivolts, and for each the number of its rhythm."""
    random = np.random.RandomState(seed)
    rhythms = np.arange(count) % len(RHYTHMS)
    signals = np.stack([one_signal(RHYTHMS[rhythm], random) for rhythm in rhythms])
    # rounded to a microvolt, so that all processors give the same numbers
    return Split(torch.from_numpy(signals.round(3).astype(np.float32))[:, None], torch.from_numpy(rhythms))


def one_signal(rhythm, random):
    """Beats at almost equal distances; one comes too early, or one is missing, in the rhythms of these names."""
    time = np.arange(LENGTH) / RATE
    distance = random.uniform(0.6, 0.9)
    beats = random.uniform(-0.4, 0.2) + distance * np.arange(8) + random.normal(0, 0.015, 8)
    changed = 1 + random.randint(3)
    if rhythm == "early beat":
        beats[changed + 1] -= random.uniform(0.3, 0.4) * distance
    elif rhythm == "pause":
        beats[changed + 1 :] += random.uniform(0.6, 1.0) * distance
    signal = 0.1 * np.sin(2 * np.pi * (time * random.uniform(0.1, 0.4) + random.uniform()))
    for beat in beats:
        for place, width, height in WAVES:
            signal += height * np.exp(-0.5 * ((time - beat - place) / width) ** 2)
    return random.uniform(0.7, 1.3) * signal + random.normal(0, 0.15, LENGTH)


class SignalCNN(nn.Module):
    """Standardised signals ``[N, C, T]`` to logits ``[N, num_outputs]``.

    Args:
        width: channels of each convolution.
    """

    def __init__(self, input_shape, num_outputs, width=8):
        super().__init__()
        if len(input_shape) != 2 or input_shape[1] < 16:
            raise ValueError("it takes signals of at least 16 values")
        channels = (input_shape[0], width, width, width, width)
        layers = [
            block(a, b, stride, dilation)
            for a, b, stride, dilation in zip(channels, channels[1:], (2, 2, 1, 1), (1, 1, 2, 8), strict=False)
        ]
        self.layers = nn.Sequential(*layers, block(width, 2 * width, 1, 16))
        self.head = nn.Linear(4 * width, num_outputs)

    def forward(self, signals):
        found = self.layers(signals)
        return self.head(torch.cat([found.mean(dim=2), found.amax(dim=2)], dim=1))


def block(before, after, stride, dilation):
    """A convolution over time with batch normalisation."""
    return nn.Sequential(
        nn.Conv1d(before, after, 7, stride, padding=3 * dilation, dilation=dilation, bias=False),
        nn.BatchNorm1d(after),
        nn.ReLU(),
    )
