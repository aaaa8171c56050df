"""References from a declaration to code: a callable, or an import string ``"package.module:name"``."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import PluginError, closest
from ..formatting import brief, one_line, shortened

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

Reference = str | Callable[..., Any]
"""A callable, or where to import it from: ``"package.module:name"``."""


def reference_problem(reference: object) -> str:
    """Why ``reference`` cannot be a :data:`Reference`; empty if it can. Imports nothing."""
    if isinstance(reference, str):
        module, separator, name = reference.partition(":")
        return "" if module and separator and name else f"{brief(reference)} is not of the form 'package.module:name'."
    return "" if callable(reference) else f"{brief(reference)} is neither callable nor 'package.module:name'."


def missing(reference: object, home: str) -> str:
    """Why ``"package.module:name"`` cannot be imported; empty if it can, or if only an import can show it.

    It looks without importing the module, because the import may take seconds.

    Args:
        home: the module of the plugin that declared the reference. Its packages are already imported; others are not.
    """
    if not isinstance(reference, str):
        return ""
    from importlib.util import find_spec

    module, _, name = reference.partition(":")
    top = module.partition(".")[0]
    try:
        spec = find_spec(module if top == home.partition(".")[0] else top)
    except ModuleNotFoundError:
        spec = None
    except Exception as error:  # the parent package may raise anything when it is imported
        return f"{brief(reference)} cannot be imported: {type(error).__name__}: {shortened(one_line(error), 300)}."
    if spec is None:
        return f"{brief(reference)} cannot be imported: there is no module {brief(module)}."
    known = _names(spec) if spec.name == module else None
    if known is None or name.partition(".")[0] in known:
        return ""
    close = closest(name, known)
    guess = f" Did you mean {close!r}?" if close else ""
    return f"{brief(reference)} cannot be imported: {module} has no {brief(name)}.{guess}"


def _names(spec: ModuleSpec) -> set[str] | None:
    """The names that a module's source defines; None if the source does not show all of them."""
    import ast  # slow to import; `zoo list` does without

    if spec.origin is None or not spec.origin.endswith(".py"):
        return None
    try:
        tree = ast.parse(Path(spec.origin).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return None if "*" in names or "__getattr__" in names else names


def resolve_reference(reference: Reference) -> Callable[..., Any]:
    """Import what ``reference`` names and return it.

    Raises:
        PluginError: it cannot be imported, or is not callable.
    """
    if not isinstance(reference, str):
        return reference
    module, _, name = reference.partition(":")
    try:
        home = importlib.import_module(module)
    except Exception as error:  # a plugin's module may raise anything when it is imported
        text = " ".join(str(error).split())
        raise PluginError(f"Cannot import {reference!r}: {type(error).__name__}: {text}.") from error
    found = getattr(home, name, None)
    if found is None:
        close = closest(name, vars(home))
        guess = f" Did you mean {close!r}?" if close else ""
        raise PluginError(f"Cannot import {reference!r}: {module} has no {name!r}.{guess}")
    if not callable(found):
        raise PluginError(f"{reference!r} is not callable.")
    return found  # type: ignore[no-any-return]
