"""Decode a folder of images: into memory or, if they need too much of it, into files mapped into memory.

The files are written once, below the data folder, and every later training uses them: see :mod:`.image_cache`. A mapped
split is read while the batch before is computed, so that training never waits for the decoding of images.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from . import image_cache
from .images import read_image, reason
from .splits import Split, Splits, stratified_split, validation_indices

Sample = tuple[Path, int]
Samples = dict[str, list[Sample]]
"""For each split, every file and its class."""
CHUNK_IMAGES, CHUNK_BYTES = 16_384, 2**26
"""At most so many images are decoded at once, and written."""


class Damaged(Exception):
    """Some files cannot be decoded although their header is fine: each with the reason."""

    def __init__(self, reasons: dict[Path, str]) -> None:
        super().__init__(f"{len(reasons)} damaged files")
        self.reasons = reasons


def load_images(samples: Samples, shape: tuple[int, int, int], options: dict[str, Any], folder: Path) -> Splits:
    """Decode every image, or map the files that an earlier call has decoded.

    Args:
        samples: of each split; without ``test``, a fraction of ``train`` is held out.
        shape: channels, height and width of every image.
        options: ``fit``, ``test``, ``split`` and ``hold``.
        folder: the data folder, for files of decoded images.

    Raises:
        Damaged: some files cannot be decoded.
        DataError: the disk is too full.
        ZooError: the data folder cannot be written.
    """
    if "test" not in samples:
        targets = _targets(samples["train"])
        held_out = max(1, round(len(targets) * options["test"]))
        kept, held = stratified_split(targets, held_out, options["split"])
        whole = samples["train"]
        samples = {**samples, "train": [whole[i] for i in kept], "test": [whole[i] for i in held]}
    needed = sum(map(len, samples.values())) * int(np.prod(shape))
    if options["hold"] == "memory" or (options["hold"] == "auto" and needed <= _memory() // 2):
        fit = options["fit"]
        decoded = {split: Split(_decode(found, shape, fit), _targets(found)) for split, found in samples.items()}
        return Splits(decoded["train"], decoded["test"], decoded.get("validation"))
    return _mapped(samples, shape, options["fit"], folder)


def _mapped(samples: Samples, shape: tuple[int, int, int], fit: str, folder: Path) -> Splits:
    """The splits in files; the files are written if they are missing, damaged or of other images."""
    key = image_cache.key(samples, f"{shape} {fit}")
    order = None
    if "validation" not in samples:  # held out now, in a file of its own: later it would copy all images
        order = validation_indices(_targets(samples["train"]))
        whole = samples["train"]
        samples = {**samples, "train": [whole[i] for i in order[0]], "validation": [whole[i] for i in order[1]]}
    targets = {split: _targets(found) for split, found in samples.items()}

    def decode(split: str) -> Iterator[NDArray[np.uint8]]:
        return _chunks(samples[split], shape, fit)

    return image_cache.open_or_make(folder / "images", key, targets, shape, order, decode)


def _decode(samples: Sequence[Sample], shape: tuple[int, int, int], fit: str) -> torch.Tensor:
    """Decode all images into memory: uint8 ``[N, C, H, W]``."""
    images = np.empty((len(samples), *shape), dtype=np.uint8)
    for _ in _chunks(samples, shape, fit, lambda first, last: images[first:last]):
        pass  # each chunk is a part of the array
    return torch.from_numpy(images)


def _chunks(
    samples: Sequence[Sample],
    shape: tuple[int, int, int],
    fit: str,
    room: Callable[[int, int], NDArray[np.uint8]] | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """Decode all images on all cores, a chunk at a time: uint8 ``[N, C, H, W]``.

    Args:
        room: the array for the images from the first to before the last number; None: a new one for each chunk.

    Raises:
        Damaged: after all chunks, if some files cannot be decoded.
    """
    reasons: dict[Path, str] = {}
    size = max(1, min(CHUNK_IMAGES, CHUNK_BYTES // int(np.prod(shape))))
    with ThreadPoolExecutor() as pool:  # decoding releases the interpreter lock
        for start in range(0, len(samples), size):  # in parts: not a million tasks at once
            stop = min(start + size, len(samples))
            images = room(start, stop) if room else np.empty((stop - start, *shape), dtype=np.uint8)

            def read(place: int, start: int = start, images: NDArray[np.uint8] = images) -> None:
                path = samples[place][0]
                try:
                    images[place - start] = read_image(path, shape, fit)
                except Exception as error:  # whatever a damaged file makes the decoder raise
                    reasons[path] = reason(error)

            list(pool.map(read, range(start, stop)))
            yield images
    if reasons:
        raise Damaged({path: reasons[path] for path, _ in samples if path in reasons})


def _targets(samples: Sequence[Sample]) -> torch.Tensor:
    return torch.tensor([target for _, target in samples], dtype=torch.int64)


def _memory() -> int:
    """Bytes of physical memory; 4 GiB if the system does not know."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 4 * 2**30
