"""What the front matter of a model card needs to know of the hub of Hugging Face: its ids of datasets and metrics."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..formatting import metric_name
from ..specs.dataset import Dataset

_DATASETS = {
    "cifar10": "uoft-cs/cifar10",
    "fashion-mnist": "zalando-datasets/fashion_mnist",
    "iris": "scikit-learn/iris",
    "mnist": "ylecun/mnist",
}
"""The ids of the built-in datasets that the hub has."""
_ADDRESS = re.compile(r"https://huggingface\.co/datasets/([\w.-]+/[\w.-]+)")
_METRICS = {"auc": "roc_auc", "r2": "r_squared"}
"""The hub's ids of metrics that it calls otherwise."""
_LICENCES = frozenset(
    {
        *("apache-2.0", "mit", "bsd", "bsd-2-clause", "bsd-3-clause", "isc", "zlib", "unlicense", "cc0-1.0", "mpl-2.0"),
        *("cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "gpl-2.0", "gpl-3.0", "lgpl-2.1", "lgpl-3.0", "agpl-3.0"),
    }
)
"""The SPDX names that are ids of licences on the hub, in lower case."""


@dataclass(frozen=True, slots=True)
class HubFacts:
    """The entries of a model card's front matter that have the hub's own ids.

    Args:
        licence: the id of the licence of the weights: ``unknown`` if their owner has not chosen one, ``other`` if the
            hub has no id for it.
        licence_name: the name of a licence without an id.
        licence_text: the same in words.
        dataset: the id of the dataset; empty if the hub does not have it.
        metrics: of the test split, each with ``type``, ``value`` and ``name``.
    """

    licence: str
    licence_name: str
    licence_text: str
    dataset: str
    metrics: tuple[dict[str, Any], ...]


def hub_facts(
    dataset: Dataset | None, stand_in: bool, recorded: Mapping[str, float], shipped_by: str | None, licence: str = ""
) -> HubFacts:
    """The hub's ids for a model.

    Args:
        dataset: the declaration of the training data; None for user files.
        stand_in: whether that dataset stood in for another one.
        recorded: the test metrics by the zoo's names.
        shipped_by: the distribution that the weights ship with; None for a run, whose owner chooses the licence.
        licence: the licence that the owner of a run has chosen; empty if there is none yet.
    """
    metrics = tuple(
        {"type": _METRICS.get(name, name), "value": value, "name": metric_name(name)}
        for name, value in recorded.items()
    )
    declared = _licence_of(shipped_by) if shipped_by else ""
    if declared:
        text = f"{declared}, as {shipped_by}, with which the weights ship"
    else:
        text = licence or "not chosen; state yours with zoo publish --license"
    chosen = declared or licence
    hub_id = chosen.lower() if chosen.lower() in _LICENCES else "other" if chosen else "unknown"
    name = chosen if hub_id == "other" else ""
    return HubFacts(hub_id, name, text, "" if stand_in else _dataset_id(dataset), metrics)


def _dataset_id(dataset: Dataset | None) -> str:
    """The id of a dataset: that of its address on the hub, if its plugin gives one as the source."""
    if dataset is None:
        return ""
    address = _ADDRESS.search(dataset.source)
    return address[1] if address else _DATASETS.get(dataset.name, "")


def _licence_of(distribution: str) -> str:
    """The licence of a distribution as it declares it; empty if it does not."""
    try:
        metadata = importlib.metadata.metadata(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""
    declared = [metadata[key] for key in ("License-Expression", "License") if key in metadata]
    return " ".join(declared[0].split())[:100] if declared else ""
