"""The recipe parts that a recipe names: looked up among those of all plugins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import PluginError, UnknownName, UsageError
from ..specs.hyperparameters import NO_PART, PartOptions, named_parts, resolve
from ..specs.options import Option
from ..specs.recipe_parts import PARTS, RecipePart
from .origins import describe_origin, way_back
from .registry import Registry


def find_part(registry: Registry, kind: str, name: str) -> RecipePart:
    """The recipe part of this name.

    Args:
        kind: the hyperparameter that chooses it: ``optimizer``.

    Raises:
        UnknownName: no plugin registers it.
    """
    known = registry.recipe_parts(kind)
    if name not in known:
        names = part_names(registry, kind)
        raise UnknownName(PARTS[kind].__name__.lower(), name, names, f"Available: {', '.join(names)}.")
    return known[name]


def part_names(registry: Registry, kind: str) -> list[str]:
    """What the hyperparameter ``kind`` can choose: its value for no part, if there is one, and all parts."""
    return [*([NO_PART[kind]] if kind in NO_PART else []), *registry.recipe_parts(kind)]


def part_options(registry: Registry) -> PartOptions:
    """The options of recipe parts, for :func:`zoo.specs.hyperparameters.resolve`."""
    return _PartOptions(registry)


class _PartOptions:
    """See :class:`zoo.specs.hyperparameters.PartOptions`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def __call__(self, kind: str, name: str) -> tuple[Option, ...]:
        return find_part(self._registry, kind, name).options

    def having(self, option: str) -> list[str]:
        return [
            f"{kind}={name}"
            for kind in PARTS
            for name, part in self._registry.recipe_parts(kind).items()
            if any(known.name == option for known in part.options)
        ]


def part_origins(registry: Registry, recipe: Mapping[str, object]) -> dict[str, dict[str, str]]:
    """The plugins of the recipe parts of a recipe, by hyperparameter, for ``run.json``; without built-in ones."""
    owners = {kind: registry.owner(find_part(registry, kind, name)) for kind, name in named_parts(recipe).items()}
    return {kind: owner.origin for kind, owner in owners.items() if not owner.builtin}


def check_parts(registry: Registry, config: Mapping[str, Any]) -> None:
    """Check that the recipe parts of a run are installed.

    Args:
        config: ``run.json`` of the run.

    Raises:
        PluginError: one is missing; the message says which plugin it came from.
    """
    for kind, name in named_parts(config["hyperparameters"]).items():
        origin = config.get("recipe_plugins", {}).get(kind)
        if name not in registry.recipe_parts(kind) and origin:
            raise PluginError(
                f"The {kind} {name} of this run came from {describe_origin(origin)}, which does not register it here. "
                f"{way_back(origin)}"
            )


def recipe_problem(registry: Registry, recipe: Mapping[str, object]) -> str:
    """What is wrong with the recipe parts in a declared recipe; empty if nothing is."""
    try:
        resolve(recipe, parts=part_options(registry))
    except UsageError as error:
        return str(error)
    return ""
