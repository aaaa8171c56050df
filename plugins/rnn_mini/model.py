"""A recurrent network that reads an image row by row."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

CELLS: dict[str, Callable[..., nn.Module]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class RNNMini(nn.Module):
    """``[N, C, H, W]`` to logits ``[N, num_outputs]``: a linear layer on the last of H states."""

    def __init__(self, step_size: int, num_outputs: int, cell: str, hidden: int) -> None:
        super().__init__()
        self.cell = CELLS[cell](step_size, hidden, batch_first=True)
        self.fc = nn.Linear(hidden, num_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of ``inputs``."""
        rows = inputs.transpose(1, 2).flatten(2)  # [N, H, C x W]
        states, _ = self.cell(rows)
        return self.fc(states[:, -1])  # type: ignore[no-any-return]


def build(input_shape: tuple[int, int, int], num_outputs: int, cell: str = "gru", hidden: int = 128) -> nn.Module:
    """Build the network for images of ``input_shape`` (channels, height, width).

    Args:
        cell: a key of :data:`CELLS`.
        hidden: size of the hidden state.

    Raises:
        ValueError: the samples are not images.
    """
    if len(input_shape) != 3:
        raise ValueError("it needs images, because it reads them row by row")
    channels, _, width = input_shape
    return RNNMini(channels * width, num_outputs, cell, hidden)
