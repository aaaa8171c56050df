"""Files of decoded images below the data folder: built beside their place, published whole, checked on each reading.

Each set of images has a folder with ``train.npy``, ``validation.npy``, ``test.npy`` and ``store.json``. One process at
a time builds; a process that is killed leaves a folder that the next command removes.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import filelock
import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DataError, ZooError
from ..files import make_folder, unwritable, write_json
from ..schema import read_json
from .splits import Pieces, Split, Splits, hash_pieces
from .user_paths import open_regular, why

log = logging.getLogger("zoo")

FORMAT = 1
LOCK = ".lock"
Order = tuple[torch.Tensor, torch.Tensor]
Decode = Callable[[str], Iterable[NDArray[np.uint8]]]


class _Store(msgspec.Struct):
    """The content of ``store.json``; files before the first version have no format."""

    fingerprint: str
    format: int = FORMAT


class _Unusable(Exception):
    """Decoded images that cannot be used, with the reason; without one, they are missing."""


def key(samples: Mapping[str, Sequence[tuple[Path, int]]], settings: str) -> str:
    """A name that changes if a file (path, size or time), its class or the settings change."""
    digest = hashlib.sha256(settings.encode())
    folders: dict[Path, bytes] = {}
    for split, found in samples.items():
        for path, target in found:
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                status, name = path.stat(), os.fsencode(path.resolve())
            else:
                if path.parent not in folders:
                    folders[path.parent] = os.fsencode(path.parent.resolve() / "_")[:-1]
                name = folders[path.parent] + os.fsencode(path.name)
            digest.update(b"%s %s %d %d %d\n" % (split.encode(), name, target, status.st_size, status.st_mtime_ns))
    return digest.hexdigest()[:32]


def open_or_make(
    folder: Path,
    name: str,
    targets: Mapping[str, torch.Tensor],
    shape: tuple[int, int, int],
    order: Order | None,
    decode: Decode,
) -> Splits:
    """Map the decoded images; decode them first if they are missing or damaged.

    Args:
        folder: for all sets of images.
        name: of this set.
        targets: of the samples of each split.
        shape: of one image.
        order: which samples of the original train split are in ``train`` and in ``validation``; None if the dataset has
            a validation split.
        decode: the images of a split in chunks, uint8 ``[n, C, H, W]``.

    Raises:
        ZooError: the folder cannot be written.
        DataError: the disk is too full.
    """
    place = folder / name
    try:
        splits = _open(place, targets, shape, order)
    except _Unusable:
        make_folder(folder)
        with _locked(folder):
            try:
                return _open(place, targets, shape, order)  # another process has made them meanwhile
            except _Unusable as damage:
                if str(damage):
                    log.warning("The decoded images in %s are damaged (%s); decoding them again.", place, damage)
            try:
                _make(place, targets, shape, order, decode)
                return _open(place, targets, shape, order)
            except OSError as error:
                raise unwritable(place, error) from error
            except _Unusable as damage:
                raise ZooError(f"{place} changed while it was written ({damage or 'removed'}). Try again.") from damage
    _tidy(folder)
    return splits


def _open(place: Path, targets: Mapping[str, torch.Tensor], shape: tuple[int, int, int], order: Order | None) -> Splits:
    try:
        store = read_json(place / "store.json", _Store, "the list of decoded images")
    except FileNotFoundError as error:
        raise _Unusable from error
    except ZooError as error:
        raise _Unusable(str(error).rstrip(".")) from error
    if store.format != FORMAT:
        raise _Unusable(f"format {store.format}, not {FORMAT}")
    splits = _map_splits(place, targets, shape)
    if _fingerprint(splits, order) != store.fingerprint:
        raise _Unusable("other content than was written")
    return Splits(splits.train, splits.test, splits.validation, fingerprint=store.fingerprint)


def _map_splits(place: Path, targets: Mapping[str, torch.Tensor], shape: tuple[int, int, int]) -> Splits:
    mapped = {}
    for split, classes in targets.items():
        try:
            images = _map(place / f"{split}.npy", (len(classes), *shape))
        except OSError as error:
            raise _Unusable(f"{split}.npy: {why(error)}") from error
        mapped[split] = Split(torch.from_numpy(images), classes, mapped=True)
    return Splits(mapped["train"], mapped["test"], mapped["validation"])


def _map(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """A file of bytes with exactly this shape, mapped into memory."""
    head = _header(shape)
    with open_regular(path) as file:
        if file.read(len(head)) != head or os.fstat(file.fileno()).st_size != len(head) + int(np.prod(shape)):
            raise _Unusable(f"{path.name} does not hold {shape} bytes")
        # copy on write: torch needs a writable array, and the file must not change
        return np.memmap(file, np.uint8, "c", len(head), shape)


def _header(shape: tuple[int, ...]) -> bytes:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return head.getvalue()


def _make(
    place: Path, targets: Mapping[str, torch.Tensor], shape: tuple[int, int, int], order: Order | None, decode: Decode
) -> None:
    """Decode all images into a folder beside ``place``, and publish it."""
    needed = sum(map(len, targets.values())) * int(np.prod(shape))
    free = shutil.disk_usage(place.parent).free
    if free < needed:
        raise DataError(
            f"The decoded images need {needed / 1e9:.1f} GB, but {place.parent} has room for {free / 1e9:.1f} GB. "
            "Give a smaller --data-option size=…, or another --data-dir."
        )
    scratch = Path(tempfile.mkdtemp(prefix=".", dir=place.parent))  # its name cannot be predicted
    try:
        for split, classes in targets.items():
            with open(scratch / f"{split}.npy", "xb") as file:
                file.write(_header((len(classes), *shape)))
                for chunk in decode(split):
                    file.write(np.ascontiguousarray(chunk).data)
                file.flush()
                os.fsync(file.fileno())
        content = {"format": FORMAT, "fingerprint": _fingerprint(_map_splits(scratch, targets, shape), order)}
        write_json(scratch / "store.json", content)
        scratch.chmod(stat.S_IMODE(place.parent.stat().st_mode))  # whoever reads the folder may read this one
        _publish(scratch, place)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _publish(scratch: Path, place: Path) -> None:
    if os.path.lexists(place):  # damaged images; a training may still have them mapped
        old = Path(tempfile.mkdtemp(prefix=".", dir=place.parent))
        place.rename(old / "old")
        scratch.rename(place)
        shutil.rmtree(old, ignore_errors=True)
    else:
        scratch.rename(place)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let no other process build in ``folder``, and remove what killed processes have left there."""
    lock = filelock.FileLock(folder / LOCK)
    try:
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            log.warning("Another process is decoding images in %s; waiting for it.", folder)
            lock.acquire()
    except OSError as error:
        raise unwritable(folder / LOCK, error) from error
    try:
        for path in _strays(folder):
            _remove(path)
        yield
    finally:
        lock.release()


def _tidy(folder: Path) -> None:
    """Remove what killed processes have left, unless one is building now or the folder is read-only."""
    if not _strays(folder):
        return
    with contextlib.suppress(OSError, filelock.Timeout), filelock.FileLock(folder / LOCK, timeout=0):
        for path in _strays(folder):
            _remove(path)


def _strays(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.name.startswith(".") and path.name != LOCK]
    except OSError:
        return []


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def _fingerprint(splits: Splits, order: Order | None) -> str:
    """The same as :func:`zoo.fingerprint` of these images in memory."""
    train, validation = splits.train, splits.validation
    assert validation is not None
    if order is None:
        return hash_pieces(_of(train), _of(splits.test), _of(validation))
    whole = torch.empty(len(train) + len(validation), dtype=torch.int64)
    whole[order[0]] = torch.arange(len(train))
    whole[order[1]] = len(train) + torch.arange(len(validation))
    shape = (len(whole), *train.inputs.shape[1:])
    targets = torch.cat([train.targets, validation.targets])[whole]
    return hash_pieces(((shape, _interleaved(train, validation, whole)), (targets.shape, [targets])), _of(splits.test))


def _interleaved(train: Split, validation: Split, whole: torch.Tensor) -> Iterator[torch.Tensor]:
    """The images in the order of the original split, in runs of neighbours."""
    places = whole.numpy()
    starts = np.flatnonzero((np.diff(places, prepend=-2) != 1) | (places == len(train)))
    for start, stop in zip(starts, [*starts[1:], len(places)], strict=True):
        first, count = int(places[start]), int(stop - start)
        part, first = (train, first) if first < len(train) else (validation, first - len(train))
        yield part.inputs[first : first + count]


def _of(split: Split) -> Pieces:
    return (split.inputs.shape, [split.inputs]), (split.targets.shape, [split.targets])
