"""The conformance suite on a dataset."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch

from ..data.loading import LoadedDataset, load_dataset
from ..data.splits import Split
from ..errors import DataError, DataUnavailable, UnknownName
from ..specs.specs import is_present
from .check import Bench, NotChecked, Problem

_MOST_SHARED = 0.1
"""Part of a test split that may be in the training split by chance: small tables repeat themselves."""


def described(bench: Bench) -> str:
    """The fields that a person chooses a dataset by."""
    spec = bench.dataset
    for name, value in (("licence", spec.licence), ("source", spec.source), ("sizes", spec.sizes)):
        if not value:
            example = "{'train': …, 'test': …}" if name == "sizes" else "'…'"
            raise Problem(f"it declares no {name}", f"Declare {name}={example}.")
    if spec.task != "regression" and not spec.labels:
        raise Problem("it does not name its classes", "Declare labels=('…', '…'), in order.")
    return f"{spec.licence}; {sum(spec.sizes.values()):,} samples"


def offline(bench: Bench) -> str:
    """Its loader, told not to download, with an empty folder and every connection refused."""
    spec = bench.dataset
    empty = bench.scratch / "empty"
    empty.mkdir(exist_ok=True)
    try:
        with _no_network():
            load_dataset(spec, empty, download=False)
    except DataUnavailable as error:
        if not spec.files:
            raise Problem(f"it declares no files, so it counts as bundled, but: {error}", "Declare files=….") from error
        return "it says that it is not there"
    except _Connected as error:
        raise _wants_network() from error
    except DataError as error:
        if isinstance(error.__cause__, _Connected):
            raise _wants_network() from error
        raise Problem(
            f"where its files are missing it fails with: {error}", "Raise zoo.DataUnavailable where a file is missing."
        ) from error
    if spec.files:
        raise Problem("it loads from an empty folder, though it declares files", "Leave files out: it is bundled.")
    return "bundled"


def loads(bench: Bench) -> str:
    """The library's own checks on what a loader gives."""
    splits = _load(bench).splits
    assert splits.validation is not None  # load_dataset always holds one out
    counts = (len(splits.train), len(splits.validation), len(splits.test))
    return "{:,} training, {:,} validation, {:,} test samples".format(*counts)


def fingerprint(bench: Bench) -> str:
    """Two readings, and the declaration."""
    first = _load(bench).fingerprint
    second = load_dataset(bench.dataset, bench.data_dir, download=False).fingerprint
    if first != second:
        raise Problem("two readings give different data", "Fix the order of files and the seed of every random split.")
    if not bench.dataset.fingerprint:
        return f'equal twice; declare fingerprint="{first}" to have damaged files refused'
    return f"{first[:12]}…, twice, as declared"


def labels(bench: Bench) -> str:
    """Every class in train and test."""
    spec = bench.dataset
    splits = _load(bench).splits
    if spec.task == "regression":
        return "its targets are numbers"
    names = spec.labels or tuple(str(number) for number in range(max(2, spec.num_outputs)))
    for which, split in (("training", splits.train), ("test", splits.test)):
        absent = [name for number, name in enumerate(names) if not (split.targets == number).any()]
        if absent:
            raise Problem(
                f"no {which} sample is of class {absent[0]}", "Split by class, or leave that class out of labels."
            )
    return f"{len(names)} classes in both"


def disjoint(bench: Bench) -> str:
    """Test samples that are training samples too."""
    splits = _load(bench).splits
    seen = set(_digests(splits.train))
    if splits.validation is not None:
        seen |= set(_digests(splits.validation))
    tested = _digests(splits.test)
    shared = sum(digest in seen for digest in tested)
    part = shared / len(tested)
    if part > _MOST_SHARED:
        raise Problem(
            f"{shared:,} of {len(tested):,} test samples are training samples too",
            "Split before anything is repeated or augmented, and each sample into one part only.",
        )
    return f"{shared:,} of {len(tested):,} test samples occur in training"


def stand_in(bench: Bench) -> str:
    """The bundled dataset in its place."""
    spec = bench.dataset
    if not spec.stand_in:
        return "it names none"
    try:
        other = bench.registry.dataset(spec.stand_in)
    except UnknownName as error:
        raise Problem(str(error), "Name one of `zoo datasets`, or none.") from error
    if other.task != spec.task:
        raise Problem(f"{other.name} is for {other.task}, not {spec.task}", "Name another.")
    if len(other.input_shape) != len(spec.input_shape):
        raise Problem(f"{other.name} has samples of shape {other.input_shape}, not {spec.input_shape}", "Name another.")
    if other.files:
        raise Problem(f"{other.name} has to be fetched itself", "A stand-in is bundled.")
    return other.name


class _Connected(Exception):
    """Something asked for the network."""


def _wants_network() -> Problem:
    return Problem(
        "with download=False it asks for the network", "Fetch only if `download` is true; zoo.DataUnavailable else."
    )


@contextmanager
def _no_network() -> Iterator[None]:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise _Connected("no network in this check")

    with mock.patch.object(socket, "getaddrinfo", refuse), mock.patch.object(socket.socket, "connect", refuse):
        yield


def _load(bench: Bench) -> LoadedDataset:
    """One reading, shared by all checks."""
    if "data" not in bench.made:
        spec = bench.dataset
        if spec.files and not is_present(spec, bench.data_dir) and not bench.download:
            raise NotChecked(
                f"it is not in {bench.data_dir}; `zoo check --download` or `zoo fetch {spec.name}` gets it"
            )
        try:
            bench.made["data"] = load_dataset(spec, bench.data_dir, download=bench.download)
        except DataUnavailable as error:
            raise NotChecked(str(error)) from error
        except DataError as error:
            raise Problem(
                str(error), "Let the loader give what the declaration says, or declare what it gives."
            ) from error
    data: LoadedDataset = bench.made["data"]
    return data


def _digests(split: Split) -> list[bytes]:
    """One short digest for each sample with its target."""
    inputs = split.inputs.contiguous()
    targets = split.targets.to(torch.float64).flatten(1) if split.targets.ndim > 1 else split.targets
    rows = zip(inputs.numpy(), targets.numpy(), strict=True)
    return [hashlib.blake2b(x.tobytes() + y.tobytes(), digest_size=16).digest() for x, y in rows]
