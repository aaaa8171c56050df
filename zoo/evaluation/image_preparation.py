"""Find user images, and prepare them like the training images: find the strokes, invert, resize. Imports no torch."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ..data.images import FITS, SUFFIXES, as_array, decode, fit_image
from ..data.user_paths import as_path, kind_of, why
from ..errors import InvalidValue
from ..inputs.user_files import NOTHING, STDIN
from ..models.description import ModelDescription
from .strokes import find_digit, has_dark_strokes

LARGEST_STDIN = 2**30
"""Bytes of an image on standard input."""
LONGEST_NAME = 4_096
NO_FILE = {"missing": "no such file", "folder": "a folder, not a table", "other": "not a regular file"}
"""Why a path is no file, by its kind."""
_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"P4\n", b"P5\n", b"P6\n")
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


def image_sources(inputs: Iterable[Path | str]) -> Iterator[tuple[str, Path | bytes | str]]:
    """The name of each image, and its path or content; an error message if there is no image."""
    for given in inputs:
        if str(given) == STDIN:
            yield from _stdin_images()
        else:
            yield from _path_images(as_path(given))


def _path_images(path: Path) -> Iterator[tuple[str, Path | bytes | str]]:
    kind = kind_of_path(path)
    if kind != "folder":
        yield str(path), path if kind == "file" else NO_FILE.get(kind, kind)
        return
    found = False
    unreadable: list[OSError] = []
    for folder, below, names in os.walk(path, onerror=unreadable.append):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(names):
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                found = True
                yield os.path.join(folder, name), Path(folder, name)
    for error in unreadable:
        yield os.fsdecode(error.filename or path), why(error)
    if not found and not unreadable:
        yield str(path), f"no images in this folder: {NOTHING}"


def kind_of_path(path: Path) -> str:
    """As :func:`kind_of`, or why the path cannot be looked at."""
    try:
        return kind_of(path)
    except OSError as error:
        return why(error)


def _stdin_images() -> Iterator[tuple[str, Path | bytes | str]]:
    """The image on standard input, or the images whose names are there."""
    stream = sys.stdin.buffer
    start = stream.read(64)
    if not start.strip():
        yield STDIN, f"no image and no file names: {NOTHING}"
        return
    if _is_binary(start):
        content = start + stream.read(LARGEST_STDIN + 1)
        yield STDIN, content if len(content) <= LARGEST_STDIN else f"more than {LARGEST_STDIN:,} bytes"
        return
    # the bytes read so far belong to the first names
    rest = io.BufferedReader(_Joined(start, stream))
    while line := rest.readline(LONGEST_NAME + 1):
        name = os.fsdecode(line.rstrip(b"\r\n"))
        if len(line) > LONGEST_NAME or "\0" in name:
            yield STDIN, "neither an image nor a list of file names"
            return
        if name.strip():
            yield from _path_images(as_path(name))


def _is_binary(start: bytes) -> bool:
    """Whether a stream that begins with ``start`` is an image, or no text, rather than a list of file names."""
    return start.startswith(_SIGNATURES) or any(byte < 32 and byte not in b"\t\r\n" for byte in start)


class _Joined(io.RawIOBase):
    """A stream, preceded by bytes that were read from it before."""

    def __init__(self, start: bytes, rest: Any) -> None:
        self._start, self._rest = start, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._start or self._rest.read1(len(buffer))
        self._start = b""
        buffer[: len(part)] = part
        return len(part)
