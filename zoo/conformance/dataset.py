"""Checks of a dataset: its declaration and its loader."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch

from ..data.loading import LoadedDataset, read_dataset
from ..data.splits import Split
from ..errors import DataError, DataUnavailable, UnknownName, ZooError
from ..specs.dataset import is_present
from .check import NotChecked, Problem, Workspace

_MOST_SHARED = 0.1
"""Share of the test split that may also be in the training split: small tables contain equal rows."""


def described(workspace: Workspace) -> str:
    """Look for the fields by which users choose a dataset."""
    spec = workspace.dataset
    for name, value in (("licence", spec.licence), ("source", spec.source), ("sizes", spec.sizes)):
        if not value:
            example = "{'train': …, 'test': …}" if name == "sizes" else "'…'"
            raise Problem(f"it declares no {name}", f"Declare {name}={example}.")
    if workspace.registry.task(spec.task).predicts == "class" and not spec.labels:
        raise Problem("it declares no labels", "Declare labels=('…', '…'), in the order of the class indices.")
    return f"{spec.licence}; {sum(spec.sizes.values()):,} samples"


def offline(workspace: Workspace) -> str:
    """Call its loader with download=False and an empty folder, and refuse every connection."""
    spec = workspace.dataset
    empty = workspace.scratch / "empty"
    empty.mkdir(exist_ok=True)
    try:
        with _no_network():
            read_dataset(spec, workspace.registry, empty, download=False)
    except DataUnavailable as error:
        if not spec.files:
            raise Problem(f"it declares no files, so it must be bundled, but: {error}", "Declare files=(…).") from error
        return "it raises zoo.DataUnavailable"
    except _Connected as error:
        raise _uses_network() from error
    except DataError as error:
        if isinstance(error.__cause__, _Connected):
            raise _uses_network() from error
        if spec.files and _is_of_loader(error):
            raise Problem(
                f"if its files are missing it fails with: {error}", "Raise zoo.DataUnavailable if a file is missing."
            ) from error
        if isinstance(error.__cause__, OSError):
            raise Problem(
                f"it declares no files, so it must be bundled, but: {error}",
                "Declare files=(…), and raise zoo.DataUnavailable if one is missing.",
            ) from error
        if not spec.files:
            raise NotChecked("it cannot be loaded; the check `loads` says why") from error
    if spec.files:
        raise Problem(
            "it declares files, but loads from an empty folder", "Remove files from the declaration: it is bundled."
        )
    return "bundled"


def loads(workspace: Workspace) -> str:
    """Load it; the zoo checks what the loader returns."""
    splits = _load(workspace).splits
    assert splits.validation is not None  # read_dataset always makes one
    counts = (len(splits.train), len(splits.validation), len(splits.test))
    return "{:,} training, {:,} validation, {:,} test samples".format(*counts)


def fingerprint(workspace: Workspace) -> str:
    """Load it twice and compare the fingerprints."""
    first = _load(workspace).fingerprint
    second = read_dataset(workspace.dataset, workspace.registry, workspace.data_dir, download=False).fingerprint
    if first != second:
        raise Problem(
            "loading it twice gives different data", "Fix the order of the files and the seed of every random split."
        )
    if not workspace.dataset.fingerprint:
        return f'equal twice; declare fingerprint="{first}" so that damaged files are refused'
    return f"{first[:12]}…, equal twice, as declared"


def labels(workspace: Workspace) -> str:
    """Look for every class in both splits."""
    spec = workspace.dataset
    splits = _load(workspace).splits
    if workspace.registry.task(spec.task).predicts != "class":
        return f"{spec.task} has no classes"
    names = spec.labels or tuple(str(number) for number in range(max(2, spec.num_outputs)))
    for which, split in (("training", splits.train), ("test", splits.test)):
        absent = [name for number, name in enumerate(names) if not (split.targets == number).any()]
        if absent:
            raise Problem(
                f"no {which} sample is of class {absent[0]}", "Stratify the split, or remove that class from labels."
            )
    return f"{len(names)} classes in both splits"


def disjoint(workspace: Workspace) -> str:
    """Count the test samples that are also training samples."""
    splits = _load(workspace).splits
    seen = set(_digests(splits.train))
    if splits.validation is not None:
        seen |= set(_digests(splits.validation))
    tested = _digests(splits.test)
    shared = sum(digest in seen for digest in tested)
    part = shared / len(tested)
    if part > _MOST_SHARED:
        raise Problem(
            f"{shared:,} of {len(tested):,} test samples are also training samples",
            "Split before you repeat or augment samples, and put each sample into one split only.",
        )
    return f"{shared:,} of {len(tested):,} test samples are also training samples"


def stand_in(workspace: Workspace) -> str:
    """Look up its stand-in and compare the declarations."""
    spec = workspace.dataset
    if not spec.stand_in:
        return "it has no stand-in"
    try:
        other = workspace.registry.dataset(spec.stand_in)
    except UnknownName as error:
        raise Problem(str(error), "Choose one of `zoo datasets`, or declare no stand-in.") from error
    if other.task != spec.task:
        raise Problem(f"the task of {other.name} is {other.task}, not {spec.task}", "Choose another stand-in.")
    if len(other.input_shape) != len(spec.input_shape):
        raise Problem(
            f"{other.name} has samples of shape {other.input_shape}, not {spec.input_shape}", "Choose another stand-in."
        )
    if other.files:
        raise Problem(f"{other.name} is not bundled", "Choose a bundled dataset as stand-in.")
    return other.name


class _Connected(Exception):
    """A network connection was attempted."""


def _uses_network() -> Problem:
    return Problem(
        "with download=False it uses the network",
        "Download only if `download` is true, else raise zoo.DataUnavailable.",
    )


@contextmanager
def _no_network() -> Iterator[None]:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise _Connected("no network in this check")

    with mock.patch.object(socket, "getaddrinfo", refuse), mock.patch.object(socket.socket, "connect", refuse):
        yield


def _load(workspace: Workspace) -> LoadedDataset:
    """Load it once for all checks."""
    if "data" not in workspace.cache:
        spec = workspace.dataset
        if spec.files and not is_present(spec, workspace.data_dir) and not workspace.download:
            raise NotChecked(
                f"it is not in {workspace.data_dir}; `zoo check --download` or `zoo fetch {spec.name}` downloads it"
            )
        try:
            workspace.cache["data"] = read_dataset(
                spec, workspace.registry, workspace.data_dir, download=workspace.download
            )
        except DataUnavailable as error:
            raise NotChecked(str(error)) from error
        except DataError as error:
            raise Problem(str(error), _remedy(workspace, error)) from error
    data: LoadedDataset = workspace.cache["data"]
    return data


def _is_of_loader(error: DataError) -> bool:
    """Whether the loader raised an exception; otherwise it returned something that is not as declared."""
    return error.__cause__ is not None and not isinstance(error.__cause__, ZooError)


def _remedy(workspace: Workspace, error: DataError) -> str:
    """What the author of a dataset can do about an error of its loader, or about data that is not as declared."""
    spec = workspace.dataset
    if _is_of_loader(error):
        return "Correct the loader, which is called as loader(folder, download, **options)."
    if spec.fingerprint:
        with contextlib.suppress(DataError):
            data = read_dataset(dataclasses.replace(spec, fingerprint=""), workspace.registry, workspace.data_dir)
            return f'If the new data is right, declare fingerprint="{data.fingerprint}".'
    if "not zoo.Splits" in str(error):
        return "Return zoo.Splits(train, test), each a zoo.Split(inputs, targets)."
    return "Change the loader or the declaration, so that both agree."


def _digests(split: Split) -> list[bytes]:
    """A short digest of each sample and its target."""
    inputs = split.inputs.contiguous()
    targets = split.targets.to(torch.float64).flatten(1) if split.targets.ndim > 1 else split.targets
    rows = zip(inputs.numpy(), targets.numpy(), strict=True)
    return [hashlib.blake2b(x.tobytes() + y.tobytes(), digest_size=16).digest() for x, y in rows]
