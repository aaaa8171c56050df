"""Find the checkpoint and the data of a file, and compare what the file says with what the checkpoint says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import DataError, PluginError, RunNotFound, UnknownName
from ..exporting.certificate import Check
from ..exporting.source import ExportSource, load_test_data, make_source
from ..files import sha256
from ..folders import data_folder
from ..models.trained import TrainedModel, find_trained, load_shipped, load_trained
from ..registry.registry import Registry
from ..runs.finding import list_runs
from ..runs.hub import RECORD, WEIGHTS
from ..runs.run import load_run
from .binding import FileUnderTest
from .certificate_file import same_json


@dataclass(frozen=True, slots=True)
class Weights:
    """Where to find the weights and the data that the file is compared with.

    Args:
        against: the model that the user chose; None for the one that the file names.
        preprocess: whether the model of ``against`` includes its normalisation.
        runs: the folder of runs.
        data_dir: the folder of datasets; None for the usual one.
        registry: of the plugins.
        published: a folder with the weights that somebody published together with the file.
    """

    against: str | None
    preprocess: bool
    runs: Path
    data_dir: Path | str | None
    registry: Registry
    published: Path | None = None


class Missing(Exception):
    """The weights or the data are not here; the message says how to get them."""


class Contradiction(Exception):
    """The file cannot be what it says; the message says why."""


def find_weights(file: FileUnderTest, weights: Weights) -> TrainedModel:
    """The model that was chosen with ``against``, or the one whose checkpoint has the hash that is in the file.

    Raises:
        Missing: the checkpoint, or its plugin, is not here.
        Contradiction: the run that the certificate names is here, with another checkpoint.
        RunNotFound, UnknownName: there is no model ``against``.
    """
    if weights.against is not None:
        return find_trained(weights.against, weights.runs, weights.registry)
    digest, name = file.description.get("checkpoint_sha256"), file.description.get("architecture")
    if not isinstance(digest, str) or not isinstance(name, str):
        raise Missing("the file does not name its checkpoint; choose a model with --against NAME|RUN")
    origin = file.certificate.entries.origin if file.certificate else ""
    try:
        return _with_hash(name, digest, origin, weights)
    except PluginError as error:
        raise Missing(f"the checkpoint cannot be loaded: {error}") from error


def _with_hash(name: str, digest: str, origin: str, weights: Weights) -> TrainedModel:
    other = ""
    if weights.published and (weights.published / RECORD).is_file() and sha256(weights.published / WEIGHTS) == digest:
        # the data folder that a stranger recorded is not used
        return replace(load_trained(load_run(weights.published), weights.registry), data_folder=None)
    for run in list_runs(weights.runs, name):
        if run.best.is_file():
            actual = sha256(run.best)
            if actual == digest:
                return load_trained(run, weights.registry)
            other = actual if run.name == origin else other
    try:
        shipped = load_shipped(name, weights.registry)
    except (RunNotFound, UnknownName):
        shipped = None
    if shipped is not None:
        if shipped.sha256 == digest:
            return shipped
        other = shipped.sha256 if shipped.origin == origin else other
    if other:
        raise Contradiction(
            f"the file names the checkpoint {digest[:12]}…, but that of {origin} is {other[:12]}…: the run was trained "
            "further, or the file is not from it; export it again"
        )
    raise Missing(
        f"the checkpoint {digest[:12]}… of {name} is not among the runs in {weights.runs}; --runs-dir sets another "
        "folder"
    )


def load_source(file: FileUnderTest, trained: TrainedModel, weights: Weights) -> ExportSource:
    """The export source of the file.

    Raises:
        Missing: the data is not here, or the export used other data than is here.
        Contradiction: the model takes other inputs than the file.
    """
    elsewhere = trained.metadata["data"].get("path")
    if weights.published and trained.checkpoint.parent == weights.published and elsewhere:
        # a path that a stranger wrote is not opened
        raise Missing(f"the model was trained on its author's own files, {_short(elsewhere)}")
    normalises = weights.preprocess if weights.against else bool(file.description.get("normalises", True))
    try:
        data = load_test_data(trained, weights.registry, data_folder(weights.data_dir, trained.data_folder))
    except DataError as error:
        raise Missing(str(error)) from error
    source = make_source(trained, data, preprocess=normalises)
    _check_data(file, trained, source)
    samples, inputs = source.test.inputs, file.inspection.inputs
    kind, shape = str(samples.dtype).removeprefix("torch."), tuple(samples.shape[1:])
    if len(inputs) != 1 or inputs[0].type != kind or inputs[0].shape[1:] != shape:
        taken, hint = ", ".join(map(str, inputs)), "; try --no-preprocess" if normalises else ""
        wanted = f"{kind}[batch, {', '.join(map(str, shape))}]"
        raise Contradiction(f"the file takes {taken}, but {source.name} takes {wanted}{hint}")
    if isinstance(inputs[0].shape[0], int):
        raise Contradiction(f"the batch size of the file is fixed at {inputs[0].shape[0]}")
    return source


def _check_data(file: FileUnderTest, trained: TrainedModel, source: ExportSource) -> None:
    """The data that is here is the data that the export was evaluated on."""
    recorded = file.certificate.entries.evaluated_on if file.certificate else source.evaluated_on
    if recorded == source.evaluated_on:
        return
    # only shipped weights may be evaluated on a stand-in, and the text names the dataset too
    if trained.shipped and trained.metadata["data"]["name"] in recorded:
        raise Missing(
            f"the export was evaluated on {recorded}, here is {source.evaluated_on}; `zoo fetch` or --data-dir brings "
            "the other data, or export the file again"
        )
    raise Contradiction(f"the certificate says that the export was evaluated on {recorded}, not {source.evaluated_on}")


def check_checkpoint(file: FileUnderTest, trained: TrainedModel) -> Check:
    """The description in the file is the one that the checkpoint gives, apart from versions of software."""
    described = file.description
    expected = trained.describe(preprocess=bool(described.get("normalises", True)))
    named = described.get("checkpoint_sha256")
    if named != trained.sha256:
        problem = (
            f"the file names the checkpoint {str(named)[:12]}…, that of {trained.origin} is {trained.sha256[:12]}…"
        )
        return Check("checkpoint", False, problem)
    wrong = sorted(key for key in expected.keys() | described.keys() if not _same_entry(key, described, expected))
    if wrong:
        first = wrong[0]
        problem = (
            f"the description in the file is not that of {trained.origin}: {', '.join(wrong)} "
            f"({first} is {_short(described.get(first))}, not {_short(expected.get(first))})"
        )
        return Check("checkpoint", False, problem)
    return Check("checkpoint", True, f"the description is that of {trained.origin}, {trained.sha256[:12]}…")


def _same_entry(key: str, described: dict[str, Any], expected: dict[str, Any]) -> bool:
    if key == "calibration" and key not in described:
        return True  # a file that was exported before the calibration was recorded
    if key not in described or key not in expected:
        return False
    # a file that was exported before the end of the training has no test metrics
    unfinished = key == "test" and described[key] is None
    return key == "versions" or unfinished or same_json(described[key], expected[key])


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
