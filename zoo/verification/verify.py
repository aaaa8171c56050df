"""Verify: repeat everything that an export proved, on any machine, and say what cannot be repeated here."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..captured_output import capture_output
from ..errors import UsageError, ZooError
from ..exporting.certificate import Check, certificate_path
from ..exporting.reference_vectors import read_test_data
from ..exporting.source import ExportSource
from ..files import recover
from ..folders import runs_folder
from ..models.runtime import RuntimeFailed, Runtimes
from ..registry.registry import Registry, create_registry
from ..runs.hub import MODEL, downloaded, is_hub_reference
from ..signing import Verifier, signature_path
from ..specs.exporter import Exporter
from .binding import FileUnderTest, check_certificate, check_form, check_hash_of, exported_on
from .certificate_file import parse_certificate
from .checkpoint import Contradiction, Missing, Weights, check_checkpoint, find_weights, load_source
from .isolation import OpenedFile, isolated
from .private_copy import PrivateCopy, private_copy
from .probes import LARGEST_SEED, check_runs, new_seed, why_no_random_input
from .rebuild import check_rebuild
from .repeating import check_vectors, real_inputs, repeat_checks
from .unopened import check_signature, check_unopened

DEFAULT_MAX_DROP = 1.0
_OF_THE_CHECKPOINT = "numerics, providers, test split"


@dataclass(slots=True)
class Verification:
    """The result of :func:`zoo.verify`.

    Args:
        file: the file that was checked.
        checks: every check, in the order in which they ran.
        not_checked: the names of the checks that could not run, each with the reason and what to do.
        notes: what else a reader of the result should know.
        seed: of the probes; with it, the same inputs and batch sizes are drawn again.
    """

    file: Path
    checks: list[Check] = field(default_factory=list)
    not_checked: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seed: int = 0

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(check.passed for check in self.checks)

    @property
    def complete(self) -> bool:
        """Whether everything that the export proved was checked here."""
        return not self.not_checked

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON values."""
        checks = [asdict(check) for check in self.checks]
        return {
            "file": str(self.file),
            "passed": self.passed,
            "complete": self.complete,
            "checks": checks,
            "not_checked": self.not_checked,
            "notes": self.notes,
            "seed": self.seed,
        }


def verify(
    file: Path | str,
    *,
    against: str | None = None,
    preprocess: bool = True,
    providers: tuple[str, ...] = (),
    max_drop: float = DEFAULT_MAX_DROP,
    seed: int | None = None,
    trust: bool = False,
    key: Path | str | None = None,
    identity: str = "",
    identity_provider: str = "",
    data_dir: Path | str | None = None,
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
) -> Verification:
    """Check an exported file again: everything in its certificate, and the gates that need its checkpoint and data.

    What is missing here, the checkpoint for example, is listed in ``not_checked``: the file is proven only if the
    result is ``passed`` and ``complete``. Limits come from the rules of the export, not from file or certificate.

    Args:
        file: the exported file; its certificate and ``test_data_set_0`` beside it are used if they exist. Or a model
            that was published on the Hugging Face Hub, ``hf:USER/NAME[@REVISION]``: it is downloaded with its weights.
        against: the model to compare the file with, if the file does not name its checkpoint: an architecture,
            ``ARCHITECTURE/RUN``, or a run's folder.
        preprocess: whether the model of ``against`` includes its normalisation.
        providers: execution providers that must be tested, ``CPU`` or ``CUDA``; the others are tested if they run.
        max_drop: points of accuracy that a smaller form may lose; for a regression, percent of its error.
        seed: of the probes, 0 to 2**32 - 1; drawn anew by default.
        trust: open a file of a format that can contain code, ``.pt2``. Its code runs with your rights.
        key: a public key, or a certificate with one, in a PEM file: ``FILE.sig`` must be its signature of the file and
            the certificate.
        identity, identity_provider: require a signature of this identity at Sigstore in place of a key.

    Raises:
        UsageError: no exporter reads such files, or an argument is out of range.
        RunNotFound, UnknownName: there is no model ``against``.
        ZooError: the file or its certificate cannot be read.
    """
    registry = registry or create_registry()
    weights = Weights(against, preprocess, runs_folder(runs_dir), data_dir, registry)
    request = _Request(weights, tuple(provider.upper() for provider in providers), max_drop)
    chosen = (request, seed, trust, key, identity, identity_provider)
    if not is_hub_reference(file):
        return _verify(Path(file), *chosen)
    with downloaded(file, [MODEL]) as model:
        chosen = (replace(request, weights=replace(weights, published=model.folder)), *chosen[1:])
        found = _verify(model.folder / MODEL, *chosen)
        found.file = Path(model.pinned) / MODEL
    return found


def _verify(
    path: Path,
    request: _Request,
    seed: int | None,
    trust: bool,
    key: Path | str | None,
    identity: str,
    identity_provider: str,
) -> Verification:
    """Check a file on this machine."""
    recover(path)
    max_drop = request.max_drop
    _check_arguments(path, max_drop, seed)
    exporter = _exporter_of(path, request.weights.registry)
    found = Verification(path, seed=new_seed() if seed is None else seed)
    with private_copy(path) as copy:
        if not _check_signature(found, copy, key, identity, identity_provider):
            return found
        if not (exporter.opens_safely or trust):
            found.checks[len(found.checks) :], found.not_checked = check_unopened(copy, exporter, max_drop)
        else:
            _check_opened(found, copy, exporter, request)
    return found


def _check_arguments(path: Path, max_drop: float, seed: int | None) -> None:
    if not path.is_file():
        raise ZooError(f"There is no file {path}.")
    if not 0 <= max_drop < float("inf"):
        raise UsageError(f"max_drop must be a number of at least 0, not {max_drop:g}.")
    if seed is not None and not 0 <= seed < LARGEST_SEED:
        raise UsageError(f"seed must be from 0 to {LARGEST_SEED - 1}, not {seed}.")


def _check_opened(found: Verification, copy: PrivateCopy, exporter: Exporter, request: _Request) -> None:
    """Open the file, compare its contents with the certificate, then run it."""
    path, content = copy.original, copy.certificate
    with capture_output(path, f"The exporter {exporter.name}"), open_file(exporter, copy.path) as opened:
        tested = FileUnderTest(
            path=path,
            sha256=opened.sha256,
            bytes=copy.size,
            exporter=exporter,
            inspection=opened.inspection,
            certificate=None if content is None else parse_certificate(content, certificate_path(path)),
            max_drop=request.max_drop,
        )
        _check_contents(found, tested)
        if not found.passed:
            found.not_checked["everything else"] = "a damaged file is not run"
            return
        try:
            _check_behaviour(found, tested, opened, request)
        except RuntimeFailed as error:
            found.checks.append(Check("runs", False, str(error)))


def _check_signature(
    found: Verification, copy: PrivateCopy, key: Path | str | None, identity: str, identity_provider: str
) -> bool:
    """Check the signature, if one is required; whether the file may be looked at."""
    path = copy.original
    if key is None and not identity and not identity_provider:
        if signature_path(path).is_file():
            found.notes.append(f"{signature_path(path).name} was not checked; --key takes the signer's public key")
        return True
    found.checks.append(check_signature(copy, Verifier(key, identity, identity_provider)))
    if not found.passed:
        found.not_checked["everything else"] = "a file with a wrong signature is not opened"
    return found.passed


def open_file(exporter: Exporter, path: Path) -> AbstractContextManager[OpenedFile]:
    """The file at ``path``, which may be hostile. Nothing else in this package reads or runs its content."""
    return isolated(exporter, path)


@dataclass(frozen=True, slots=True)
class _Request:
    """What the user asked for."""

    weights: Weights
    providers: tuple[str, ...]
    max_drop: float


def _exporter_of(path: Path, registry: Registry) -> Exporter:
    readers = [exporter for exporter in registry.exporters.values() if exporter.open is not None]
    for exporter in readers:
        if path.name.endswith(exporter.suffix):
            return exporter
    known = ", ".join(sorted(exporter.suffix for exporter in readers))
    raise UsageError(
        f"No exporter reads files like {path.name}; known suffixes: {known}. Install the plugin that has the format or "
        "load it with `zoo --plugins-dir FOLDER`."
    )


def _check_contents(found: Verification, file: FileUnderTest) -> None:
    """Everything that is known without running the file."""
    problem = file.inspection.problem or check_form(file)
    found.checks.append(Check("structure", not problem, problem or file.inspection.summary))
    if file.certificate is None:
        found.not_checked["hash, certificate"] = "there is no certificate beside the file; export the file again"
        return
    found.checks.append(check_hash_of(file, file.certificate))
    if found.passed:
        found.checks.append(check_certificate(file, file.certificate))


def _check_behaviour(found: Verification, file: FileUnderTest, opened: OpenedFile, request: _Request) -> None:
    """Everything that runs the file, up to the first failure."""
    runtimes = opened.runtimes()
    for provider in set(exported_on(file)) - {runtime.provider for runtime in runtimes.all} - {*request.providers}:
        why = runtimes.absent.get(provider, "it does not run here")
        found.notes.append(f"the export was tested on {provider} too; not here: {why}")
    vectors = file.certificate.vectors if file.certificate else None
    real = real_inputs(vectors)
    why = why_no_random_input(file.inspection, real)
    if why:
        found.not_checked["runs"] = why
    else:
        alone = file.certificate is not None and not file.reduction
        found.checks.append(check_runs(file.inspection, runtimes, found.seed, real, alone=alone))
    source = _find_source(found, file, request.weights) if found.passed else None
    sets = {"the certificate": vectors} if vectors else read_test_data(file.path)
    if sets:
        found.checks.append(check_vectors(file, sets, runtimes, source))
    else:
        found.not_checked["reference vectors"] = "there are none, neither in a certificate nor in test_data_set_0"
    if source is not None and found.passed:
        _check_against(found, file, runtimes, source, request)


def _find_source(found: Verification, file: FileUnderTest, weights: Weights) -> ExportSource | None:
    """The checkpoint and the data of the file; None, with a check or a reason, if they are not here or do not fit."""
    try:
        trained = find_weights(file, weights)
        if file.certificate is not None or "checkpoint_sha256" in file.description:
            found.checks.append(check_checkpoint(file, trained))
            if not found.passed:
                return None
        return load_source(file, trained, weights)
    except Missing as missing:
        found.not_checked[_OF_THE_CHECKPOINT] = str(missing)
    except Contradiction as contradiction:
        found.checks.append(Check("checkpoint", False, str(contradiction)))
    return None


def _check_against(
    found: Verification, file: FileUnderTest, runtimes: Runtimes, source: ExportSource, request: _Request
) -> None:
    """Everything that needs the checkpoint and the data, up to the first failure."""
    if "checkpoint_sha256" in file.description:
        check, why = check_rebuild(file, source)
        if check is None:
            found.not_checked["rebuild"] = why
        else:
            found.checks.append(check)
    if found.passed:
        found.checks += repeat_checks(file, source, runtimes, found.seed, request.providers)
