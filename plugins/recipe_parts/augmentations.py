"""Random augmentations of training images beside those that are hyperparameters."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

POINTS = 5
"""Points of the coarse grid along each side."""


def draw_elastic(shape: tuple[int, ...], generator: torch.Generator, distortion: float) -> Tensor:
    """The displacement of each point of a coarse grid, vertical and horizontal, as a fraction of the side.

    Returns:
        ``[N, 2, 5, 5]``, normal with deviation ``distortion``; ``[N, 0]`` for inputs that are no images.
    """
    if len(shape) != 4:
        return torch.zeros(shape[0], 0)
    return distortion * torch.randn(shape[0], 2, POINTS, POINTS, generator=generator)


def apply_elastic(inputs: Tensor, drawn: Tensor, distortion: float) -> Tensor:
    """Move each pixel by a smooth random field (Simard et al., 2003), which bends lines as different hands do.

    The field is the bicubic interpolation of the coarse grid. Outside the image its border continues.

    Args:
        inputs: ``[N, C, H, W]``; other inputs stay as they are.
        drawn: what :func:`draw_elastic` returned.
        distortion: is in ``drawn`` already.

    Returns:
        float32 in the range of ``inputs``.
    """
    if inputs.ndim != 4:
        return inputs
    height, width = inputs.shape[2:]
    field = functional.interpolate(drawn, size=(height, width), mode="bicubic", align_corners=True)
    # places run from -1 to 1 over the whole side
    y = (torch.arange(height, device=inputs.device) * 2 + 1) / height - 1
    x = (torch.arange(width, device=inputs.device) * 2 + 1) / width - 1
    grid = torch.stack((x[None, None, :] + 2 * field[:, 1], y[None, :, None] + 2 * field[:, 0]), 3)
    return functional.grid_sample(inputs.float(), grid, padding_mode="border", align_corners=False)
