"""The command line that repeats the training of a run. Imports nothing heavy."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import Any

from ..registry.registry import Registry
from ..specs.hyperparameters import resolve
from ..specs.options import as_text

_DIRECT = {"epochs": "--epochs", "batch_size": "--batch-size", "lr": "--lr"}


def repeat_command(config: dict[str, Any], registry: Registry) -> str:
    """``zoo train …`` with all options that differ from the defaults.

    Args:
        config: the content of ``run.json``.
    """
    data = config["data"]
    words = ["zoo", "train", config["architecture"]]
    if data["name"] != data["default"] or data.get("path"):
        words += ["--dataset", data.get("path") or data["name"]]
    for name, value in _changed(data.get("options") or {}, _dataset_defaults(config, registry)).items():
        words += ["--data-option", f"{name}={_text(value)}"]
    spec = registry.architectures.get(config["architecture"])
    own = spec.hyperparameters if spec else {}
    dataset = registry.datasets.get(data["name"])
    foreign = dataset.hyperparameters if dataset and data["name"] != data["default"] else {}
    chosen = asdict(resolve(config["hyperparameters"]))
    for name, value in _changed(chosen, asdict(resolve(own, foreign))).items():
        words += [_DIRECT[name], _text(value)] if name in _DIRECT else ["--set", f"{name}={_text(value)}"]
    defaults = {option.name: option.default for option in spec.options} if spec else {}
    for name, value in _changed(config["options"], defaults).items():
        words += ["--set", f"{name}={_text(value)}"]
    words += ["--seed", str(config["seed"])] if config["seed"] else []
    words += ["--init-from", str(config["init_from"])] if config.get("init_from") else []
    for pattern in config.get("freeze") or ():
        words += ["--freeze", pattern]
    processes = config.get("processes", 1)
    if processes > 1:  # each process has its own device
        words += ["--devices", str(processes)]
        return shlex.join([*words, "--device", str(config["device"]).partition(":")[0]])
    return shlex.join([*words, "--device", str(config["device"])])


def _changed(values: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in usual or _plain(usual[name]) != _plain(value)}


def _plain(value: Any) -> Any:
    """Tuples as lists: JSON does not distinguish them."""
    return list(value) if isinstance(value, tuple) else value


def _dataset_defaults(config: dict[str, Any], registry: Registry) -> dict[str, Any]:
    data = config["data"]
    if data.get("path"):
        return {}
    spec = registry.datasets.get(data["name"])
    return {option.name: option.default for option in spec.options} if spec else {}


def _text(value: Any) -> str:
    """``value`` as the command line accepts it, with all digits."""
    return repr(value) if isinstance(value, float) else as_text(value).strip("'")
