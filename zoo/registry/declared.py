"""Checks of declarations that need all plugins: import strings, recipe parts, samples of a family."""

from __future__ import annotations

from ..formatting import brief
from ..specs.architecture import Architecture
from ..specs.dataset import Dataset
from ..specs.references import missing
from ..specs.spec import Spec
from .plugin import Plugin
from .recipe_parts import recipe_problem
from .registry import Registry


def check_declared(registry: Registry) -> None:
    """Report each import string that does not exist, without importing it, and each recipe part that does not exist."""
    for spec, plugin in registry.declared():
        if plugin.builtin:
            continue
        for problem in _problems(registry, spec, registry.module_name(plugin)):
            message = f"{spec.label}: {problem}"
            if message not in plugin.errors:
                registry.report(plugin, message)


def _problems(registry: Registry, spec: Spec, home: str) -> list[str]:
    found = [(field, missing(reference, home)) for field, reference in spec.references]
    problems = [f"{field} {problem}" for field, problem in found if problem]
    if isinstance(spec, Architecture | Dataset):
        problems += [problem] if (problem := recipe_problem(registry, spec.hyperparameters)) else []
    return problems


def sample_architectures(registry: Registry, plugin: Plugin) -> list[str]:
    """The names that a plugin gives as samples of what its hook ``find_architecture`` knows."""
    names: list[str] = []
    for given in registry.ask(plugin, "sample_architectures"):
        if isinstance(given, list | tuple) and all(isinstance(name, str) for name in given):
            names += given
        else:
            registry.report(plugin, f"sample_architectures returned {brief(given)}, not a tuple of names.")
    return names
