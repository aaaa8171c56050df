"""Export: the best checkpoint, written by an exporter plugin, judged, and only then put in place."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..captured_output import capture_output
from ..data.loading import LoadedDataset, load_again, load_dataset
from ..errors import DataUnavailable, ExportError, ExportRefused, UsageError
from ..files import json_text, make_folder, replacing_together
from ..folders import data_folder, runs_folder
from ..models.runtime import Runtimes
from ..models.trained import TrainedModel, find_trained
from ..registry.registry import Registry, create_registry
from ..specs.columns import columns_from_json
from ..specs.options import check_all
from ..specs.specs import Dataset, Exporter, resolve_reference
from .bundle import write_bundle
from .certificate import Certificate, Check, certificate_path, certify
from .checks import check_determinism, check_independence, check_structure, judge
from .numerics import make_cases, make_reference_vectors
from .quantisation import Gain, judge_reduced, quantised_reference_vectors
from .reference_vectors import ReferenceVectors
from .reproducibility import check_reproducible
from .source import ExportSource, make_source

log = logging.getLogger("zoo")


@dataclass(frozen=True, slots=True)
class Demands:
    """What an export is asked for beyond its format.

    Args:
        reduction: the name of a smaller form (``int8``), or nothing.
        max_drop: how many points of accuracy that may cost; of a regression, by how many percent the error may rise.
        providers: execution providers that have to be tested, ``CPU`` or ``CUDA``; the others are where they run.
        reproducible: another process, in another folder, has to write the same bytes.
    """

    reduction: str = ""
    max_drop: float = 1.0
    providers: tuple[str, ...] = ()
    reproducible: bool = False


def export(
    reference: str,
    format: str = "onnx",
    output: Path | str | None = None,
    *,
    reduction: str = "",
    max_drop: float = 1.0,
    preprocess: bool = True,
    providers: tuple[str, ...] = (),
    reproducible: bool = False,
    bundle: Path | str | None = None,
    data_dir: Path | str | None = None,
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
    **options: object,
) -> Certificate:
    """Write the best checkpoint of a run, or of an architecture's best run, as one proven file.

    Where nothing was trained yet, it is the weights that came with the architecture.

    Args:
        reference: an architecture, ``ARCHITECTURE/RUN``, or a run's folder.
        format: name of an exporter.
        output: the file, or a folder to put it in; ``ARCHITECTURE`` and the format's suffix in the working
            directory, unless given.
        reduction: a smaller form that the format has, ``int8`` or ``fp16`` for ``onnx``.
        max_drop: how many points of accuracy the smaller form may cost; of a regression, by how many percent its error
            may rise.
        preprocess: whether normalisation is part of the file; else it takes standardised floats.
        providers: execution providers that have to be tested, ``CPU`` or ``CUDA``; the others are where they run.
        reproducible: export again in another process and folder, and refuse what differs by a byte.
        bundle: a folder for the file and everything that is needed to use it, in place of ``output``.
        options: of the exporter.

    Returns:
        The certificate; every check in it passed.

    Raises:
        RunNotFound: nothing was trained under that name, and it came without weights.
        DataUnavailable: the test split that the file must be judged on cannot be had.
        ExportError: the model cannot be written in this format.
        ExportRefused: the file failed a check. An earlier file in its place is still there.
    """
    registry = registry or create_registry()
    exporter = registry.exporter(format)
    checked = check_all(exporter.options, options, f"--{format}")
    demands = Demands(reduction, max_drop, tuple(provider.upper() for provider in providers), reproducible)
    _check_demands(exporter, demands)
    if bundle is not None and output is not None:
        raise UsageError("A bundle is a folder of its own: give an output or a bundle, not both.")
    if bundle is not None and exporter.open is None:
        raise UsageError(f"--{format} cannot be bundled: the zoo cannot run such files.")
    trained = find_trained(reference, runs_folder(runs_dir), registry)
    if bundle is not None:
        output = Path(bundle).expanduser() / f"model{exporter.suffix}"
    target = _target(output, trained.metadata["architecture"], reduction, exporter.suffix)
    make_folder(target.parent)
    data = load_test_data(trained, registry, data_folder(data_dir, trained.data_folder))
    source = make_source(trained, data, preprocess=preprocess)
    certificate = write_proven(exporter, source, target, checked, demands)
    if bundle is not None:
        write_bundle(certificate, exporter.runners)
    return certificate


def write_proven(
    exporter: Exporter,
    source: ExportSource,
    target: Path,
    options: dict[str, Any],
    demands: Demands | None = None,
) -> Certificate:
    """Write ``source`` to ``target`` unless a check refuses it; then nothing at ``target`` has changed.

    Raises:
        ExportError, ExportRefused: as for :func:`export`.
    """
    about = {"origin": source.origin, "description": source.description, "evaluated_on": source.evaluated_on}
    with replacing_together(target, certificate_path(target)) as (temporary, beside):
        with capture_output(target, f"The exporter {exporter.name}"):
            proof = _Proof(exporter, source, temporary, options, demands or Demands())
            passed = tuple(_all_passed(proof.gates(), target))
        certificate = certify(temporary, target, passed, proof.vectors, **about)
        beside.write_text(json_text(certificate.to_dict()), encoding="utf-8")
    return certificate


class _Proof:
    """One export on its way through the gates. What it writes is at ``path`` when :meth:`gates` is through."""

    def __init__(
        self, exporter: Exporter, source: ExportSource, path: Path, options: dict[str, Any], demands: Demands
    ) -> None:
        self.exporter, self.source, self.path, self.options, self.demands = exporter, source, path, options, demands
        self.vectors: ReferenceVectors | None = None

    def gates(self) -> Iterator[Check]:
        """Every verdict, as soon as it is there; each part of the work is done only when all before it passed."""
        yield check_determinism(self.source)
        self._write(self.path)
        if self.demands.reproducible:
            yield check_reproducible(self.exporter, self.source, self.path, self.options)
        yield check_independence(self.source)
        yield from self.gates_of_the_file()

    def gates_of_the_file(self) -> Iterator[Check]:
        """The verdicts on what was written."""
        if self.exporter.open is None:
            yield from self._own_checks()
            return
        yield check_structure(self.source, self._call(self.exporter.inspect, self.path))
        yield from self._own_checks()
        runtimes = self._open(self.path)
        cases = make_cases(self.source)
        self.vectors = make_reference_vectors(self.source, cases)
        yield from judge(self.source, cases, runtimes, self.demands.providers)
        if self.demands.reduction:
            yield from self._reduce(cases, runtimes)

    def _reduce(self, cases: list[Any], proven: Runtimes) -> Iterator[Check]:
        """Put a smaller form in the place of the proven file."""
        name, proven_bytes = self.demands.reduction, self.path.stat().st_size
        with tempfile.TemporaryDirectory() as scratch:
            smaller = Path(scratch) / self.path.name
            self._call(self.exporter.reductions[name], self.source, self.path, smaller)
            # on the disk of the target, so that a full one is noticed here
            self.path.write_bytes(smaller.read_bytes())
        verdict = check_structure(self.source, self._call(self.exporter.inspect, self.path))
        yield replace(verdict, gate=f"{name} {verdict.gate}")
        runtimes = self._open(self.path)
        gain = Gain(proven, proven_bytes, self.path.stat().st_size)
        yield from judge_reduced(self.source, cases, runtimes, name, self.demands.max_drop, gain)
        self.vectors = quantised_reference_vectors(self.source, cases, runtimes.usual)

    def _write(self, path: Path) -> None:
        self._call(self.exporter.write, self.source, path, **self.options)
        if not path.is_file():
            raise ExportError(f"The exporter {self.exporter.name} wrote no file.")

    def _own_checks(self) -> Iterator[Check]:
        if self.exporter.check is not None:
            yield from self._call(self.exporter.check, self.source, self.path, **self.options)

    def _open(self, path: Path) -> Runtimes:
        runtimes: Runtimes = self._call(self.exporter.open, path)
        return runtimes

    def _call(self, reference: Any, *args: Any, **options: Any) -> Any:
        return resolve_reference(reference)(*args, **options)


def judge_file(exporter: Exporter, source: ExportSource, path: Path, options: dict[str, Any]) -> Iterator[Check]:
    """The verdicts on a file that is there already, as an export would give them."""
    return _Proof(exporter, source, path, options, Demands()).gates_of_the_file()


def _all_passed(checks: Iterator[Check], target: Path) -> Iterator[Check]:
    """Every check up to the first that fails, which is raised: what comes after it would judge a broken file."""
    proven = False
    for check in checks:
        if not check.passed:
            kept = f" The earlier {target} is untouched." if target.exists() else ""
            raise ExportRefused(f"{target.name} was refused and not written. {check.gate}: {check.summary}.{kept}")
        proven = proven or check.gate not in ("determinism", "independence")
        yield check
    if not proven:
        raise ExportRefused(f"{target.name} was refused and not written: its exporter checked nothing.")


def _check_demands(exporter: Exporter, demands: Demands) -> None:
    if demands.reduction and demands.reduction not in exporter.reductions:
        known = ", ".join(exporter.reductions) or "none"
        raise UsageError(f"--{exporter.name} has no smaller form {demands.reduction!r}; it has: {known}.")
    if demands.max_drop < 0:
        raise UsageError(f"max_drop is how much may be lost, at least 0, not {demands.max_drop:g}.")


def load_test_data(trained: TrainedModel, registry: Registry, folder: Path) -> LoadedDataset:
    """The data whose test split judges the file. For weights that came with an architecture, a bundled stand-in of the
    same shape will do where the data cannot be had: what is judged is the file, not the network."""
    try:
        return load_again(trained.metadata, registry, folder)
    except DataUnavailable as error:
        recorded = trained.metadata["data"]
        name = recorded["name"]
        stand_in = registry.datasets.get(registry.dataset(name).stand_in) if name in registry.datasets else None
        if trained.shipped and stand_in and _takes_the_same(stand_in, recorded):
            log.warning("%s The file is judged on the bundled %s in its place.", error, stand_in.name)
            return replace(load_dataset(stand_in, folder, download=False), stand_in_for=name)
        raise DataUnavailable(
            f"{error} An export is judged on the test split of {name}; --data-dir says where it is."
        ) from error


def _takes_the_same(dataset: Dataset, recorded: dict[str, Any]) -> bool:
    return list(dataset.input_shape) == recorded["input_shape"] and dataset.columns == columns_from_json(
        recorded.get("columns", [])
    )


def _target(output: Path | str | None, name: str, reduction: str, suffix: str) -> Path:
    file_name = "-".join(filter(None, (*name.split("/"), reduction))) + suffix
    if output is None:
        return Path(file_name)
    path = Path(output).expanduser()
    return path / file_name if path.is_dir() else path
