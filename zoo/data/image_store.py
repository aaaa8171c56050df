"""Decode a folder of images: into memory or, if they need too much of it, into files mapped into memory.

The files are written once, below the data folder, and every later training uses them. A mapped split is read while
the batch before is computed, so that training never waits for the decoding of images.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DataError
from ..files import make_folder, write_json
from .images import read_image, reason
from .splits import Pieces, Split, Splits, hash_pieces, stratified_split, validation_indices

Sample = tuple[Path, int]
Samples = dict[str, list[Sample]]
"""For each split, every file and its class."""
CHUNK = 256


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
    return _mapped(samples, shape, options["fit"], folder, needed)


def _mapped(samples: Samples, shape: tuple[int, int, int], fit: str, folder: Path, needed: int) -> Splits:
    place = folder / "images" / _key(samples, shape, fit)
    order = None
    if "validation" not in samples:  # held out now, in a file of its own: later it would copy all images
        order = validation_indices(_targets(samples["train"]))
        whole = samples["train"]
        samples = {**samples, "train": [whole[i] for i in order[0]], "validation": [whole[i] for i in order[1]]}
    store = place / "store.json"
    if not store.is_file():
        _make(place, samples, shape, fit, needed)
        write_json(store, {"fingerprint": _fingerprint(_open(place, samples), order)})
    splits = _open(place, samples)
    known = json.loads(store.read_text(encoding="utf-8"))["fingerprint"]
    return Splits(splits.train, splits.test, splits.validation, fingerprint=known)


def _make(place: Path, samples: Samples, shape: tuple[int, int, int], fit: str, needed: int) -> None:
    make_folder(place)
    free = shutil.disk_usage(place).free
    if free < needed:
        raise DataError(
            f"The decoded images need {needed / 1e9:.1f} GB, but {place} has room for {free / 1e9:.1f} GB. "
            "Give a smaller --data-option size=…, or another --data-dir."
        )
    for split, found in samples.items():

        def room(count: int, split: str = split) -> NDArray[np.uint8]:
            return np.lib.format.open_memmap(place / f"{split}.npy", mode="w+", dtype=np.uint8, shape=(count, *shape))

        _decode(found, shape, fit, room)


def _open(place: Path, samples: Samples) -> Splits:
    def split(name: str) -> Split:
        # copy on write: torch needs a writable array, and the file must not change
        images = np.load(place / f"{name}.npy", mmap_mode="c")
        return Split(torch.from_numpy(images), _targets(samples[name]), mapped=True)

    return Splits(split("train"), split("test"), split("validation"))


def _decode(
    samples: Sequence[Sample],
    shape: tuple[int, int, int],
    fit: str,
    room: Callable[[int], NDArray[np.uint8]] | None = None,
) -> torch.Tensor:
    """Decode all images on all cores: uint8 ``[N, C, H, W]``, in the array that ``room`` returns or in memory."""
    images = room(len(samples)) if room else np.empty((len(samples), *shape), dtype=np.uint8)
    reasons: dict[Path, str] = {}

    def read(place: int) -> None:
        path = samples[place][0]
        try:
            images[place] = read_image(path, shape, fit)
        except Exception as error:  # whatever a damaged file makes the decoder raise
            reasons[path] = reason(error)

    with ThreadPoolExecutor() as pool:  # decoding releases the interpreter lock
        for start in range(0, len(samples), 64 * CHUNK):  # in parts: not a million tasks at once
            list(pool.map(read, range(start, min(start + 64 * CHUNK, len(samples)))))
    if reasons:
        raise Damaged({path: reasons[path] for path, _ in samples if path in reasons})
    return torch.from_numpy(images)


def _targets(samples: Sequence[Sample]) -> torch.Tensor:
    return torch.tensor([target for _, target in samples], dtype=torch.int64)


def _key(samples: Samples, shape: tuple[int, int, int], fit: str) -> str:
    """A name that changes if a file, its class, the shape or the fit changes."""
    digest = hashlib.sha256(f"{shape} {fit}".encode())
    for split, found in samples.items():
        for path, target in found:
            status = path.stat()
            digest.update(f"{split} {path.resolve()} {target} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def _fingerprint(splits: Splits, order: tuple[torch.Tensor, torch.Tensor] | None) -> str:
    """The same as :func:`zoo.fingerprint` of these images in memory.

    Args:
        order: which samples of the original train split are in ``train`` and in ``validation``; None if the dataset has
            a validation split.
    """
    train, validation = splits.train, splits.validation
    assert validation is not None
    if order is None:
        return hash_pieces(_of(train), _of(splits.test), _of(validation))
    whole = torch.empty(len(train) + len(validation), dtype=torch.int64)
    whole[order[0]] = torch.arange(len(train))
    whole[order[1]] = len(train) + torch.arange(len(validation))
    shape = (len(whole), *train.inputs.shape[1:])
    targets = torch.cat([train.targets, validation.targets])[whole]

    def images() -> Iterator[torch.Tensor]:
        for place in whole.tolist():
            yield train.inputs[place] if place < len(train) else validation.inputs[place - len(train)]

    return hash_pieces(((shape, images()), (targets.shape, [targets])), _of(splits.test))


def _of(split: Split) -> Pieces:
    return (split.inputs.shape, iter(split.inputs)), (split.targets.shape, [split.targets])


def _memory() -> int:
    """Bytes of physical memory; 4 GiB if the system does not know."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 4 * 2**30
