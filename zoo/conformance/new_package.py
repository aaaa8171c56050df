"""``zoo new``: create a complete package with a plugin, its tests and its CI from templates."""

from __future__ import annotations

import datetime
import importlib.util
import keyword
import os
import re
import string
import tempfile
from collections.abc import Container
from pathlib import Path
from typing import NamedTuple

from ..errors import UnknownName, UsageError, ZooError
from ..files import unwritable
from ..folders import expanded
from ..registry.registry import Registry, create_registry

_TEMPLATES = Path(__file__).with_name("templates")
_SUFFIX = ".template"

# SHA-256 of the data that the dataset template computes
_CIRCLE = "0acb15fcae52d6043c2aede915d4e490bc4875826c15399fc0ab1ae1f202ac29"


class _Kind(NamedTuple):
    """The texts of a new package that depend on its kind."""

    title: str
    summary: str
    first_command: str


_KINDS = {
    "architecture": _Kind("An architecture", "two convolutions and a linear layer", "zoo train {name}"),
    "dataset": _Kind(
        "A dataset",
        "points inside or outside a circle",
        "zoo train diabetes-mlp --dataset {name} --set activation=relu --set weight_decay=0",
    ),
    "exporter": _Kind("An export format", "weights with a description of the model", "zoo export lenet --{name}"),
    "optimizer": _Kind(
        "An optimiser", "the sign of an average of the gradients", "zoo train lenet --set optimizer={name} --lr 0.001"
    ),
    "listener": _Kind("A listener", "the validation loss of a training as a CSV file", "zoo train lenet --log {name}"),
    "family": _Kind("A family of architectures", "MLPs whose name gives their widths", "zoo train {name}/64-32"),
    "task": _Kind("A task", "classes in an order, where a near miss is better than a far one", "zoo train {name}-mlp"),
    "input": _Kind("A kind of input", "the energy of a sound at each frequency", "zoo train {name}-mlp"),
    "command": _Kind("A command", "the parameters of a network, the largest first", "zoo {name} lenet"),
}
KINDS = tuple(_KINDS)
"""The kinds of plugin that a new package can contain."""


def new_package(
    name: str, kind: str = "architecture", folder: Path | str = ".", *, registry: Registry | None = None
) -> Path:
    """Create a complete plugin package in ``folder/name``. Its tests pass as soon as it is installed.

    Args:
        name: of the distribution, the folder and the item that the plugin registers; words joined by dashes.
        kind: one of :data:`KINDS`.
        folder: the folder for the package.
        registry: the plugins whose names are taken; those that are installed, unless given.

    Returns:
        The folder of the package.

    Raises:
        UsageError: the name cannot be used, or the folder exists.
        ZooError: the folder cannot be written to.
    """
    if kind not in _KINDS:
        raise UnknownName("kind of plugin", kind, KINDS, f"There are: {', '.join(KINDS)}.")
    _check_name(name, kind, registry or create_registry())
    target = expanded(folder) / name
    if target.exists():
        raise UsageError(f"{target} already exists; choose another name, or another folder with --output.")
    values = _values(name, kind)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".zoo-new-") as scratch:
            made = Path(scratch) / name
            for part in ("common", kind):
                _render(_TEMPLATES / part, made, values)
            os.rename(made, target)
    except OSError as error:
        raise unwritable(target, error) from error
    return target


def first_command(name: str, kind: str) -> str:
    """The first command to try with a new package."""
    return _KINDS[kind].first_command.format(name=name)


def _values(name: str, kind: str) -> dict[str, str]:
    from .. import __version__

    title, summary, _ = _KINDS[kind]
    return {
        "name": name,
        "package": name.replace("-", "_"),
        "summary": summary,
        "description": f"{title} for [pluggy-zoo](https://pypi.org/project/pluggy-zoo/): {summary}.",
        "first_command": first_command(name, kind),
        "zoo_version": ".".join(__version__.split(".")[:2]),
        "year": str(datetime.date.today().year),
        "circle_fingerprint": _CIRCLE,
    }


def _check_name(name: str, kind: str, registry: Registry) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UsageError(
            f"{name!r} cannot be a package name: use lower-case letters and digits, words joined by dashes."
        )
    taken: dict[str, Container[str]] = {
        "architecture": registry.architectures,
        "dataset": registry.datasets,
        "exporter": registry.exporters,
        "task": registry.tasks,
        "input": registry.inputs,
        "optimizer": registry.recipe_parts("optimizer"),
        "listener": [plugin.name for plugin in registry.plugins],
    }
    if name in taken.get(kind, {}):
        raise UsageError(f"There is already {_article(kind)} named {name!r}; choose another name.")
    module = name.replace("-", "_")
    if keyword.iskeyword(module) or importlib.util.find_spec(module) is not None:
        raise UsageError(f"Python already has a module or keyword {module!r}; choose another name than {name!r}.")


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _render(source: Path, target: Path, values: dict[str, str]) -> None:
    """Fill in every template in ``source`` and write it to the same place in ``target``."""
    found = sorted(source.rglob(f"*{_SUFFIX}"))
    if not found:
        raise ZooError(f"The templates in {source} are missing; reinstall pluggy-zoo.")
    for path in found:
        place = str(path.relative_to(source)).removesuffix(_SUFFIX).replace("PACKAGE", values["package"])
        (target / place).parent.mkdir(parents=True, exist_ok=True)
        text = string.Template(path.read_text(encoding="utf-8")).substitute(values)
        (target / place).write_text(text, encoding="utf-8")
