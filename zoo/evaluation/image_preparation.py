"""Prepare user images like the training images: find the strokes, invert, resize. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ..data.images import FITS, as_array, decode, fit_image
from ..errors import InvalidValue
from ..models.description import ModelDescription
from .strokes import find_digit, has_dark_strokes

CHOICES = ("auto", "yes", "no")
STROKES_BELOW = 56
"""A mean pixel below this means thin light strokes on black (MNIST 33, its bundled stand-in 34). Images of objects that
fill the picture have a higher one (Fashion-MNIST 73, CIFAR-10 121)."""
DARK_BELOW, LIGHT_ABOVE = 96, 160
"""A mean pixel below the first means dark images, above the second light ones."""
FAINTEST = 32
"""An image in the size of the network has no strokes if its pixels differ by less than this."""
NO_DIGIT = "no digit found: the image shows no strokes; --frame no predicts it as it is"


@dataclass(frozen=True, slots=True)
class ImagePreparation:
    """How images are converted to the input of the network.

    Args:
        invert: ``yes``, ``no`` or ``auto``. ``auto`` inverts an image that is dark on light if the training images were
            light on dark, or the reverse.
        frame: ``yes``, ``no`` or ``auto``. Framing finds the strokes of a digit in a photo or drawing, without shadows
            and ruled lines, and redraws them like an MNIST digit; ``auto`` does so if the training images were such
            strokes.
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
        OSError, ValueError: the file is not an image, or is damaged; or it shows no strokes, and the training images
            were strokes.
    """
    shape = description.input_shape
    image = decode(source, shape[0])
    mean = description.mean_pixel
    height, width = shape[1:]
    fits = image.size == (width, height)
    if preparation.frame == "yes" or (preparation.frame == "auto" and takes_strokes(description) and not fits):
        return _framed(image, shape, preparation.invert)
    checked = fits and preparation.frame == "auto" and takes_strokes(description)
    if checked and int(np.ptp(np.asarray(image))) < FAINTEST:
        raise ValueError(NO_DIGIT)
    steps = []
    if _to_invert(image, mean, shape[0], preparation.invert):
        image = ImageOps.invert(image)
        steps.append("inverted")
    if not fits:
        steps.append(f"{preparation.fit} to {width}x{height}")
    return as_array(fit_image(image, shape, preparation.fit)), tuple(steps)


def takes_strokes(description: ModelDescription) -> bool:
    """Whether the training images were thin light strokes on black, such as MNIST digits."""
    mean = description.mean_pixel
    return description.input_shape[0] == 1 and mean is not None and mean < STROKES_BELOW


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


def _framed(image: Image.Image, shape: Sequence[int], invert: str) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Light strokes on black, redrawn like an MNIST digit, uint8 ``[C, H, W]``, and the steps."""
    pixels = np.asarray(image.convert("L"), dtype=np.uint8)
    dark = has_dark_strokes(pixels) if invert == "auto" else invert == "yes"
    found = find_digit(pixels, shape[1], shape[2], dark)
    if found is None:
        raise ValueError(NO_DIGIT)
    return np.repeat(found[None], shape[0], axis=0), ("inverted", "framed") if dark else ("framed",)
