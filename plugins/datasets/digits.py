"""The 1,797 handwritten digits bundled with scikit-learn, in the format of MNIST."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from zoo import Split, Splits, stratified_split

TEST_SAMPLES = 360
TEST_SEED = 0


def load(folder: Path, download: bool) -> Splits:
    """Read the bundled digits; ``folder`` and ``download`` are ignored.

    Each 8x8 image is enlarged to 20x20 and placed on 28x28 with its centre of mass at the centre, as in MNIST.

    Returns:
        1,437 training and 360 test images (stratified, fixed seed), uint8 ``[N, 1, 28, 28]``.
    """
    bundled = load_digits()
    images = torch.from_numpy(centre_on_28x28(bundled.images)).unsqueeze(1)
    everything = Split(images, torch.from_numpy(bundled.target.astype(np.int64)))
    train, test = stratified_split(everything.targets, TEST_SAMPLES, TEST_SEED)
    return Splits(everything.take(train), everything.take(test))


def centre_on_28x28(images: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Images ``[N, 8, 8]`` with values 0…16 as uint8 ``[N, 28, 28]`` with values 0…255.

    The linear interpolation is written in NumPy, so that the bytes are the same on every machine.
    """
    enlarge = _interpolation(8, 20)
    enlarged = np.einsum("ab,nbc,dc->nad", enlarge, images * (255 / 16), enlarge)
    # without the small addition, the order of summation would decide how exact halves are rounded
    pixels = np.floor(enlarged + 0.5 + 1e-6).clip(0, 255).astype(np.uint8)
    canvas = np.zeros((len(images), 28, 28), dtype=np.uint8)
    for image, place in zip(pixels, canvas, strict=True):
        top, left = (_offset(image.sum(axis=1 - axis)) for axis in (0, 1))
        place[top : top + 20, left : left + 20] = image
    return canvas


def _interpolation(size: int, new_size: int) -> NDArray[np.float64]:
    """The matrix ``[new_size, size]`` of linear interpolation; pixel centres are aligned, edges repeated."""
    centres = ((np.arange(new_size) + 0.5) * size / new_size - 0.5).clip(0, size - 1)
    weights: NDArray[np.float64] = np.maximum(0, 1 - np.abs(centres[:, None] - np.arange(size)))
    return weights


def _offset(profile: NDArray[np.uint64]) -> int:
    """Where a profile of 20 pixels must start so that its centre of mass is at the centre of 28."""
    centre = float((profile * np.arange(len(profile))).sum() / profile.sum())
    return int(np.clip(np.floor(13.5 - centre + 0.5), 0, 8))
