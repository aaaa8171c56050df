"""Random augmentation of training images: drawn for a whole batch, then applied to all images at once.

The random numbers come from the default generators of torch, which the trainer seeds for each step. So a resumed run
draws the same numbers as an uninterrupted run. They are drawn for the whole batch, and then cut: the augmentation does
not depend on the number of processes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..specs.hyperparameters import Hyperparameters


@dataclass(frozen=True, slots=True)
class Augmentation:
    """The random augmentation of N training images.

    Args:
        values: the random values by name of the hyperparameter, each ``[…, N]``. Without those
            that are off.
        mixup: the weight of each image in its mixture with a partner, the same for all; None: no mixup.
    """

    values: Mapping[str, Tensor]
    mixup: float | None = None

    def part(self, samples: slice) -> Augmentation:
        """The augmentation of some of the images."""
        return Augmentation({name: value[..., samples] for name, value in self.values.items()}, self.mixup)

    def partners(self) -> Augmentation:
        """The augmentation of the image that each is mixed with: the next one of the batch, for the last the first."""
        return Augmentation({name: value.roll(-1, -1) for name, value in self.values.items()}, self.mixup)


def draw_augmentation(count: int, hyperparameters: Hyperparameters, device: torch.device) -> Augmentation:
    """Draw the random augmentation of ``count`` images from the default generators, which :func:`seed_step` seeds."""
    h = hyperparameters
    values: dict[str, Tensor] = {}

    def uniform(rows: int, reach: float) -> Tensor:
        return (2 * torch.rand(rows, count, device=device) - 1) * reach

    if h.shift:
        values["shift"] = torch.randint(0, 2 * h.shift + 1, (2, count, 1), device=device)[..., 0]
    if h.flip:
        values["flip"] = torch.randint(0, 2, (count, 1, 1, 1), device=device, dtype=torch.bool)[:, 0, 0, 0]
    if h.rotate:
        values["rotate"] = uniform(1, math.radians(h.rotate))
    if h.zoom:
        values["zoom"] = 1 + uniform(1, h.zoom)
    if h.crop:
        values["crop"] = torch.rand(4, count, device=device)
    if h.colour:
        values["colour"] = 1 + uniform(3, h.colour)
    if h.erase:
        values["erase"] = torch.rand(5, count, device=device)
    mixup = None
    if h.mixup and count:  # on the CPU: the same for every device
        mixup = float(torch.distributions.Beta(h.mixup, h.mixup).sample())
    return Augmentation(values, mixup)


def augment(images: Tensor, drawn: Augmentation, part: slice, hyperparameters: Hyperparameters) -> Tensor:
    """Apply the augmentation that is drawn for a batch to the images of a part of it. Other inputs stay as they are.

    Args:
        images: ``[n, C, H, W]``, the images of the part; for mixup ``[2n, C, H, W]``, followed by their partners.
        drawn: for the whole batch.
        part: which images of the batch they are.

    Returns:
        ``[n, C, H, W]``: uint8 as ``images`` for shift and flip alone, else float32 in the same range.
    """
    if images.ndim != 4:
        return images
    if drawn.mixup is None:
        return transform(images, drawn.part(part), hyperparameters)
    own, partners = images.chunk(2)
    own = transform(own, drawn.part(part), hyperparameters).float()
    partners = transform(partners, drawn.partners().part(part), hyperparameters).float()
    return drawn.mixup * own + (1 - drawn.mixup) * partners


def transform(images: Tensor, drawn: Augmentation, hyperparameters: Hyperparameters) -> Tensor:
    """Apply everything that is drawn except mixup to the images ``[N, C, H, W]``.

    The transforms and functions of ``torchvision.transforms.v2`` apply one random draw to a whole batch. Here each
    image has its own draw, and all are computed at once. For each image the result equals that of torchvision.
    """
    values = drawn.values
    if "shift" in values:
        images = shift(images, values["shift"], hyperparameters.shift)
    if "flip" in values:
        images = torch.where(values["flip"][:, None, None, None], images.flip(3), images)
    if values.keys() & {"rotate", "zoom", "crop"}:
        images = move(images, values, hyperparameters.crop)
    if "colour" in values:
        images = change_colours(images, values["colour"])
    if "erase" in values:
        images = erase(images, values["erase"], hyperparameters.erase)
    return images


def shift(images: Tensor, offsets: Tensor, pixels: int) -> Tensor:
    """Move each image of ``[N, C, H, W]`` by its own number of pixels, and fill with zeros.

    Args:
        offsets: vertical and horizontal, int64 ``[2, N]``, from 0 (down, right) to twice ``pixels`` (up, left).
        pixels: the maximum shift.
    """
    count, _, height, width = images.shape
    padded = nn.functional.pad(images, [pixels] * 4)
    rows = torch.arange(height, device=images.device) + offsets[0, :, None]
    columns = torch.arange(width, device=images.device) + offsets[1, :, None]
    samples = torch.arange(count, device=images.device)[:, None, None]
    return padded[samples, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def move(images: Tensor, values: Mapping[str, Tensor], cut: float) -> Tensor:
    """Rotate, zoom and crop each image of ``[N, C, H, W]`` by its own values, in one bilinear interpolation.

    A crop has a random area, a random aspect ratio from 3/4 to 4/3 and a random place (Szegedy et al., 2015), and is
    enlarged to the size of the image. Outside the image its border continues, so that no new edges appear.

    Args:
        values: some of ``rotate``, in radians; ``zoom``, a factor; ``crop``, four numbers from 0 to 1. ``[…, N]`` each.
        cut: the largest fraction of the area that a crop cuts off.
    """
    count, _, height, width = images.shape
    device = images.device
    one = torch.ones(count, device=device)
    angle, zoom = (values[key][0] if key in values else start * one for key, start in (("rotate", 0), ("zoom", 1)))
    down = across = one  # the size of the crop as a fraction of the image
    centre_y = centre_x = 0 * one  # in pixels from the centre of the image
    if "crop" in values:
        area, ratio, place_y, place_x = values["crop"]
        kept, ratio = 1 - cut * area, torch.exp((2 * ratio - 1) * math.log(4 / 3))
        down, across = ((kept / ratio).sqrt().clamp(max=1), (kept * ratio).sqrt().clamp(max=1))
        centre_y, centre_x = ((place_y - 0.5) * (1 - down) * height, (place_x - 0.5) * (1 - across) * width)
    # element by element: under autocast a matrix product would have a lower precision
    y = (torch.arange(height, device=device) - (height - 1) / 2)[None, :, None] * down[:, None, None]
    x = (torch.arange(width, device=device) - (width - 1) / 2)[None, None, :] * across[:, None, None]
    y, x = y + centre_y[:, None, None], x + centre_x[:, None, None]
    sine, cosine = ((torch.sin(angle) / zoom)[:, None, None], (torch.cos(angle) / zoom)[:, None, None])
    from_y, from_x = (cosine * y - sine * x, cosine * x + sine * y)
    grid = torch.stack((from_x * (2 / width), from_y * (2 / height)), 3)
    return nn.functional.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)


def change_colours(images: Tensor, factors: Tensor) -> Tensor:
    """Multiply brightness, contrast and (colour images) saturation of each image by its own ``factors`` ``[3, N]``."""
    brightness, contrast, saturation = factors[:, :, None, None, None]
    images = (images.float() * brightness).clamp(0, 255)
    mean = _grey(images).mean((1, 2, 3), keepdim=True)
    images = (mean + contrast * (images - mean)).clamp(0, 255)
    if images.shape[1] == 3:
        grey = _grey(images)
        images = (grey + saturation * (images - grey)).clamp(0, 255)
    return images


def erase(images: Tensor, values: Tensor, probability: float) -> Tensor:
    """Fill a rectangle of some images with their own mean (Zhong et al., 2020).

    Args:
        values: five numbers from 0 to 1 for each image, ``[5, N]``: whether it is erased, the area (2% to 33%), the
            aspect ratio (0.3 to 3.3), and the place.
        probability: that an image is erased.
    """
    height, width = images.shape[2:]
    chosen, area, ratio, place_y, place_x = values
    area, ratio = 0.02 + 0.31 * area, torch.exp((2 * ratio - 1) * math.log(3.3))
    tall, wide = ((area * ratio).sqrt().clamp(max=1) * height, (area / ratio).sqrt().clamp(max=1) * width)
    top, left = place_y * (height - tall), place_x * (width - wide)
    y, x = torch.arange(height, device=images.device) + 0.5, torch.arange(width, device=images.device) + 0.5
    rows = (y >= top[:, None]) & (y < (top + tall)[:, None])
    columns = (x >= left[:, None]) & (x < (left + wide)[:, None])
    hidden = (chosen < probability)[:, None, None] & rows[:, :, None] & columns[:, None, :]
    images = images.float()
    return torch.where(hidden[:, None], images.mean((2, 3), keepdim=True), images)


def _grey(images: Tensor) -> Tensor:
    """The luma of colour images (ITU-R BT.601), ``[N, 1, H, W]``; grey images as they are."""
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    red, green, blue = images[:, :1], images[:, 1:2], images[:, 2:]
    return 0.2989 * red + 0.587 * green + 0.114 * blue
