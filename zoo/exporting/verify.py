"""Verify: the gates of an export again, on any machine, as far as what is at hand allows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..captured_output import capture_output
from ..errors import DataError, RunNotFound, UnknownName, UsageError, ZooError
from ..files import sha256
from ..folders import data_folder, runs_folder
from ..models.runtime import Inspection, RuntimeFailed, Runtimes
from ..models.trained import TrainedModel, find_trained, load_shipped, load_trained
from ..registry.registry import Registry, create_registry
from ..runs.run import list_runs
from ..specs.specs import Exporter, resolve_reference
from .certificate import Check, read_certificate
from .checks import check_determinism, check_independence, judge
from .export import load_test_data
from .numerics import make_cases
from .quantisation import judge_reduced
from .reference_vectors import ReferenceVectors, read_test_data
from .source import ExportSource, make_source

SMOKE_BATCHES = (1, 2, 3)


@dataclass(slots=True)
class Verification:
    """What was found out about a file, and what could not be.

    Args:
        file: what it is about.
        checks: every verdict.
        not_checked: what could not be checked, and why.
    """

    file: Path
    checks: list[Check] = field(default_factory=list)
    not_checked: dict[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether nothing that was checked is wrong."""
        return all(check.passed for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """All of it, for machines."""
        checks = [asdict(check) for check in self.checks]
        return {"file": str(self.file), "passed": self.passed, "checks": checks, "not_checked": self.not_checked}


def verify(
    file: Path | str,
    *,
    against: str | None = None,
    preprocess: bool = True,
    providers: tuple[str, ...] = (),
    data_dir: Path | str | None = None,
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
) -> Verification:
    """Check a file again: its hash, structure and reference vectors; if its weights are found, also its
    numbers on every provider and the whole test split.

    A file of another tool is checked as far as it goes; what could not be checked is told with the reason.

    Args:
        file: what to check; the certificate and ``test_data_set_0`` beside it are used where they are there.
        against: an architecture, ``ARCHITECTURE/RUN`` or a run's folder to judge it against, where the file does not
            say which checkpoint it was made from.
        preprocess: whether ``against`` is to be taken with its normalisation.
        providers: execution providers that have to be tested, ``CPU`` or ``CUDA``.

    Raises:
        UsageError: no exporter reads such files.
        RunNotFound, UnknownName: there is no ``against``.
        ZooError: the file or its certificate cannot be read.
    """
    path, registry = Path(file), registry or create_registry()
    if not path.is_file():
        raise ZooError(f"There is no file {path}.")
    exporter = _exporter_of(path, registry)
    wanted = tuple(provider.upper() for provider in providers)
    found = Verification(path)
    with capture_output(path, f"The exporter {exporter.name}"):
        certificate = read_certificate(path)
        inspection: Inspection = _call(exporter.inspect, path)
        found.checks.append(Check("structure", not inspection.problem, inspection.problem or inspection.summary))
        _check_hash(found, certificate)
        if not found.passed:
            found.not_checked["everything else"] = "a file that is damaged is not run"
            return found
        try:
            runtimes: Runtimes = _call(exporter.open, path)
            _check_runs(found, inspection, runtimes)
            _check_reference_vectors(found, certificate, runtimes)
            if found.passed:
                weights = _Weights(against, preprocess, runs_folder(runs_dir), data_dir, registry)
                _check_against_weights(found, inspection, certificate, runtimes, weights, wanted)
        except RuntimeFailed as error:
            found.checks.append(Check("runs", False, str(error)))
    return found


def _exporter_of(path: Path, registry: Registry) -> Exporter:
    readers = [exporter for exporter in registry.exporters.values() if exporter.open is not None]
    for exporter in readers:
        if path.name.endswith(exporter.suffix):
            return exporter
    known = ", ".join(sorted(exporter.suffix for exporter in readers))
    raise UsageError(f"No exporter reads files like {path.name}; known are: {known}.")


def _check_hash(found: Verification, certificate: dict[str, Any] | None) -> None:
    if certificate is None:
        found.not_checked["hash"] = "there is no certificate beside it"
        return
    expected, actual = certificate["file"]["sha256"], sha256(found.file)
    wrong = (
        f"SHA-256 {actual[:12]}…, but the certificate is of {expected[:12]}…: the file was changed or replaced, or the "
        "certificate belongs to another one"
    )
    summary = f"SHA-256 {actual[:12]}…, as in the certificate"
    found.checks.append(Check("hash", actual == expected, summary if actual == expected else wrong))


def _check_runs(found: Verification, inspection: Inspection, runtimes: Runtimes) -> None:
    """Noise of several batch sizes goes through, and what comes out are numbers."""
    why = _cannot_make_input(inspection)
    if why:
        found.not_checked["runs"] = why
        return
    (spec,) = inspection.inputs
    batches = (spec.shape[0],) if isinstance(spec.shape[0], int) else SMOKE_BATCHES
    random, broken = np.random.default_rng(0), ""
    for runtime in runtimes.all:
        for batch in batches:
            shape = [int(size) for size in (batch, *spec.shape[1:])]
            noise = random.integers(0, 256, shape) if spec.type == "uint8" else random.standard_normal(shape)
            outputs = runtime.run(torch.from_numpy(noise.astype(spec.type)))
            if not all(np.isfinite(output).all() for output in outputs):
                broken = broken or f"noise at batch {batch} gives NaN or infinity on {runtime}"
    fine = f"batch {', '.join(map(str, batches))} on {', '.join(map(str, runtimes.all))}"
    found.checks.append(Check("runs", not broken, broken or fine))


def _cannot_make_input(inspection: Inspection) -> str:
    if len(inspection.inputs) != 1:
        return f"it takes {len(inspection.inputs)} inputs, and only one can be made up"
    (spec,) = inspection.inputs
    if not spec.shape or any(isinstance(size, str) for size in spec.shape[1:]):
        return f"its input {spec} leaves open more than the batch"
    return "" if spec.type in ("uint8", "float32", "float64", "float16") else f"its input is of type {spec.type}"


def _check_reference_vectors(found: Verification, certificate: dict[str, Any] | None, runtimes: Runtimes) -> None:
    """Recorded inputs give the recorded outputs, on everything that runs here."""
    sets = read_test_data(found.file)
    if certificate is not None and certificate["reference_vectors"] is not None:
        sets = {"the certificate": ReferenceVectors.from_json(certificate["reference_vectors"])}
    if not sets:
        found.not_checked["reference vectors"] = "there are none, neither in a certificate nor in test_data_set_0"
        return
    worst, output, where = max(
        (*vectors.largest_excess(runtime.run(vectors.tensor())), f"{name}, {runtime}")
        for name, vectors in sets.items()
        for runtime in runtimes.all
    )
    summary = f"the recorded inputs of {', '.join(sets)} give the recorded outputs, {worst:.1%} of the limit at most"
    wrong = f"{output} is {worst:.3g} times as far from what was recorded as is allowed ({where})"
    found.checks.append(Check("reference vectors", worst <= 1, summary if worst <= 1 else wrong))


@dataclass(frozen=True, slots=True)
class _Weights:
    """Where the weights and the data to judge against may be."""

    against: str | None
    preprocess: bool
    runs: Path
    data_dir: Path | str | None
    registry: Registry


def _check_against_weights(
    found: Verification,
    inspection: Inspection,
    certificate: dict[str, Any] | None,
    runtimes: Runtimes,
    weights: _Weights,
    wanted: tuple[str, ...],
) -> None:
    try:
        source = _export_source(inspection, weights)
    except (_NotAtHand, DataError) as error:
        found.not_checked["numerics, providers, test split"] = str(error)
        return
    found.checks += [check_determinism(source), check_independence(source)]
    if found.passed:
        found.checks += _gates(source, inspection, certificate, runtimes, wanted)


def _gates(
    source: ExportSource,
    inspection: Inspection,
    certificate: dict[str, Any] | None,
    runtimes: Runtimes,
    wanted: tuple[str, ...],
) -> Iterator[Check]:
    """B, D and C; of a smaller form its own ones, with the budget that it was made under."""
    cases = make_cases(source)
    precision = inspection.description.get("precision")
    if precision is None:
        for check in judge(source, cases, runtimes, wanted):
            yield check
            if not check.passed:
                return
    else:
        budgets = [
            c["figures"]["max_drop"] for c in (certificate or {}).get("checks", ()) if "max_drop" in c["figures"]
        ]
        yield from judge_reduced(source, cases, runtimes, precision, budgets[0] if budgets else 1.0)


class _NotAtHand(Exception):
    """Something to judge against is missing; the message says what."""


def _export_source(inspection: Inspection, weights: _Weights) -> ExportSource:
    """The model that the file was made from, if it is here and takes what the file takes."""
    described = inspection.description
    trained = _weights(described, weights)
    data = load_test_data(trained, weights.registry, data_folder(weights.data_dir, trained.data_folder))
    normalises = weights.preprocess if weights.against else bool(described.get("normalises", True))
    source = make_source(trained, data, preprocess=normalises)
    samples, inputs = source.test.inputs, inspection.inputs
    kind, shape = str(samples.dtype).removeprefix("torch."), tuple(samples.shape[1:])
    if len(inputs) != 1 or inputs[0].type != kind or inputs[0].shape[1:] != shape:
        taken, hint = ", ".join(map(str, inputs)), "; try --no-preprocess" if normalises else ""
        raise _NotAtHand(f"it takes {taken}, and {source.name} takes {kind}[batch, {', '.join(map(str, shape))}]{hint}")
    if isinstance(inputs[0].shape[0], int):
        raise _NotAtHand(f"its batch is fixed at {inputs[0].shape[0]}")
    return source


def _weights(described: dict[str, Any], weights: _Weights) -> TrainedModel:
    """The checkpoint that the file names by its hash, among the runs or what ships; or the one that was named."""
    if weights.against is not None:
        return find_trained(weights.against, weights.runs, weights.registry)
    digest, name = described.get("checkpoint_sha256"), described.get("architecture")
    if not isinstance(digest, str) or not isinstance(name, str):
        raise _NotAtHand("the file does not say which checkpoint it was made from; --against NAME|RUN names one")
    for run in list_runs(weights.runs, name):
        if run.best.is_file() and sha256(run.best) == digest:
            return load_trained(run, weights.registry)
    try:
        shipped = load_shipped(name, weights.registry)
    except (RunNotFound, UnknownName):
        shipped = None
    if shipped is None or shipped.sha256 != digest:
        raise _NotAtHand(
            f"the checkpoint {digest[:12]}… of {name} is not among the runs in {weights.runs}; --runs-dir says where"
        )
    return shipped


def _call(reference: Any, path: Path) -> Any:
    return resolve_reference(reference)(path)
