"""The costs of a network before it is trained: parameters, and size and speed of its exported file."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..captured_output import capture_output
from ..data.loading import LoadedDataset
from ..evaluation.benchmark import latency_of
from ..exporting.source import make_source
from ..inputs.methods import input_of_record
from ..models.build import count_parameters
from ..models.trained import TrainedModel
from ..registry.registry import Registry
from ..runs.run import Run
from ..specs.options import check_all
from ..specs.references import resolve_reference
from ..training.preparation import Prepared
from .definition import Limits
from .objectives import value_text

FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Measured:
    """The costs of a network, and the first limit that it exceeds, in words; empty if it meets all."""

    costs: Mapping[str, float]
    excess: str = ""


class CostMeter:
    """Measures the costs of untrained networks. Those with the same options are measured once."""

    def __init__(self, limits: Limits, objectives: Collection[str], registry: Registry) -> None:
        self._limits, self._registry = limits, registry
        self._file_needed = bool({"bytes", "latency"} & set(objectives))
        self._file_needed |= limits.bytes is not None or limits.latency is not None
        self._known: dict[str, Measured] = {}

    def measure(self, prepared: Prepared, run: Run) -> Measured:
        """The costs of a network and whether it meets the limits.

        Args:
            run: the description of the training, as in ``run.json``.

        Raises:
            ExportError: it cannot be exported, and a limit or an objective is about the file.
        """
        keys = ("architecture", "options", "hyperparameters")
        config = run.config
        config_key = json.dumps({key: config[key] for key in keys if key != "hyperparameters"}, sort_keys=True)
        if config_key not in self._known:
            self._known[config_key] = self._measure(prepared, run)
        return self._known[config_key]

    def _measure(self, prepared: Prepared, run: Run) -> Measured:
        costs: dict[str, float] = {"params": count_parameters(prepared.model)}
        # a file that is certainly too large is not written
        least = FLOAT_BYTES * sum(parameter.numel() for parameter in prepared.model.parameters())
        excess = self._excess(costs) or self._excess({"bytes": least}, "at least ")
        if excess or not self._file_needed:
            return Measured(costs, excess)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "untrained.onnx"
            write_untrained(prepared, run.config, path, self._registry)
            costs["bytes"] = path.stat().st_size
            if not (excess := self._excess(costs)):
                costs["latency"] = latency_of(str(path), None, self._registry, just_written=True)
        return Measured(costs, excess or self._excess(costs))

    def _excess(self, costs: Mapping[str, float], about: str = "") -> str:
        for name in ("params", "bytes", "latency"):
            limit = getattr(self._limits, name)
            if limit is not None and costs.get(name, 0) > limit:
                return f"{about}{value_text(name, costs[name])} {name}, allowed are {value_text(name, limit)}"
        return ""


def write_untrained(prepared: Prepared, config: Mapping[str, Any], path: Path, registry: Registry) -> None:
    """Write the network with its initial weights as an ONNX file, without the gates of an export.

    The gates need trained weights and the test split. Size and speed do not depend on the weights.

    Raises:
        ExportError: it cannot be written.
    """
    metadata = dict(config) | {"epoch": 1, "validation": {prepared.task.metric: 0.0}}
    module = copy.deepcopy(prepared.model).eval()
    inputs = input_of_record(config["data"], registry)
    origin = str(config["architecture"])
    trained = TrainedModel(prepared.task, module, metadata, path, "0" * 64, origin, None, inputs=inputs)
    exporter = registry.exporter("onnx")
    with capture_output(path, f"The exporter {exporter.name}"):
        write = resolve_reference(exporter.write)
        write(make_source(trained, _without_test(prepared.data)), path, **check_all(exporter.options, {}, "onnx"))


def _without_test(data: LoadedDataset) -> LoadedDataset:
    """``data`` with the validation split in place of the test split, from which an exporter takes samples."""
    return replace(data, splits=replace(data.splits, test=data.validation))
