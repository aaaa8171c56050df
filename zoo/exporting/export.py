"""Export: the best checkpoint becomes one file, which is put in place only if it passes every gate."""

from __future__ import annotations

from pathlib import Path

from ..captured_output import capture_output
from ..files import json_text, make_folder, replacing_together
from ..folders import data_folder, runs_folder
from ..models.trained import find_trained
from ..registry.registry import Registry, create_registry
from .bundle import write_bundle
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
    data_dir: Path | str | None = None,
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
    **options: object,
) -> Certificate:
    """Write a trained model as one verified file: the best checkpoint, or the weights that ship with an architecture.

    Args:
        reference: an architecture (its best run), ``ARCHITECTURE/RUN``, or a run's folder.
        format: the name of an exporter.
        output: the file, or a folder for it; by default ``ARCHITECTURE`` plus suffix in the working directory.
        reduction: a smaller form of the format, ``int8`` or ``fp16`` for ``onnx``; empty for float32.
        max_drop: points of accuracy that the form may lose; for a regression, percent by which its error may rise.
        preprocess: whether normalisation is part of the file; otherwise the file takes normalised floats.
        providers: execution providers that must be tested, ``CPU`` or ``CUDA``; the others are tested if they run.
        reproducible: whether another process, in another folder, must write the same bytes.
        bundle: a folder for the file and everything that is needed to use it; replaces ``output``.
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
    """
    registry = registry or create_registry()
    exporter = registry.exporter(format)
    request = ExportRequest(exporter, output, options, reduction, max_drop, providers, reproducible, bundle)
    trained = find_trained(reference, runs_folder(runs_dir), registry)
    make_folder(request.target(trained.metadata["architecture"]).parent)
    data = load_test_data(trained, registry, data_folder(data_dir, trained.data_folder))
    source = make_source(trained, data, preprocess=preprocess)
    certificate = write_verified(source, request)
    if request.bundle is not None:
        write_bundle(certificate, exporter.runners)
    return certificate


def write_verified(source: ExportSource, request: ExportRequest) -> Certificate:
    """Write ``source`` to a temporary file, check it, and put file and certificate in place together.

    Raises:
        ExportError, ExportRefused: as for :func:`export`. An earlier file and its certificate are unchanged.
    """
    target = request.target(source.name)
    with replacing_together(target, certificate_path(target)) as (temporary, temporary_certificate):
        with capture_output(target, f"The exporter {request.exporter.name}"):
            gates = Gates(source, request, temporary)
            checks = tuple(require_all(gates.write_and_check(), target))
        certificate = certify(source, temporary, target, checks, gates.vectors)
        temporary_certificate.write_text(json_text(certificate.to_dict()), encoding="utf-8")
    return certificate
