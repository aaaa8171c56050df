"""The 1,797 handwritten digits bundled with scikit-learn, in the format of MNIST."""

from __future__ import annotations

import functools
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
    everything = _everything()
    train, test = stratified_split(everything.targets, TEST_SAMPLES, TEST_SEED)
    return Splits(everything.take(train), everything.take(test))


@functools.cache
def _everything() -> Split:
    """All images, enlarged once in a process; the splits are copies."""
    bundled = load_digits()
    images = torch.from_numpy(centre_on_28x28(bundled.images)).unsqueeze(1)
    return Split(images, torch.from_numpy(bundled.target.astype(np.int64)))


def centre_on_28x28(images: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Images ``[N, 8, 8]`` with values 0…16 as uint8 ``[N, 28, 28]`` with values 0…255.

    The linear interpolation is written in NumPy, so that the bytes are the same on every machine.
    """
    enlarge = _interpolation(8, 20)
    enlarged = np.einsum("nac,dc->nad", np.einsum("ab,nbc->nac", enlarge, images * (255 / 16)), enlarge)
    # without the small addition, the order of summation would decide how exact halves are rounded
    pixels = np.floor(enlarged + 0.5 + 1e-6).clip(0, 255).astype(np.uint8)
    top, left = _offsets(pixels.sum(axis=2)), _offsets(pixels.sum(axis=1))
    rows, columns = top[:, None] + np.arange(20), left[:, None] + np.arange(20)
    canvas = np.zeros((len(images), 28, 28), dtype=np.uint8)
    canvas[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]] = pixels
    return canvas


def _interpolation(size: int, new_size: int) -> NDArray[np.float64]:
    """The matrix ``[new_size, size]`` of linear interpolation; pixel centres are aligned, edges repeated."""
    centres = ((np.arange(new_size) + 0.5) * size / new_size - 0.5).clip(0, size - 1)
    weights: NDArray[np.float64] = np.maximum(0, 1 - np.abs(centres[:, None] - np.arange(size)))
    return weights


def _offsets(profiles: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Where profiles ``[N, 20]`` must start so that their centres of mass are at the centre of 28 pixels."""
    centres = (profiles * np.arange(profiles.shape[1])).sum(axis=1) / profiles.sum(axis=1)
    offsets: NDArray[np.int64] = np.floor(13.5 - centres + 0.5).clip(0, 8).astype(np.int64)
    return offsets
