"""Architectures, datasets and plugins as plain dictionaries, for ``--json``."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import PluginError
from ..specs.architecture import Architecture
from ..specs.columns import columns_to_json
from ..specs.dataset import Dataset, Input, is_present
from ..specs.exporter import Exporter
from ..specs.hyperparameters import OPTIONS
from ..specs.options import Option
from ..specs.recipe_parts import PARTS, RecipePart
from ..specs.results import Record, recorded_results
from ..specs.spec import Spec
from ..specs.task import Task
from .plugin import Plugin
from .recipe_parts import part_names
from .registry import Registry

log = logging.getLogger("zoo")


def architecture_facts(registry: Registry, architecture: Architecture) -> dict[str, Any]:
    """All facts about an architecture, including its recipe. ``weights`` is the size of the shipped file in bytes."""
    plugin = registry.owner(architecture)
    recipe = architecture.hyperparameters
    return {
        "name": architecture.name,
        "summary": architecture.summary,
        "task": architecture.task,
        "dataset": architecture.dataset,
        "input": _input(registry, registry.datasets.get(architecture.dataset)),
        "parameters": architecture.parameters,
        "results": _results(architecture),
        "weights": _bytes(architecture),
        "tags": list(architecture.tags),
        "source": architecture.source,
        "docs": architecture.docs,
        "plugin": plugin.origin,
        "options": [_option_facts(option, option.default) for option in architecture.options],
        "hyperparameters": [_hyperparameter_facts(registry, option, recipe) for option in OPTIONS],
        "recipe_parts": [part_facts(registry, kind, part) for kind in PARTS for part in _parts(registry, kind)],
    }


def part_facts(registry: Registry, kind: str, part: RecipePart) -> dict[str, Any]:
    """All facts about a recipe part. ``kind`` is the hyperparameter that chooses it."""
    return {
        "kind": kind,
        "name": part.name,
        "summary": part.summary,
        "options": [_option_facts(option, option.default) for option in part.options],
        "plugin": registry.owner(part).distribution,
    }


def dataset_facts(registry: Registry, spec: Dataset, folder: Path) -> dict[str, Any]:
    """All facts about a dataset, and whether it is in ``folder``."""
    return {
        "name": spec.name,
        "summary": spec.summary,
        "task": spec.task,
        "input": _input(registry, spec),
        "input_shape": list(spec.input_shape),
        "num_outputs": spec.num_outputs,
        "labels": list(spec.labels),
        "columns": columns_to_json(spec.columns),
        "options": [_option_facts(option, option.default) for option in spec.options],
        "sizes": dict(spec.sizes),
        "state": "bundled" if not spec.files else "present" if is_present(spec, folder) else "not here",
        "stand_in": spec.stand_in or None,
        "fingerprint": spec.fingerprint or None,
        "licence": spec.licence,
        "source": spec.source,
        "plugin": registry.owner(spec).distribution,
    }


def facts_named(registry: Registry, name: str, folder: Path) -> list[dict[str, Any]]:
    """All facts about everything but architectures that has this name, ``declared`` first: ``"dataset"``, ``"task"`` …

    Args:
        folder: the data folder.
    """
    found = [spec for spec, _ in registry.declared() if spec.name == name and not isinstance(spec, Architecture)]
    return [_facts_of(registry, spec, folder) for spec in found]


def _facts_of(registry: Registry, spec: Spec, folder: Path) -> dict[str, Any]:
    kind = "kind of input" if isinstance(spec, Input) else type(spec).__name__.lower()
    own: dict[str, Any] = {"name": spec.name, "summary": spec.summary, "plugin": registry.owner(spec).distribution}
    if isinstance(spec, Dataset):
        own = dataset_facts(registry, spec, folder)
    elif isinstance(spec, RecipePart):
        own = part_facts(registry, next(name for name, cls in PARTS.items() if isinstance(spec, cls)), spec)
    elif isinstance(spec, Task):
        own |= {
            "predicts": spec.predicts,
            "metrics": [metric.name for metric in spec.metrics],
            "outputs": list(spec.outputs),
            "labels": list(spec.labels),
            "constant": spec.constant,
            "hyperparameters": None if spec.hyperparameters is None else list(spec.hyperparameters),
        }
    elif isinstance(spec, Input):
        own |= {
            "type": spec.type,
            "dimensions": spec.dimensions,
            "holds": spec.holds,
            "demo": spec.demo,
            "shapes": [list(shape) for shape in spec.shapes],
            "options": [_option_facts(option, option.default) for option in spec.options],
        }
    else:
        assert isinstance(spec, Exporter)
        own |= {
            "suffix": spec.suffix,
            "reductions": list(spec.reductions),
            "options": [_option_facts(option, option.default) for option in spec.options],
        }
    return {"declared": kind, **own}


def plugin_facts(plugin: Plugin) -> dict[str, Any]:
    """All facts about a plugin, including its errors."""
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "value": plugin.value,
        "status": plugin.status,
        "hooks": list(plugin.hooks),
        "errors": list(plugin.errors),
        "notes": list(plugin.notes),
        "seconds": plugin.seconds,
    }


def _input(registry: Registry, dataset: Dataset | None) -> str | None:
    """The kind of input of a dataset; None if the dataset is not registered."""
    return registry.input_of(dataset.input, dataset.input_shape).name if dataset else None


def _results(architecture: Architecture) -> Record | None:
    """The recorded results; None, and a warning, if the file is damaged."""
    try:
        return recorded_results(architecture)
    except PluginError as error:
        log.warning("%s", error)
        return None


def _bytes(architecture: Architecture) -> int | None:
    """The size of the shipped weights; None if there are none."""
    try:
        return architecture.shipped_weights.stat().st_size if architecture.shipped_weights else None
    except OSError:  # deleted since
        return None


def _parts(registry: Registry, kind: str) -> list[RecipePart]:
    return list(registry.recipe_parts(kind).values())


def _hyperparameter_facts(registry: Registry, option: Option, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A hyperparameter that chooses a recipe part allows those of all plugins."""
    facts = _option_facts(option, recipe.get(option.name, option.default))
    if option.name in PARTS:
        facts["allowed"] = "one of " + ", ".join(part_names(registry, option.name))
    return facts


def _option_facts(option: Option, default: Any) -> dict[str, Any]:
    return {"name": option.name, "default": default, "allowed": option.describe(), "help": option.help}
