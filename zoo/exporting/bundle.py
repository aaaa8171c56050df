"""A bundle: a folder with an exported file and everything that is needed to use it without the zoo."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..captured_output import log_paths
from ..errors import UsageError, ZooError
from ..files import json_text
from ..models.description import ModelDescription
from ..schema import read_json
from ..signing import signature_path
from .certificate import Certificate, certificate_path
from .reference_vectors import test_data_files
from .source import INPUT_NAME

_WHITE = 255.0
_MODEL_TYPE = "pluggy-zoo"
_TEST_DATA = "test_data_set_0"
_CONFIGURATION = ("labels.txt", "config.json", "preprocessor_config.json", "sample.bin")
_PUBLISHED = ("README.md", "best.safetensors", "network.svg", "run.json")
"""What `zoo publish` adds."""


def bundle_files(certificate: Certificate, runners: Iterable[Path]) -> dict[str, bytes]:
    """What belongs beside the exported file and its certificate, by name: vectors, samples, labels, programs, and the
    configuration files of Hugging Face.

    Args:
        certificate: of the file; it must have reference vectors.
        runners: programs that run the file; they are copied unchanged.
    """
    described, vectors = certificate.description, certificate.vectors
    assert vectors is not None  # a request for a bundle needs a format that can be opened
    files = {f"{_TEST_DATA}/{name}": content for name, content in test_data_files(vectors, INPUT_NAME).items()}
    files["labels.txt"] = "".join(f"{label}\n" for label in label_names(certificate)).encode()
    files["config.json"] = json_text(model_config(certificate)).encode()
    if ModelDescription.from_dict(described).takes_images:
        files["preprocessor_config.json"] = json_text(preprocessor_config(described)).encode()
    files["sample.bin"] = vectors.inputs.tobytes()
    return files | {runner.name: runner.read_bytes() for runner in runners}


def check_bundle_folder(folder: Path, target: Path, runners: Iterable[Path]) -> None:
    """Refuse a folder that holds anything but an earlier bundle of the same format.

    Raises:
        UsageError: the folder holds other files.
    """
    if not folder.is_dir():
        return
    own = {target.name, certificate_path(target).name, signature_path(target).name, _TEST_DATA}
    own |= {*_CONFIGURATION, *_PUBLISHED}
    own |= {file.name for file in runners}
    found = {path.name for path in folder.iterdir() if not _is_own_log_or_part(path, target)}
    foreign = sorted(found - own)
    if foreign:
        raise UsageError(f"{folder} is in use: it holds {foreign[0]!r}. Give a new or an empty folder for the bundle.")
    if found - {_TEST_DATA} and not _is_bundle(folder):
        raise UsageError(f"{folder} is in use, and not by a bundle of the zoo. Give a new or an empty folder.")


def stale_files(folder: Path, files: Iterable[str]) -> list[Path]:
    """The files of an earlier bundle in ``folder`` that the new one does not replace."""
    old = [path for path in (folder / _TEST_DATA).glob("*.pb") if not path.is_dir()]
    old += [folder / name for name in (*_CONFIGURATION, *_PUBLISHED) if (folder / name).is_file()]
    return [path for path in old if path.relative_to(folder).as_posix() not in set(files)]


def _is_bundle(folder: Path) -> bool:
    """Whether the configuration in ``folder`` is one of the zoo."""
    try:
        content = read_json(folder / "config.json", dict[str, Any], "the configuration")
    except (FileNotFoundError, ZooError):
        return False
    return content.get("model_type") == _MODEL_TYPE


def _is_own_log_or_part(path: Path, target: Path) -> bool:
    return path.name.startswith(f".{target.name}.") or path in log_paths(target) or path.name.endswith(".part")


_PROBLEMS = {"class": "single_label_classification", "numbers": "regression"}
"""The ``problem_type`` of the transformers library for what a task predicts."""


def label_names(certificate: Certificate) -> list[str]:
    """A name for each value of the last output: its label, or its index if the data has no labels."""
    assert certificate.vectors is not None
    *_, last = certificate.vectors.outputs.values()
    return list(certificate.description["labels"]) or [str(place) for place in range(last.shape[1])]


def model_config(certificate: Certificate) -> dict[str, Any]:
    """The content of ``config.json``, with the entries of the transformers library."""
    described, labels = certificate.description, label_names(certificate)
    description = ModelDescription.from_dict(described)
    predicts = description.predicts
    config: dict[str, Any] = {
        "architectures": [described["architecture"]],
        "model_type": _MODEL_TYPE,
        **({"problem_type": _PROBLEMS[predicts]} if predicts in _PROBLEMS else {}),
        "num_labels": len(labels),
        "id2label": {str(place): label for place, label in enumerate(labels)},
        "label2id": {label: place for place, label in enumerate(labels)},
    }
    shape = described["input_shape"]
    if description.takes_images:
        return config | {"num_channels": shape[0], "image_size": shape[1:]}
    return config | ({"columns": described["columns"]} if description.takes_rows else {"input": described["input"]})


def preprocessor_config(described: dict[str, Any]) -> dict[str, Any]:
    """The content of ``preprocessor_config.json``: what remains to be done with an image before the file takes it."""
    _, height, width = described["input_shape"]
    outside, statistics = not described["normalises"], described["normalisation"]
    return {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": height, "width": width},
        # if normalisation is part of the file, the file takes raw pixels
        "do_rescale": outside,
        "rescale_factor": 1 / _WHITE,
        "do_normalize": outside,
        "image_mean": [mean / _WHITE for mean in statistics["mean"]],
        "image_std": [std / _WHITE for std in statistics["std"]],
    }
