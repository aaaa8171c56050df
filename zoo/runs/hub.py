"""The Hugging Face Hub: upload the folder of a model, and download one again. What comes from there is not trusted."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from ..errors import UsageError, ZooError
from ..files import sha256
from ..formatting import one_line, shortened
from ..schema import LARGEST_JSON, read_json

PREFIX = "hf:"
WEIGHTS, RECORD, MODEL, CARD = "best.safetensors", "run.json", "model.onnx", "README.md"
"""The files of a published folder. With the first two it is a run folder."""
LARGEST_FILE = 2 * 2**30
"""Bytes; a larger file on the hub is not downloaded."""
_LARGEST = {
    WEIGHTS: LARGEST_FILE,
    RECORD: LARGEST_JSON,
    MODEL: LARGEST_FILE,
    f"{MODEL}.json": LARGEST_JSON,
    f"{MODEL}.sig": LARGEST_JSON,
}
"""What is downloaded, if it is there, and the most bytes of each file. Nothing else of a repository is."""
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9_]|[.-](?![.-])){0,95}"
_REFERENCE = re.compile(rf"({_PART}/{_PART})(?:@([A-Za-z0-9][A-Za-z0-9._/-]{{0,199}}))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model of the hub, downloaded.

    Args:
        folder: a folder of its own with the files; it is temporary.
        pinned: ``hf:USER/NAME@COMMIT``, which names the same files for ever.
    """

    folder: Path
    pinned: str


def is_hub_reference(reference: PurePath | str | None) -> bool:
    """Whether it is ``hf:…``."""
    return reference is not None and os.fspath(reference).startswith(PREFIX)


def parse_reference(reference: PurePath | str) -> tuple[str, str | None]:
    """``USER/NAME`` and the revision, or None, of ``hf:USER/NAME[@REVISION]``.

    Raises:
        UsageError: it is not of this form.
    """
    text = reference.as_posix() if isinstance(reference, PurePath) else reference
    found = _REFERENCE.fullmatch(text.removeprefix(PREFIX))
    if found is None or ".." in text:
        raise UsageError(f"{text!r} is not the name of a model on the hub: it must be {PREFIX}USER/NAME[@REVISION].")
    return found[1], found[2]


def check_repository(name: str) -> None:
    """Refuse what is not ``USER/NAME``.

    Raises:
        UsageError: the message says what is expected.
    """
    if not re.fullmatch(f"{_PART}/{_PART}", name):
        raise UsageError(f"{name!r} is not the name of a repository on the hub: it must be USER/NAME.")


@contextlib.contextmanager
def downloaded(reference: PurePath | str, wanted: Sequence[str]) -> Iterator[HubModel]:
    """Context with a model of the hub in a temporary folder, at one commit.

    Only the files of :data:`_LARGEST` are downloaded: no pickle and no code. The cache of huggingface_hub keeps them.

    Args:
        reference: ``hf:USER/NAME[@REVISION]``.
        wanted: the files that must be there; the others may be missing.

    Raises:
        UsageError: the reference is malformed, or huggingface_hub is not installed.
        ZooError: there is no such model, it is not one of the zoo, a file is too large, or the hub cannot be reached.
    """
    repository, revision = parse_reference(reference)
    with tempfile.TemporaryDirectory(prefix="zoo-hub-", ignore_cleanup_errors=True) as place:
        with _hub_errors(f"download {PREFIX}{repository}"):
            commit, sizes = _listing(repository, revision)
            missing = [name for name in wanted if name not in sizes]
            if missing:
                raise ZooError(f"{PREFIX}{repository} has no {missing[0]}, so `zoo publish` did not write it.")
            for name, largest in _LARGEST.items():
                if name in sizes:
                    _download(repository, commit, name, sizes[name], largest, Path(place))
        check_weights(Path(place), f"{PREFIX}{repository}@{commit}")
        yield HubModel(Path(place), f"{PREFIX}{repository}@{commit}")


def _listing(repository: str, revision: str | None) -> tuple[str, dict[str, int]]:
    """The commit of a revision, and the size of each of its files."""
    found = _api().model_info(repository, revision=revision, files_metadata=True)
    if not isinstance(found.sha, str) or not _COMMIT.fullmatch(found.sha):
        raise ZooError(f"The hub names no commit of {repository}.")
    return found.sha, {file.rfilename: file.size for file in found.siblings or () if type(file.size) is int}


def _download(repository: str, commit: str, name: str, size: int, largest: int, folder: Path) -> None:
    if size > largest:
        raise ZooError(f"{name} of {PREFIX}{repository} has {size:,} bytes, at most {largest:,} are downloaded.")
    got = _api().hf_hub_download(repository, name, revision=commit)
    shutil.copyfile(got, folder / name)
    if (folder / name).stat().st_size != size:
        raise ZooError(f"{name} of {PREFIX}{repository} does not have the {size:,} bytes that the hub lists.")


def check_weights(folder: Path, origin: str) -> None:
    """The weights are those that the certificate names, if there are both.

    Raises:
        ZooError: they are not, or the certificate is damaged.
    """
    weights, certificate = folder / WEIGHTS, folder / f"{MODEL}.json"
    if not weights.is_file() or not certificate.is_file():
        return
    model = read_json(certificate, dict[str, Any], f"the certificate of {origin},").get("model")
    named = model.get("checkpoint_sha256") if isinstance(model, dict) else None
    if named != sha256(weights):
        raise ZooError(f"The weights of {origin} are not those that its certificate names; they are not used.")


def upload(folder: Path, files: Sequence[str], repository: str, *, private: bool, message: str) -> str:
    """Upload files of a folder as one commit, into a repository that is created if it does not exist.

    Returns:
        ``hf:USER/NAME@COMMIT``.

    Raises:
        UsageError: huggingface_hub is not installed.
        ZooError: the upload failed, or the repository is public although ``private`` is asked for.
    """
    with _hub_errors(f"upload to {repository}"):
        api = _api()
        api.create_repo(repository, private=True if private else None, exist_ok=True)
        if private and not api.model_info(repository).private:
            raise ZooError(f"{repository} exists already and is public; nothing was uploaded. Leave out --private.")
        done = api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            allow_patterns=list(files),
            delete_patterns=[name for name in _LARGEST if name not in files],  # such as an earlier signature
            commit_message=message,
        )
    return f"{PREFIX}{repository}@{done.oid}"


def address(repository: str) -> str:
    """The web page of a repository."""
    return f"{_endpoint()}/{repository}"


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def _api() -> Any:
    """The client of the hub, with the user's own login.

    Raises:
        UsageError: huggingface_hub is not installed.
    """
    # read when huggingface_hub is imported: it reports its use to its makers by default
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        import huggingface_hub
    except ImportError as error:
        raise UsageError(
            "The Hugging Face Hub needs huggingface_hub, which is not installed. Run pip install 'pluggy-zoo[hub]'."
        ) from error
    return huggingface_hub.HfApi(endpoint=_endpoint(), library_name="pluggy-zoo")


@contextlib.contextmanager
def _hub_errors(what: str) -> Iterator[None]:
    """Context in which any error of huggingface_hub becomes one line.

    Raises:
        ZooError: the message says what to do, if that is known.
    """
    try:
        yield
    except ZooError:
        raise
    except Exception as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        hint = " Set HF_TOKEN, or run `hf auth login`." if status in (401, 403) else ""
        cause = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
        reason = shortened(one_line(cause), 200).rstrip(".")
        raise ZooError(f"Cannot {what}: {type(cause).__name__}: {reason}.{hint}") from error


def public_record(config: dict[str, Any]) -> dict[str, Any]:
    """``run.json`` without paths of this machine, to be published."""
    record = json.loads(json.dumps(config))
    for name in ("data_folder", "git_commit", "error"):
        record.pop(name, None)
    record["data"]["path"] = None
    record["log"] = []
    source = record.get("init_from")
    if source and not source.startswith(PREFIX):
        record["init_from"] = re.sub(r".*[/\\](?=[^/\\]+( \(SHA-256|$))", "", source)
    return dict(record)
