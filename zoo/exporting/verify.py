"""Verify: run the gates of an export again, on any machine. Checks that need missing weights or data are left out."""

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
from ..specs.exporter import Exporter
from ..specs.references import resolve_reference
from .certificate import Check, read_certificate
from .checks import check_determinism, check_independence
from .gates import check_outputs
from .numerics import make_cases
from .quantisation import check_reduced
from .reference_vectors import ReferenceVectors, read_test_data
from .source import ExportSource, load_test_data, make_source

RANDOM_BATCHES = (1, 2, 3)
DEFAULT_MAX_DROP = 1.0


@dataclass(slots=True)
class Verification:
    """The result of :func:`zoo.verify`.

    Args:
        file: the file that was checked.
        checks: every check, in the order in which they ran.
        not_checked: the names of the checks that could not run, each with the reason.
    """

    file: Path
    checks: list[Check] = field(default_factory=list)
    not_checked: dict[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether all checks passed."""
        return all(check.passed for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON values."""
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
    """Check an exported file again: its structure, hash and reference vectors, and the gates that need its weights.

    If the weights or the data are missing, or the file is of another tool, fewer checks can run. The result lists the
    others with the reason.

    Args:
        file: the exported file; its certificate and ``test_data_set_0`` beside it are used if they exist.
        against: the model to compare the file with, if the file does not name its checkpoint: an architecture,
            ``ARCHITECTURE/RUN``, or a run's folder.
        preprocess: whether the model of ``against`` includes its normalisation.
        providers: execution providers that must be tested, ``CPU`` or ``CUDA``; the others are tested if they run.

    Raises:
        UsageError: no exporter reads such files.
        RunNotFound, UnknownName: there is no model ``against``.
        ZooError: the file or its certificate cannot be read.
    """
    path, registry = Path(file), registry or create_registry()
    if not path.is_file():
        raise ZooError(f"There is no file {path}.")
    exporter = _exporter_of(path, registry)
    wanted = tuple(provider.upper() for provider in providers)
    weights = _Weights(against, preprocess, runs_folder(runs_dir), data_dir, registry)
    found = Verification(path)
    with capture_output(path, f"The exporter {exporter.name}"):
        opened = _File(path, read_certificate(path), _call(exporter.inspect, path))
        _check_structure(found, opened)
        _check_hash(found, opened)
        if not found.passed:
            found.not_checked["everything else"] = "a damaged file is not run"
            return found
        try:
            runtimes: Runtimes = _call(exporter.open, path)
            _check_runs(found, opened, runtimes)
            _check_reference_vectors(found, opened, runtimes)
            if found.passed:
                _check_against_weights(found, opened, runtimes, weights, wanted)
        except RuntimeFailed as error:
            found.checks.append(Check("runs", False, str(error)))
    return found


@dataclass(frozen=True, slots=True)
class _File:
    """The file that is checked, with its certificate, if there is one, and its contents."""

    path: Path
    certificate: dict[str, Any] | None
    inspection: Inspection


def _exporter_of(path: Path, registry: Registry) -> Exporter:
    readers = [exporter for exporter in registry.exporters.values() if exporter.open is not None]
    for exporter in readers:
        if path.name.endswith(exporter.suffix):
            return exporter
    known = ", ".join(sorted(exporter.suffix for exporter in readers))
    raise UsageError(f"No exporter reads files like {path.name}; known suffixes: {known}.")


def _call(reference: Any, path: Path) -> Any:
    return resolve_reference(reference)(path)


def _check_structure(found: Verification, file: _File) -> None:
    problem = file.inspection.problem
    found.checks.append(Check("structure", not problem, problem or file.inspection.summary))


def _check_hash(found: Verification, file: _File) -> None:
    if file.certificate is None:
        found.not_checked["hash"] = "there is no certificate beside the file"
        return
    expected, actual = file.certificate["file"]["sha256"], sha256(file.path)
    wrong = (
        f"SHA-256 {actual[:12]}…, but the certificate is for {expected[:12]}…: the file was changed or replaced, or "
        "the certificate belongs to another file"
    )
    summary = f"SHA-256 {actual[:12]}…, as in the certificate"
    found.checks.append(Check("hash", actual == expected, summary if actual == expected else wrong))


def _check_runs(found: Verification, file: _File, runtimes: Runtimes) -> None:
    """Random inputs of several batch sizes give finite outputs on every runtime."""
    why = _why_no_random_input(file.inspection)
    if why:
        found.not_checked["runs"] = why
        return
    (spec,) = file.inspection.inputs
    batches = (spec.shape[0],) if isinstance(spec.shape[0], int) else RANDOM_BATCHES
    random, broken = np.random.default_rng(0), ""
    for runtime in runtimes.all:
        for batch in batches:
            shape = [int(size) for size in (batch, *spec.shape[1:])]
            noise = random.integers(0, 256, shape) if spec.type == "uint8" else random.standard_normal(shape)
            outputs = runtime.run(torch.from_numpy(noise.astype(spec.type)))
            if not all(np.isfinite(output).all() for output in outputs):
                broken = broken or f"random inputs of batch size {batch} give NaN or infinity on {runtime}"
    sizes, names = ", ".join(map(str, batches)), ", ".join(map(str, runtimes.all))
    found.checks.append(Check("runs", not broken, broken or f"finite outputs at batch size {sizes} on {names}"))


def _why_no_random_input(inspection: Inspection) -> str:
    """Why no random input can be made for the file; empty if one can."""
    if len(inspection.inputs) != 1:
        return f"the file takes {len(inspection.inputs)} inputs; random inputs can be made for one only"
    (spec,) = inspection.inputs
    if not spec.shape or any(isinstance(size, str) for size in spec.shape[1:]):
        return f"sizes other than the batch size are not fixed in its input {spec}"
    return "" if spec.type in ("uint8", "float32", "float64", "float16") else f"its input is of type {spec.type}"


def _check_reference_vectors(found: Verification, file: _File, runtimes: Runtimes) -> None:
    """The recorded inputs give the recorded outputs on every runtime."""
    sets = read_test_data(file.path)
    if file.certificate is not None and file.certificate["reference_vectors"] is not None:
        sets = {"the certificate": ReferenceVectors.from_json(file.certificate["reference_vectors"])}
    if not sets:
        found.not_checked["reference vectors"] = "there are none, neither in a certificate nor in test_data_set_0"
        return
    worst, output, where = max(
        (*vectors.largest_excess(runtime.run(vectors.tensor())), f"{name}, {runtime}")
        for name, vectors in sets.items()
        for runtime in runtimes.all
    )
    summary = f"the inputs in {', '.join(sets)} give the recorded outputs, largest error {worst:.1%} of the limit"
    wrong = f"the error of output {output} is {worst:.3g} times the limit ({where})"
    found.checks.append(Check("reference vectors", worst <= 1, summary if worst <= 1 else wrong))


@dataclass(frozen=True, slots=True)
class _Weights:
    """Where to find the weights and the data that the file is compared with."""

    against: str | None
    preprocess: bool
    runs: Path
    data_dir: Path | str | None
    registry: Registry


class _Missing(Exception):
    """The weights are missing, or do not fit the file; the message says why."""


def _check_against_weights(
    found: Verification, file: _File, runtimes: Runtimes, weights: _Weights, wanted: tuple[str, ...]
) -> None:
    try:
        source = _find_source(file.inspection, weights)
    except (_Missing, DataError) as error:
        found.not_checked["numerics, providers, test split"] = str(error)
        return
    found.checks += [check_determinism(source), check_independence(source)]
    if found.passed:
        found.checks += _run_gates(source, file, runtimes, wanted)


def _run_gates(source: ExportSource, file: _File, runtimes: Runtimes, wanted: tuple[str, ...]) -> Iterator[Check]:
    """The gates that run the file; for a smaller form its own, with the budget in its certificate."""
    cases = make_cases(source)
    precision = file.inspection.description.get("precision")
    if precision is None:
        for check in check_outputs(source, cases, runtimes, wanted):
            yield check
            if not check.passed:
                return
    else:
        figures = [check["figures"] for check in (file.certificate or {}).get("checks", ())]
        budgets = [entry["max_drop"] for entry in figures if "max_drop" in entry]
        yield from check_reduced(source, cases, runtimes, precision, budgets[0] if budgets else DEFAULT_MAX_DROP)


def _find_source(inspection: Inspection, weights: _Weights) -> ExportSource:
    """The export source of the file, if its weights and data are here and take the same inputs as the file."""
    described = inspection.description
    trained = _find_weights(described, weights)
    data = load_test_data(trained, weights.registry, data_folder(weights.data_dir, trained.data_folder))
    normalises = weights.preprocess if weights.against else bool(described.get("normalises", True))
    source = make_source(trained, data, preprocess=normalises)
    samples, inputs = source.test.inputs, inspection.inputs
    kind, shape = str(samples.dtype).removeprefix("torch."), tuple(samples.shape[1:])
    if len(inputs) != 1 or inputs[0].type != kind or inputs[0].shape[1:] != shape:
        taken, hint = ", ".join(map(str, inputs)), "; try --no-preprocess" if normalises else ""
        wanted = f"{kind}[batch, {', '.join(map(str, shape))}]"
        raise _Missing(f"the file takes {taken}, but {source.name} takes {wanted}{hint}")
    if isinstance(inputs[0].shape[0], int):
        raise _Missing(f"the batch size of the file is fixed at {inputs[0].shape[0]}")
    return source


def _find_weights(described: dict[str, Any], weights: _Weights) -> TrainedModel:
    """The model that was chosen with ``against``, or the one whose checkpoint has the hash that is in the file."""
    if weights.against is not None:
        return find_trained(weights.against, weights.runs, weights.registry)
    digest, name = described.get("checkpoint_sha256"), described.get("architecture")
    if not isinstance(digest, str) or not isinstance(name, str):
        raise _Missing("the file does not name its checkpoint; choose a model with --against NAME|RUN")
    for run in list_runs(weights.runs, name):
        if run.best.is_file() and sha256(run.best) == digest:
            return load_trained(run, weights.registry)
    try:
        shipped = load_shipped(name, weights.registry)
    except (RunNotFound, UnknownName):
        shipped = None
    if shipped is None or shipped.sha256 != digest:
        raise _Missing(
            f"the checkpoint {digest[:12]}… of {name} is not among the runs in {weights.runs}; --runs-dir sets another "
            "folder"
        )
    return shipped
