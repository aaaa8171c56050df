"""Prepare user images like the training images: invert, frame, resize. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ..data.images import FITS, as_array, decode, fit_image
from ..errors import InvalidValue
from ..models.description import ModelDescription

CHOICES = ("auto", "yes", "no")
STROKES_BELOW = 56
"""A mean pixel below this means thin light strokes on black (MNIST 33, its bundled stand-in 34). Images of objects that
fill the picture have a higher one (Fashion-MNIST 73, CIFAR-10 121)."""
DARK_BELOW, LIGHT_ABOVE = 96, 160
"""A mean pixel below the first means dark images, above the second light ones."""
BOX = 20 / 28
"""MNIST digits were resized to fit a box of 20 of the 28 pixels and centred by mass (LeCun et al. 1998)."""
FAINTEST = 32
"""An image in which no pixel differs more than this from the background contains no strokes."""


@dataclass(frozen=True, slots=True)
class ImagePreparation:
    """How images are converted to the input of the network.

    Args:
        invert: ``yes``, ``no`` or ``auto``. ``auto`` inverts an image that is dark on light if the training images were
            light on dark, or the reverse.
        frame: ``yes``, ``no`` or ``auto``. Framing cuts the strokes out, resizes and centres them like MNIST digits;
            ``auto`` does so if the training images were such strokes.
        fit: ``crop``, ``pad`` or ``stretch``: what to do with an image of another shape that is not framed.
    """

    invert: str = "auto"
    frame: str = "auto"
    fit: str = "crop"

    def __post_init__(self) -> None:
        for name, allowed in (("invert", CHOICES), ("frame", CHOICES), ("fit", FITS)):
            if getattr(self, name) not in allowed:
                raise InvalidValue(f"{name} {getattr(self, name)!r} is not one of {', '.join(allowed)}.")


def prepare_image(
    source: Path | bytes, description: ModelDescription, preparation: ImagePreparation
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Convert an image to the input of the model.

    With ``auto``, an image that already has the right size is neither framed nor resized.

    Args:
        source: a file, or its content.

    Returns:
        The image, uint8 ``[C, H, W]``, and the steps that were applied: see :attr:`zoo.Prediction.steps`.

    Raises:
        OSError, ValueError: the file is not an image, or is damaged.
    """
    shape = description.input_shape
    image = decode(source, shape[0])
    steps = []
    mean = description.mean_pixel
    if _to_invert(image, mean, shape[0], preparation.invert):
        image = ImageOps.invert(image)
        steps.append("inverted")
    height, width = shape[1:]
    fits = image.size == (width, height)
    strokes = shape[0] == 1 and mean is not None and mean < STROKES_BELOW
    if preparation.frame == "yes" or (preparation.frame == "auto" and strokes and not fits):
        framed = _framed(image, height, width)
        if framed is not None:
            return as_array(framed), (*steps, "framed")
    if not fits:
        steps.append(f"{preparation.fit} to {width}x{height}")
    return as_array(fit_image(image, shape, preparation.fit)), tuple(steps)


def _to_invert(image: Image.Image, mean: float | None, channels: int, choice: str) -> bool:
    if choice != "auto":
        return choice == "yes"
    if mean is None or channels != 1:
        return False
    ground = _ground(np.asarray(image))
    return (mean < DARK_BELOW and ground > LIGHT_ABOVE) or (mean > LIGHT_ABOVE and ground < DARK_BELOW)


def _ground(pixels: NDArray[Any]) -> float:
    """The brightness of the background, 0 to 255: the median along the border."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return float(np.median(border))


def _framed(image: Image.Image, height: int, width: int) -> Image.Image | None:
    """Light strokes on black, cut out, resized to the box and centred by mass; None if there are no strokes."""
    pixels = np.asarray(image.convert("L"), dtype=np.float32)
    ground, top = _ground(pixels), float(pixels.max())
    if top - ground < FAINTEST:
        return None
    ink = ((pixels - ground) / (top - ground)).clip(0, 1)
    rows, columns = (np.flatnonzero((ink > 0.25).any(axis=axis)) for axis in (1, 0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = min(height * BOX / ink.shape[0], width * BOX / ink.shape[1])
    size = (max(1, round(ink.shape[1] * scale)), max(1, round(ink.shape[0] * scale)))
    small = Image.fromarray((ink * 255).round().astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
    values = np.asarray(small, dtype=np.float64)
    mass = values.sum() or 1.0
    centre = (values.sum(0) @ (np.arange(size[0]) + 0.5) / mass, values.sum(1) @ (np.arange(size[1]) + 0.5) / mass)
    places = [
        int(np.clip(round(full / 2 - middle), 0, full - part))
        for full, middle, part in zip((width, height), centre, size, strict=True)
    ]
    canvas = Image.new("L", (width, height))
    canvas.paste(small, (places[0], places[1]))
    return canvas
