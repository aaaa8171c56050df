"""Whether an import string leads anywhere, told without importing what it names: that may cost seconds."""

from __future__ import annotations

import ast
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

from ..errors import closest


def missing(reference: object, home: str) -> str:
    """What is wrong with ``"package.module:name"``; empty where it leads somewhere or only an import can tell.

    Args:
        home: the module of the plugin that declared it. Its packages are imported already; those of others are not.
    """
    if not isinstance(reference, str):
        return ""
    module, _, name = reference.partition(":")
    top = module.partition(".")[0]
    try:
        spec = find_spec(module if top == home.partition(".")[0] else top)
    except ModuleNotFoundError:
        spec = None
    except Exception as error:  # whatever the parent package does when it is imported
        return f"{reference!r} cannot be imported: {type(error).__name__}: {error}."
    if spec is None:
        return f"{reference!r} cannot be imported: there is no module {module!r}."
    known = _names(spec) if spec.name == module else None
    if known is None or name.partition(".")[0] in known:
        return ""
    close = closest(name, known)
    return f"{reference!r} cannot be imported: {module} has no {name!r}.{f' Did you mean {close!r}?' if close else ''}"


def _names(spec: ModuleSpec) -> set[str] | None:
    """The names that a module's source gives at its top level; None where the source does not tell."""
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
