"""User images as a dataset: ``FOLDER/CLASS/image.png``, or the same below ``train``, ``val`` and ``test``."""

from __future__ import annotations

import logging
import os
import unicodedata
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..formatting import printable
from ..specs.dataset import Dataset
from ..specs.options import Option
from .image_store import Damaged, load_images
from .images import FITS, SUFFIXES, open_image, reason
from .splits import Splits
from .user_paths import why

log = logging.getLogger("zoo")

OPTIONS = (
    Option(
        name="size", default=(0,), help="height and width, or one for both; 0: that of the images, or 64", minimum=0
    ),
    Option(name="colour", default="auto", help="channels; auto: those of the images", choices=("auto", "grey", "rgb")),
    Option(
        name="fit",
        default="crop",
        help="how images of another shape are resized: cropped at the centre, padded with black, or stretched",
        choices=FITS,
    ),
    Option(
        name="corrupt",
        default="refuse",
        help="what to do with files that are not images",
        choices=("refuse", "skip"),
    ),
    Option(
        name="test",
        default=0.2,
        help="fraction of the images in the test split, if there is no test folder",
        above=0,
        below=1,
    ),
    Option(name="split", default=0, help="seed of the random test split", minimum=0),
    Option(
        name="hold",
        default="auto",
        help="where decoded images are kept; auto: in memory if they fit into half of it, else on disk",
        choices=("auto", "memory", "disk"),
    ),
)

LARGEST_OWN_SIZE = 128
USUAL_SIZE = 64
GREY_MODES = frozenset({"1", "L", "LA", "I", "I;16", "I;16B", "F"})
_SPLIT_NAMES = {"train": ("train", "training"), "validation": ("val", "valid", "validation"), "test": ("test",)}
_Sample = tuple[Path, int]


def open_folder(folder: Path, name: str, task: str, options: dict[str, Any], usual_size: int = 0) -> Dataset:
    """Read the header of every image, and declare the folder as a dataset.

    Args:
        name: for the dataset.
        task: the name of the task, which predicts a class.
        options: all of :data:`OPTIONS`.
        usual_size: height and width for images that differ in size or are large; 0: :data:`USUAL_SIZE`.

    Raises:
        DataError: there are fewer than two classes, a class without images, or corrupt files that must not be skipped.
    """
    places = _split_folders(folder)
    classes = [path for place in places.values() for path in _subfolders(place)]
    _check_classes(folder, classes)
    labels = sorted({path.name for path in classes})
    samples = {split: _list_samples(place, labels) for split, place in places.items()}
    _refuse_useless(folder, labels, samples)
    headers = {path: _header(path) for found in samples.values() for path, _ in found}
    corrupt = [path for path, header in headers.items() if isinstance(header, str)]
    _report_corrupt(corrupt, folder, options["corrupt"], {p: str(headers[p]) for p in corrupt})
    shape = _choose_shape([header for header in headers.values() if not isinstance(header, str)], options, usual_size)
    good = {split: [s for s in found if not isinstance(headers[s[0]], str)] for split, found in samples.items()}

    def load(data_folder: Path, download: bool, **options: Any) -> Splits:
        try:
            return load_images(good, shape, options, data_folder)
        except Damaged as damaged:  # the header was fine, the pixels are not
            _report_corrupt(list(damaged.reasons), folder, options["corrupt"], damaged.reasons)
            left = {split: [s for s in found if s[0] not in damaged.reasons] for split, found in good.items()}
            return load_images(left, shape, options, data_folder)

    return Dataset(
        name=name,
        summary=printable(f"images in {folder}")[:1_000],
        task=task,
        loader=load,
        input_shape=shape,
        num_outputs=len(labels),
        labels=tuple(labels),
        options=OPTIONS,
        source=str(folder),
    )


def _split_folders(folder: Path) -> dict[str, Path]:
    """The folder of each split; without a folder ``train``, all images are for training."""
    below = {path.name.lower(): path for path in _subfolders(folder)}
    found = {split: below[name] for split, names in _SPLIT_NAMES.items() for name in reversed(names) if name in below}
    return found if "train" in found else {"train": folder}


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"Cannot read {folder}: {why(error)}.") from error


def _check_classes(folder: Path, classes: Sequence[Path]) -> None:
    """Raises:
    DataError: the name of a class is not text that can be shown, or its folder contains the whole dataset.
    """
    whole = folder.resolve()
    for path in classes:
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in path.name):
            raise DataError(
                f"{folder}: the name of the class {path.name!a} has characters that are no text. Rename it."
            )
        if path.is_symlink() and path.resolve() in (whole, *whole.parents):
            raise DataError(f"{path} is a link to a folder that contains it, so it is no class. Remove the link.")


def _list_samples(folder: Path, labels: Sequence[str]) -> list[_Sample]:
    return [(path, target) for target, label in enumerate(labels) for path in _list_images(folder / label)]


def _list_images(folder: Path) -> list[Path]:
    """Everything that is named like an image, in the order of the path's parts; links to folders are not followed."""
    if not folder.is_dir():
        return []

    def fail(error: OSError) -> None:
        raise DataError(f"Cannot read {error.filename}: {why(error)}.") from error

    found = []
    for place, folders, names in os.walk(folder, onerror=fail):
        inside = Path(place)
        parts = inside.parts
        links = [name for name in folders if os.path.splitext(name)[1].lower() in SUFFIXES]
        names += [name for name in links if os.path.islink(os.path.join(place, name))]
        found += [
            ((*parts, name), inside / name)
            for name in names
            if os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith(".")
        ]
    return [path for _, path in sorted(found)]


def _refuse_useless(folder: Path, labels: Sequence[str], samples: dict[str, list[_Sample]]) -> None:
    if len(labels) < 2:
        found_classes = f"only one, {labels[0]}" if labels else "none"
        raise DataError(f"{folder} needs a folder of images for each of at least two classes; it has {found_classes}.")
    for split, found in samples.items():
        filled = Counter(target for _, target in found)
        empty = [label for target, label in enumerate(labels) if not filled[target]]
        if empty and (split == "train" or len(empty) == len(labels)):
            raise DataError(
                f"{folder}: the class {empty[0]} has no images ({split}). Add images, or remove its folder."
            )


def _header(path: Path) -> tuple[tuple[int, int], str] | str:
    """Height and width, and mode; or a message why the file cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_image(path) as image:
                width, height = image.size
                if image.getexif().get(0x0112, 1) in (5, 6, 7, 8):  # stored rotated by 90 degrees
                    width, height = height, width
                mode = "RGB" if "transparency" in image.info else image.mode
                return (height, width), mode
    except Exception as error:  # whatever a damaged file makes the decoder raise
        return reason(error)


def _report_corrupt(corrupt: Sequence[Path], folder: Path, choice: str, reasons: dict[Path, str]) -> None:
    """Warn about files that cannot be read.

    Raises:
        DataError: ``choice`` is not ``skip``.
    """
    if not corrupt:
        return
    shown = ", ".join(f"{_below(path, folder)} ({reasons[path]})" for path in corrupt[:3])
    more = f" and {len(corrupt) - 3} more" if len(corrupt) > 3 else ""
    count = "1 file" if len(corrupt) == 1 else f"{len(corrupt)} files"
    if choice == "refuse":
        raise DataError(
            f"{count} in {folder} cannot be read: {shown}{more}. Remove them, or skip them with "
            "--data-option corrupt=skip."
        )
    log.warning("%s in %s cannot be read, skipped: %s%s.", count, folder, shown, more)


def _below(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def _choose_shape(
    headers: Sequence[tuple[tuple[int, int], str]], options: dict[str, Any], usual_size: int
) -> tuple[int, int, int]:
    """Channels, height and width of all images after resizing."""
    if not headers:
        raise DataError("None of the images can be read.")
    grey = all(mode in GREY_MODES for _, mode in headers)
    channels = 1 if options["colour"] == "grey" or (options["colour"] == "auto" and grey) else 3
    chosen = tuple(options["size"])
    if len(chosen) > 2:
        raise DataError(f"size is height and width, or one number for both, not {len(chosen)} numbers.")
    if all(chosen):
        return (channels, chosen[0], chosen[-1])
    sizes = {size for size, _ in headers}
    if len(sizes) == 1 and not usual_size:
        height, width = next(iter(sizes))
        if max(height, width) <= LARGEST_OWN_SIZE:
            return (channels, height, width)
    side = usual_size or USUAL_SIZE
    log.warning("The images are resized to %dx%d pixels; --data-option size=… sets another size.", side, side)
    return (channels, side, side)
