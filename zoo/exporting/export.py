"""Export: the best checkpoint becomes one file, which is put in place only if it passes every gate."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..captured_output import capture_output
from ..errors import UsageError, ZooError
from ..files import Unit, json_text, make_folder, writable_target
from ..folders import data_folder, runs_folder
from ..models.trained import TrainedModel, find_trained
from ..registry.packages import check_loggers
from ..registry.registry import Registry, create_registry
from ..runs.run import Run, load_run
from ..signing import Signer, is_signature_of, signature_path
from .bundle import bundle_files, check_bundle_folder, stale_files
from .certificate import Certificate, certificate_path, certify
from .gates import Gates, require_all
from .request import ExportRequest
from .source import ExportSource, load_test_data, make_source


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
    sign: Path | str | None = None,
    log: Sequence[str] = (),
    data_dir: Path | str | None = None,
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
    **options: object,
) -> Certificate:
    """Write a trained model as one verified file: the best checkpoint, or the weights that ship with an architecture.

    Args:
        reference: an architecture (its best run), ``ARCHITECTURE/RUN``, or a run's folder.
        format: the name of an exporter.
        output: the file, or a folder for it: an existing one, or a name with a slash at its end. By default
            ``ARCHITECTURE`` plus suffix in the working directory. Of a link, the target is written.
        reduction: a smaller form of the format, ``int8`` or ``fp16`` for ``onnx``; empty for float32.
        max_drop: points of accuracy that the form may lose; for a regression, percent by which its error may rise.
        preprocess: whether normalisation is part of the file; otherwise the file takes normalised floats.
        providers: execution providers that must be tested, ``CPU`` or ``CUDA``; the others are tested if they run.
        reproducible: whether another process, in another folder, must write the same bytes.
        bundle: a new or empty folder, or an earlier bundle of this format, for the file and everything that is needed
            to use it; replaces ``output``.
        sign: an elliptic-curve private key in a PEM file: write its signature of file and certificate to ``FILE.sig``.
            ``sigstore`` signs with an identity that you prove in a browser.
        log: names of plugins that add the file to what they recorded of the run: ``("mlflow",)``.
        data_dir, runs_dir: the folders of datasets and runs, if they are not the usual ones.
        options: of the exporter.

    Returns:
        The certificate; every check in it passed.

    Raises:
        UsageError: an option that does not exist, or options that exclude each other.
        RunNotFound: there is no such run, and no shipped weights.
        DataUnavailable: the test split is missing and cannot be downloaded.
        ExportError: the model cannot be written in this format.
        ExportRefused: the file failed a check. An earlier file in its place is still there.
        ZooError: a plugin of ``log`` failed; the file is in place.
    """
    registry = registry or create_registry()
    check_loggers(registry, log, "file_exported")
    exporter = registry.exporter(format)
    request = ExportRequest(exporter, output, options, reduction, max_drop, providers, reproducible, bundle, sign)
    trained = find_trained(reference, runs_folder(runs_dir), registry)
    _check_target(request, request.target(trained.metadata["architecture"]))
    run = _run_to_log(trained) if log else None
    data = load_test_data(trained, registry, data_folder(data_dir, trained.data_folder))
    source = make_source(trained, data, preprocess=preprocess)
    certificate = write_verified(source, request)
    problems = registry.notify("file_exported", log, run=run, certificate=certificate) if run else []
    if problems:
        raise ZooError(f"{certificate.file} is written and verified, but not logged. {problems[0]}")
    return certificate


def _run_to_log(trained: TrainedModel) -> Run:
    """The run that the checkpoint is from.

    Raises:
        UsageError: the weights ship with the architecture.
    """
    if trained.shipped:
        raise UsageError(f"There is no run of {trained.metadata['architecture']} to log. Train one, or omit --log.")
    return load_run(trained.checkpoint.parent)


def write_verified(source: ExportSource, request: ExportRequest) -> Certificate:
    """Write ``source`` to a temporary file, check it, and put file and certificate in place together.

    Raises:
        ExportError, ExportRefused: as for :func:`export`. An earlier file and its certificate are unchanged.
    """
    target, runners = request.target(source.name), request.exporter.runners
    _check_target(request, target)
    signer = None if request.sign is None else Signer(request.sign)
    with _folder(target.parent), Unit(target) as unit:
        temporary, temporary_certificate = unit.add(target), unit.add(certificate_path(target))
        with capture_output(target, f"The exporter {request.exporter.name}"):
            gates = Gates(source, request, temporary)
            checks = tuple(require_all(gates.write_and_check(), target))
        certificate = certify(source, temporary, target, checks, gates.vectors, gates.form, gates.inspection)
        temporary_certificate.write_text(json_text(certificate.to_dict()), encoding="utf-8")
        _add_signature(unit, signer, {target: temporary, certificate_path(target): temporary_certificate})
        if request.bundle is not None:
            _add_bundle(unit, certificate, bundle_files(certificate, runners))
    return certificate


def _check_target(request: ExportRequest, target: Path) -> None:
    """Refuse names that cannot be written and folders in use, before any work."""
    writable_target(target)
    writable_target(certificate_path(target))
    if request.bundle is not None:
        check_bundle_folder(target.parent, target, request.exporter.runners)


def _add_signature(unit: Unit, signer: Signer | None, files: dict[Path, Path]) -> None:
    """Let the signature be replaced together with the files, or removed, because that of earlier files is wrong now."""
    target = next(iter(files))
    signature = signature_path(target)
    if signer is not None:
        signer.sign({path.name: temporary for path, temporary in files.items()}, unit.add(signature))
    elif is_signature_of(signature, target):
        unit.remove(signature)


def _add_bundle(unit: Unit, certificate: Certificate, files: dict[str, bytes]) -> None:
    """Let the other files of a bundle be replaced together with the exported file and its certificate."""
    folder = certificate.file.parent
    for name, content in files.items():
        unit.add(folder / name).write_bytes(content)
    for path in stale_files(folder, files):
        unit.remove(path)


@contextlib.contextmanager
def _folder(folder: Path) -> Iterator[None]:
    """Make ``folder`` if it is missing; a failure takes it away again, unless something was written there."""
    missing = not folder.exists()
    make_folder(folder)
    try:
        yield
    except BaseException:
        if missing:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
