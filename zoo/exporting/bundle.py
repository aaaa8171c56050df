"""A bundle: a folder with an exported file and everything that is needed to use it without the zoo."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..files import write_json, write_text
from .certificate import Certificate
from .reference_vectors import write_test_data
from .source import INPUT_NAME

_WHITE = 255.0


def write_bundle(certificate: Certificate, runners: Iterable[Path]) -> None:
    """Write reference vectors, samples, labels, Hugging Face's configuration files and programs beside the file.

    Args:
        certificate: of the file; it must have reference vectors.
        runners: programs that run the file; they are copied unchanged.
    """
    folder, described = certificate.file.parent, certificate.description
    assert certificate.vectors is not None  # a request for a bundle needs a format that can be opened
    write_test_data(certificate.vectors, folder / "test_data_set_0", INPUT_NAME)
    write_text(folder / "labels.txt", "".join(f"{label}\n" for label in label_names(certificate)))
    write_json(folder / "config.json", model_config(certificate))
    if len(described["input_shape"]) == 3:
        write_json(folder / "preprocessor_config.json", preprocessor_config(described))
    (folder / "sample.bin").write_bytes(certificate.vectors.inputs.tobytes())
    for runner in runners:
        write_text(folder / runner.name, runner.read_text(encoding="utf-8"))


def label_names(certificate: Certificate) -> list[str]:
    """A name for each value of the last output: its label, or its index if the data has no labels."""
    assert certificate.vectors is not None
    *_, last = certificate.vectors.outputs.values()
    return list(certificate.description["labels"]) or [str(place) for place in range(last.shape[1])]


def model_config(certificate: Certificate) -> dict[str, Any]:
    """The content of ``config.json``, with the entries of the transformers library."""
    described, labels = certificate.description, label_names(certificate)
    config: dict[str, Any] = {
        "architectures": [described["architecture"]],
        "model_type": "pluggy-zoo",
        "problem_type": "regression" if described["task"] == "regression" else "single_label_classification",
        "num_labels": len(labels),
        "id2label": {str(place): label for place, label in enumerate(labels)},
        "label2id": {label: place for place, label in enumerate(labels)},
    }
    shape = described["input_shape"]
    if len(shape) == 3:
        return config | {"num_channels": shape[0], "image_size": shape[1:]}
    return config | {"columns": described["columns"]}


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
