"""A bundle: a folder with an exported file and everything that is needed to use it without the zoo."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..files import write_json, write_text
from .certificate import Certificate
from .checks import INPUT_NAME
from .reference_vectors import write_test_data

_GREYS = 255.0


def write_bundle(certificate: Certificate, runners: Iterable[Path]) -> None:
    """Put beside the certificate's file: reference vectors, samples, labels, Hugging Face's descriptions, programs.

    Args:
        runners: the programs, which are copied as they are.
    """
    folder, described = certificate.file.parent, certificate.description
    assert certificate.vectors is not None  # of every format that can be opened
    write_test_data(certificate.vectors, folder / "test_data_set_0", INPUT_NAME)
    write_text(folder / "labels.txt", "".join(f"{label}\n" for label in label_names(certificate)))
    write_json(folder / "config.json", model_config(certificate))
    if len(described["input_shape"]) == 3:
        write_json(folder / "preprocessor_config.json", preprocessor_config(described))
    (folder / "sample.bin").write_bytes(certificate.vectors.inputs.tobytes())
    for runner in runners:
        write_text(folder / runner.name, runner.read_text(encoding="utf-8"))


def label_names(certificate: Certificate) -> list[str]:
    """One for each value of the last output; their places where the data has none."""
    assert certificate.vectors is not None
    *_, last = certificate.vectors.outputs.values()
    return list(certificate.description["labels"]) or [str(place) for place in range(last.shape[1])]


def model_config(certificate: Certificate) -> dict[str, Any]:
    """``config.json``, as the transformers library names its entries."""
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
    """``preprocessor_config.json``: what is left to do with an image before the file takes it."""
    _, height, width = described["input_shape"]
    outside, figures = not described["normalises"], described["normalisation"]
    return {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": height, "width": width},
        # where normalisation is part of the file, pixels go in as they are
        "do_rescale": outside,
        "rescale_factor": 1 / _GREYS,
        "do_normalize": outside,
        "image_mean": [mean / _GREYS for mean in figures["mean"]],
        "image_std": [std / _GREYS for std in figures["std"]],
    }
