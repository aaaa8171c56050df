"""Read image files as uint8 arrays: decoded, upright, resized. Imports no torch."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from .user_paths import open_regular, why

SUFFIXES = frozenset([".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"])
_UNPACK, _SAVE, _MODEL = "Unpack it and give the folder or the CSV file.", "Save it as CSV.", "It is a file of a model."
_NO_TABLES = {
    **dict.fromkeys((".zip", ".tar", ".tgz", ".bz2", ".xz", ".7z", ".rar"), _UNPACK),
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".parquet", ".feather", ".json", ".jsonl", ".npy", ".npz"), _SAVE),
    **dict.fromkeys((".onnx", ".pt", ".pt2", ".pth", ".safetensors"), _MODEL),
}
"""What to do with files that are not tables, by suffix."""
FITS = ("crop", "pad", "stretch")
FORMATS = ("BMP", "GIF", "JPEG", "PPM", "PNG", "AVIF", "DIB", "ICO", "JPEG2000", "MPO", "TGA", "TIFF", "WEBP")
"""The formats that are read, whatever the suffix."""
LARGEST = 100_000_000
"""Pixels of the largest image that is decoded: 100 MB in grey."""


def read_image(path: Path, shape: Sequence[int], fit: str = "crop") -> NDArray[np.uint8]:
    """An image file of any mode and size as uint8 ``[C, H, W]``, upright; transparent pixels become white.

    Args:
        shape: channels (1 or 3), height, width.
        fit: one of :data:`FITS`.

    Raises:
        OSError, ValueError: the file is not an image, or damaged.
    """
    return as_array(fit_image(decode(path, shape[0]), shape, fit))


def decode(source: Path | bytes, channels: int) -> Image.Image:
    """An image with eight bits per channel, upright; transparent pixels become white.

    Args:
        source: a file, or its content.
        channels: 1 for grey, 3 for colour.

    Raises:
        OSError, ValueError: it is not an image, damaged, or larger than :data:`LARGEST`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd metadata, and about large images below the limit
        with open_image(source) as opened:
            return _eight_bits(ImageOps.exif_transpose(opened), "L" if channels == 1 else "RGB")


@contextlib.contextmanager
def open_image(source: Path | bytes) -> Iterator[Image.Image]:
    """The header of an image; its pixels are decoded when they are used.

    Only :data:`FORMATS` are tried: other programs decode some formats for Pillow (EPS), and a file chooses its format.

    Raises:
        OSError, ValueError: it is not an image, damaged, or larger than :data:`LARGEST`.
    """
    with io.BytesIO(source) if isinstance(source, bytes) else open_regular(source) as file:
        try:
            image = _identify(file)
        except Image.DecompressionBombError as error:
            raise ValueError(f"more than {LARGEST:,} pixels") from error
        with image:
            if image.width * image.height > LARGEST:
                raise ValueError(f"{image.width:,} x {image.height:,} pixels, more than {LARGEST:,}")
            yield image


def _identify(file: BinaryIO) -> Image.Image:
    try:
        return Image.open(file, formats=FORMATS[:5])  # those that Pillow has always loaded
    except UnidentifiedImageError:
        if not file.seek(0, os.SEEK_END):
            raise ValueError("empty file") from None
        file.seek(0)
        Image.init()
        return Image.open(file, formats=[name for name in FORMATS[5:] if name in Image.OPEN])


def fit_image(image: Image.Image, shape: Sequence[int], fit: str) -> Image.Image:
    """``image`` resized to ``shape``, ``(C, H, W)``; unchanged if it has that height and width.

    Args:
        fit: crop at the centre, pad with black, or stretch.
    """
    _, height, width = shape
    if image.size == (width, height):
        return image
    method = Image.Resampling.BILINEAR
    if fit == "crop":
        return ImageOps.fit(image, (width, height), method)
    if fit == "pad":
        return ImageOps.pad(image, (width, height), method, color=0)
    return image.resize((width, height), method)


def as_array(image: Image.Image) -> NDArray[np.uint8]:
    """A grey or colour image as uint8 ``[C, H, W]``."""
    array = np.asarray(image, dtype=np.uint8)
    return array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))


def reason(error: Exception) -> str:
    """Why a file cannot be read, in a few words."""
    if isinstance(error, OSError) and error.strerror:
        return why(error)
    text = " ".join(str(error).split())
    return "not an image" if "cannot identify" in text else text[:120] or type(error).__name__


def _eight_bits(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":  # 16 bits or more: scaled to 8 by the range of the type
        values = np.asarray(image, dtype=np.float64)
        if np.isnan(values).any():  # what a cast makes of it depends on the processor
            raise ValueError("has pixels that are not numbers (NaN)")
        top = 65_535.0 if values.max(initial=0) > 255 else 255.0
        image = Image.fromarray((values.clip(0, top) * (255 / top)).round().astype(np.uint8))
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA"):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert(mode)


def why_no_dataset(path: Path) -> str:
    """Why a file cannot be a dataset, by its suffix, and what to do; empty if it may be a table."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return (
            f"{path} is an image. A dataset is a folder with a subfolder of images for each class, a CSV file, or a "
            "name of `zoo datasets`. `zoo predict` takes single images."
        )
    return f"{path} is not a CSV file. {_NO_TABLES[suffix]}" if suffix in _NO_TABLES else ""
