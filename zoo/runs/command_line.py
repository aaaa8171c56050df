"""The command line that repeats the training of a run. Imports nothing heavy."""

from __future__ import annotations

import shlex
from typing import Any

from ..registry.registry import Registry
from ..specs.hyperparameters import resolve
from ..specs.options import as_argument

_ADAPTABLE = ("epochs", "batch_size", "warmup", "grad_clip", "ema", "patience")
"""Given for a run of a version that did not record what the user set: that version adapted no recipe."""
_DIRECT = {"epochs": "--epochs", "batch_size": "--batch-size", "lr": "--lr"}


def repeat_command(config: dict[str, Any], registry: Registry) -> str:
    """``zoo train …`` with all options that differ from the defaults, and how the run was extended after that.

    What the user set is there even if it is the default: a recipe is adapted to small data where nothing is set, and
    the repeated run must be adapted in the same way.

    Args:
        config: the content of ``run.json``.
    """
    data = config["data"]
    words = ["zoo", "train", config["architecture"]]
    foreign_data = data["name"] != data["default"] or data.get("path")
    if foreign_data:
        words += ["--dataset", data.get("path") or data["name"]]
    for name, value in _changed(data.get("options") or {}, _dataset_defaults(config, registry)).items():
        words += ["--data-option", f"{name}={as_argument(value)}"]
    spec = registry.architectures.get(config["architecture"])
    own = spec.hyperparameters if spec else {}
    dataset = registry.datasets.get(data["name"])
    foreign = dataset.hyperparameters if dataset and data["name"] != data["default"] else {}
    epochs = [change["epochs"] for change in config.get("extended", [])] + [config["hyperparameters"]["epochs"]]
    chosen = resolve(config["hyperparameters"], {"epochs": epochs[0]}).as_dict()
    usual = resolve(own, foreign).as_dict()
    kept = config.get("user_set", _ADAPTABLE if foreign_data or epochs[0] < usual["epochs"] else ())
    usual = {name: value for name, value in usual.items() if name not in kept}
    for name, value in _changed(chosen, usual).items():
        words += [_DIRECT[name], as_argument(value)] if name in _DIRECT else ["--set", f"{name}={as_argument(value)}"]
    defaults = {option.name: option.default for option in spec.options if option.name not in kept} if spec else {}
    for name, value in _changed(config["options"], defaults).items():
        words += ["--set", f"{name}={as_argument(value)}"]
    words += ["--seed", str(config["seed"])] if config["seed"] else []
    words += ["--init-from", str(config["init_from"])] if config.get("init_from") else []
    for pattern in config.get("freeze") or ():
        words += ["--freeze", pattern]
    processes = config.get("processes", 1)
    if processes > 1:  # each process has its own device
        words += ["--devices", str(processes)]
    device = str(config["device"]).partition(":")[0] if processes > 1 else str(config["device"])
    return shlex.join([*words, "--device", device]) + _extensions(config, epochs[1:])


def _extensions(config: dict[str, Any], epochs: list[int]) -> str:
    """The commands that extended the run to each number of ``epochs``."""
    text = ""
    for change, number in zip(config.get("extended", []), epochs, strict=True):
        text += f" && zoo train --resume RUN --epochs {number}"
        if change["after"] < change["epochs"]:
            text += f" # it was stopped after epoch {change['after']}"
            break
    return text


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
