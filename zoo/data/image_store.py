"""A folder of images decoded: held in memory, or, where it is too large for that, in files mapped into memory.

The files are made once, below the data folder, and used by every later training; the system reads of them what a batch
needs, while the batch before it is computed. No decoding is left in the training, so it does not wait for it.
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
"""Of each split, every file and its class."""
CHUNK = 256


class Damaged(Exception):
    """Files that are no images after all, and why."""

    def __init__(self, reasons: dict[Path, str]) -> None:
        super().__init__(f"{len(reasons)} damaged files")
        self.reasons = reasons


def load_images(samples: Samples, shape: tuple[int, int, int], options: dict[str, Any], folder: Path) -> Splits:
    """Decode every image, or map those that were decoded before.

    Args:
        samples: of each split; without ``test``, a part of ``train`` is held out.
        shape: channels, height and width.
        options: ``fit``, ``test``, ``split`` and ``hold``.
        folder: where files of decoded images go.

    Raises:
        Damaged: some of the files are no images.
        DataError: the disk has no room.
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
    apart = "validation" not in samples
    order = None
    if apart:  # the zoo's own validation split, as files of its own: taking it out later would copy everything
        order = validation_indices(_targets(samples["train"]))
        whole = samples["train"]
        samples = {**samples, "train": [whole[i] for i in order[0]], "validation": [whole[i] for i in order[1]]}
    told = place / "store.json"
    if not told.is_file():
        _make(place, samples, shape, fit, needed)
        write_json(told, {"fingerprint": _fingerprint(_open(place, samples), order)})
    splits = _open(place, samples)
    known = json.loads(told.read_text(encoding="utf-8"))["fingerprint"]
    return Splits(splits.train, splits.test, splits.validation, fingerprint=known)


def _make(place: Path, samples: Samples, shape: tuple[int, int, int], fit: str, needed: int) -> None:
    make_folder(place)
    free = shutil.disk_usage(place).free
    if free < needed:
        raise DataError(
            f"The images take {needed / 1e9:.1f} GB decoded, and {place} has room for {free / 1e9:.1f} GB. "
            "Choose a smaller --data-option size=…, or another --data-dir."
        )
    for split, found in samples.items():

        def room(count: int, split: str = split) -> NDArray[np.uint8]:
            return np.lib.format.open_memmap(place / f"{split}.npy", mode="w+", dtype=np.uint8, shape=(count, *shape))

        _decode(found, shape, fit, room)


def _open(place: Path, samples: Samples) -> Splits:
    def split(name: str) -> Split:
        # copy on write: torch wants arrays that could be written to, and the file stays as it is
        images = np.load(place / f"{name}.npy", mmap_mode="c")
        return Split(torch.from_numpy(images), _targets(samples[name]), mapped=True)

    return Splits(split("train"), split("test"), split("validation"))


def _decode(
    samples: Sequence[Sample],
    shape: tuple[int, int, int],
    fit: str,
    room: Callable[[int], NDArray[np.uint8]] | None = None,
) -> torch.Tensor:
    """All images, decoded by all cores, into an array that ``room`` gives, else in memory."""
    images = room(len(samples)) if room else np.empty((len(samples), *shape), dtype=np.uint8)
    reasons: dict[Path, str] = {}

    def read(place: int) -> None:
        path = samples[place][0]
        try:
            images[place] = read_image(path, shape, fit)
        except Exception as error:  # whatever a damaged file makes the decoder raise
            reasons[path] = reason(error)

    with ThreadPoolExecutor() as pool:  # decoding releases the interpreter lock
        for start in range(0, len(samples), 64 * CHUNK):  # not a task for each of a million images at once
            list(pool.map(read, range(start, min(start + 64 * CHUNK, len(samples)))))
    if reasons:
        raise Damaged({path: reasons[path] for path, _ in samples if path in reasons})
    return torch.from_numpy(images)


def _targets(samples: Sequence[Sample]) -> torch.Tensor:
    return torch.tensor([target for _, target in samples], dtype=torch.int64)


def _key(samples: Samples, shape: tuple[int, int, int], fit: str) -> str:
    """A name for these files as they are now, brought to this shape."""
    digest = hashlib.sha256(f"{shape} {fit}".encode())
    for split, found in samples.items():
        for path, target in found:
            status = path.stat()
            digest.update(f"{split} {path.resolve()} {target} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def _fingerprint(splits: Splits, order: tuple[torch.Tensor, torch.Tensor] | None) -> str:
    """As :func:`zoo.fingerprint` gives it for the same images held in memory."""
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
    """Bytes of physical memory; where the system does not say, as much as a small machine has."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 4 * 2**30
