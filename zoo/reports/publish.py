"""``zoo publish``: a folder with everything that others need to use, check and train on a model, and its upload."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from ..drawing.draw import draw_trained
from ..errors import UsageError
from ..exporting.export import export
from ..files import json_text, replacing_together
from ..folders import expanded, runs_folder
from ..formatting import one_line
from ..models.torch_model import TorchModel
from ..models.trained import find_trained
from ..registry.registry import Registry, create_registry
from ..runs.hub import CARD, MODEL, RECORD, WEIGHTS, address, check_repository, public_record, upload
from ..runs.run import Run, load_run
from ..schema import read_limited
from .exported_file import ExportedFile
from .pages import render
from .report import PICTURE, assessed, page_facts

LONGEST_LICENCE = 100
"""Characters."""
LONGEST_NOTES = 10**6
"""Bytes."""


@dataclass(frozen=True, slots=True)
class Published:
    """What :func:`publish` wrote.

    Args:
        folder: the folder; it is a run folder too.
        files: the names of its files.
        uploaded: ``hf:USER/NAME@COMMIT``; empty if it was not uploaded.
        address: of the page on the hub; likewise.
    """

    folder: Path
    files: tuple[str, ...]
    uploaded: str = ""
    address: str = ""


def publish(
    reference: str,
    to: str | None = None,
    output: Path | str | None = None,
    *,
    private: bool = False,
    license: str | None = None,
    notes: Path | str | None = None,
    sign: Path | str | None = None,
    data_dir: Path | str | None = None,
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
) -> Published:
    """Write the folder of a run for others, and upload it to the Hugging Face Hub if ``to`` names a repository there.

    Args:
        reference: the folder of a run, ``ARCHITECTURE/RUN``, or an architecture for its best run.
        to: ``USER/NAME``; the repository is created if it does not exist.
        output: the folder: a new or empty one, or one of an earlier call. Default: ``published`` in that of the run.
        private: whether a new repository is private; an existing public one is refused.
        license: of the weights, for the card: an SPDX name such as ``apache-2.0``, or any other name.
        notes: a Markdown file in UTF-8; the card ends with its text.
        sign: as for :func:`zoo.export`.

    Raises:
        UsageError: there is no run, the folder is in use, or huggingface_hub is not installed.
        ExportError: the model cannot be exported.
        ZooError: the upload failed; the folder is complete.
    """
    registry = registry or create_registry()
    if to is not None:
        check_repository(to)
    elif private:
        raise UsageError("--private is for an upload: give --to USER/NAME too.")
    licence = (license or "").strip()
    if license is not None and (not licence or len(licence) > LONGEST_LICENCE or one_line(licence) != licence):
        raise UsageError(f"--license must be a name of one line with at most {LONGEST_LICENCE} characters.")
    trained = find_trained(reference, runs_folder(runs_dir), registry)
    if trained.shipped:
        name = trained.metadata["architecture"]
        raise UsageError(f"There is no run of {name} to publish, only its shipped weights. Run `zoo train {name}`.")
    run = load_run(trained.checkpoint.parent)
    folder = expanded(output) if output is not None else run.folder / "published"
    stated = {"repository": to or "", "licence": licence, "notes": _text_of(notes)}
    files = _write(run, TorchModel(trained), folder, stated, registry, sign=sign, data_dir=data_dir)
    if to is None:
        return Published(folder, tuple(files))
    uploaded = upload(folder, files, to, private=private, message=f"Publish {run.name}")
    return Published(folder, tuple(files), uploaded, address(to))


def _write(
    run: Run,
    model: TorchModel,
    folder: Path,
    stated: dict[str, str],
    registry: Registry,
    *,
    sign: Path | str | None,
    data_dir: Path | str | None,
) -> list[str]:
    """Write the folder; the names of its files. ``stated`` has the card's ``repository``, ``licence`` and ``notes``."""
    made = export(str(run.folder), "onnx", bundle=folder, sign=sign, data_dir=data_dir, registry=registry)
    record = public_record(run.config)
    exported = ExportedFile(made.file, sha256=made.sha256, bytes=made.bytes, checks=made.checks)
    assessment, repository = assessed(model, registry, data_dir), stated["repository"]
    facts = page_facts(Run(run.folder, record), model, registry, assessment, exported, stated["licence"])
    facts |= {"name": repository or facts["name"], "repository": repository or "USER/NAME"}
    facts["use"] = render("use.txt", **facts)
    drawing = draw_trained(model.trained.module, model.trained.metadata, registry)
    card = render("model-card.md", **facts, picture=PICTURE) + stated["notes"]
    texts = {RECORD: json_text(record), CARD: card, PICTURE: drawing.svg}
    with replacing_together(folder / WEIGHTS, *(folder / name for name in texts)) as (weights, *others):
        shutil.copyfile(model.trained.checkpoint, weights)
        for temporary, text in zip(others, texts.values(), strict=True):
            temporary.write_text(text, encoding="utf-8")
    assert made.file.name == MODEL
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if _is_published(path))


def _text_of(notes: Path | str | None) -> str:
    """The text of a file after an empty line; empty without a file."""
    if notes is None:
        return ""
    path = expanded(notes)
    try:
        return f"\n{read_limited(path, LONGEST_NOTES, 'the notes').decode()}"
    except FileNotFoundError:
        raise UsageError(f"--notes: there is no file {path}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"--notes: {path} is not text in UTF-8.") from None


def _is_published(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and path.suffix not in (".log", ".part")
