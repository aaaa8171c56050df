"""``zoo new``: a package with a plugin, its tests and its CI, complete from the first minute."""

from __future__ import annotations

import datetime
import importlib.util
import keyword
import os
import re
import string
import tempfile
from pathlib import Path

from ..errors import UnknownName, UsageError, ZooError
from ..files import unwritable
from ..registry.registry import Registry, create_registry

_TEMPLATES = Path(__file__).with_name("templates")
_SUFFIX = ".template"

# SHA-256 of the data that the template of a dataset computes
_CIRCLE = "0acb15fcae52d6043c2aede915d4e490bc4875826c15399fc0ab1ae1f202ac29"

# what the kinds differ in, beyond their files: summary, description, the first command to try
_KINDS = {
    "architecture": (
        "two convolutions and a linear layer",
        "An architecture for [pluggy-zoo](https://pypi.org/project/pluggy-zoo/): two convolutions and a linear layer.",
        "zoo train {name}",
    ),
    "dataset": (
        "points inside a circle and outside",
        "A data set for [pluggy-zoo](https://pypi.org/project/pluggy-zoo/): points inside a circle and outside.",
        "zoo train diabetes-mlp --dataset {name} --set activation=relu --set weight_decay=0",
    ),
    "exporter": (
        "bare weights with their description",
        "An export format for [pluggy-zoo](https://pypi.org/project/pluggy-zoo/): the bare weights, checked.",
        "zoo export lenet --{name}",
    ),
    "command": (
        "the weights of a network, the largest first",
        "A command for [pluggy-zoo](https://pypi.org/project/pluggy-zoo/): the weights of a network, largest first.",
        "zoo {name} lenet",
    ),
}
KINDS = tuple(_KINDS)
"""What a new package may hold."""


def new_package(
    name: str, kind: str = "architecture", folder: Path | str = ".", *, registry: Registry | None = None
) -> Path:
    """Write a complete plugin package to ``folder/name``, whose tests pass once it is installed.

    Args:
        name: of the distribution, of the folder and of what the plugin registers; words joined by dashes.
        kind: ``architecture``, ``dataset``, ``exporter`` or ``command``.
        folder: where to put it.
        registry: the plugins whose names are taken; those installed, unless given.

    Returns:
        The package's folder.

    Raises:
        UsageError: the name cannot be used, or the folder is there already.
        ZooError: the folder cannot be written to.
    """
    if kind not in _KINDS:
        raise UnknownName("kind of plugin", kind, KINDS, f"There are: {', '.join(KINDS)}.")
    _check_name(name, kind, registry or create_registry())
    target = Path(folder).expanduser() / name
    if target.exists():
        raise UsageError(f"{target} is there already; choose another name, or --output for another folder.")
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
    """What to try first with a new package."""
    return _KINDS[kind][2].format(name=name)


def _values(name: str, kind: str) -> dict[str, str]:
    from .. import __version__

    summary, description, _ = _KINDS[kind]
    return {
        "name": name,
        "package": name.replace("-", "_"),
        "summary": summary,
        "description": description,
        "first_command": first_command(name, kind),
        "zoo_version": ".".join(__version__.split(".")[:2]),
        "year": str(datetime.date.today().year),
        "circle_fingerprint": _CIRCLE,
    }


def _check_name(name: str, kind: str, registry: Registry) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UsageError(f"{name!r} is no name for a package: lower-case letters and digits, words joined by dashes.")
    taken = {"architecture": registry.architectures, "dataset": registry.datasets, "exporter": registry.exporters}
    if name in taken.get(kind, {}):
        raise UsageError(f"There is {_article(kind)} named {name!r} already; choose another name.")
    module = name.replace("-", "_")
    if keyword.iskeyword(module) or importlib.util.find_spec(module) is not None:
        raise UsageError(f"Python has a module or keyword {module!r} already; choose another name than {name!r}.")


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _render(source: Path, target: Path, values: dict[str, str]) -> None:
    """Each template below ``source``, filled in, at its place below ``target``."""
    found = sorted(source.rglob(f"*{_SUFFIX}"))
    if not found:
        raise ZooError(f"The templates in {source} are missing; install pluggy-zoo again.")
    for path in found:
        place = str(path.relative_to(source)).removesuffix(_SUFFIX).replace("PACKAGE", values["package"])
        (target / place).parent.mkdir(parents=True, exist_ok=True)
        text = string.Template(path.read_text(encoding="utf-8")).substitute(values)
        (target / place).write_text(text, encoding="utf-8")
