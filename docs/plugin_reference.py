"""Writes docs/reference.md and the included code of docs/tutorial.md, for cog."""

import dataclasses
import inspect
import re
from pathlib import Path

import zoo
from zoo.conformance.contract import REQUIREMENTS
from zoo.specs import hookspecs

ROOT = Path(__file__).parent.parent
HOOKS = [name for name, value in vars(hookspecs).items() if hasattr(value, "zoo_spec")]
DECLARED = ("Architecture", "Dataset", "Column", "Option", "Input", "Task", "Metric", "Exporter", "PluginSettings")
PARTS = ("Optimizer", "Schedule", "Augmentation", "Loss")
GIVEN = ("Split", "Splits", "InputSample", "ExportSource", "Check", "TrainingStart", "Progress", "EpochMetrics")


def include(path: str) -> str:
    """The content of a file of the repository, as a block of Python."""
    return f"```python\n{(ROOT / path).read_text()}```"


def hooks() -> str:
    """Each hook: what it takes and when it is called."""
    parts = []
    for name in HOOKS:
        function = getattr(hookspecs, name)
        arguments = ", ".join(inspect.signature(function).parameters)
        parts.append(f"### {name}({arguments})\n\n{_plain(inspect.getdoc(function))}\n")
    return "\n".join(parts)


def classes(names: tuple[str, ...]) -> str:
    """Each class: a table of its fields."""
    return "\n".join(_class(getattr(zoo, name)) for name in names)


def methods(name: str) -> str:
    """The methods and properties of a class that plugins subclass, in the order of the source."""
    cls = getattr(zoo, name)
    parts = [f"### zoo.{name}", "", _plain((inspect.getdoc(cls) or "").partition("\n\nArgs:\n")[0]), ""]
    for member, value in vars(cls).items():
        if member.startswith("_"):
            continue
        if isinstance(value, property):
            parts += [f"#### {member}", "", _plain(inspect.getdoc(value)), ""]
        elif inspect.isfunction(value):
            arguments = ", ".join(list(inspect.signature(value).parameters)[1:])
            needed = " (required)" if member in getattr(cls, "__abstractmethods__", ()) else ""
            parts += [f"#### {member}({arguments}){needed}", "", _plain(inspect.getdoc(value)), ""]
    return "\n".join(parts)


def properties(cls: type) -> str:
    """A table of the properties of a class."""
    rows = ["| name | type | meaning |", "|---|---|---|"]
    for name, value in vars(cls).items():
        if isinstance(value, property):
            kind = str(value.fget.__annotations__["return"]).replace("|", "or")
            rows.append(f"| `{name}` | `{kind}` | {_plain(inspect.getdoc(value)).splitlines()[0]} |")
    return "\n".join(rows)


def checks() -> str:
    """The plugin contract: every requirement and the kind of item that it is for."""
    rows = ["| kind | check | requirement |", "|---|---|---|"]
    for kind, requirements in REQUIREMENTS.items():
        rows += [f"| {kind} | `{requirement.name}` | {requirement.description} |" for requirement in requirements]
    return "\n".join(rows)


def _class(cls: type) -> str:
    doc = inspect.getdoc(cls) or ""
    about, _, rest = doc.partition("\n\nArgs:\n")
    meanings = _arguments(rest)
    rows = [
        f"### zoo.{cls.__name__}",
        "",
        _plain(about),
        "",
        "| field | type | default | meaning |",
        "|---|---|---|---|",
    ]
    for name, kind, default in _fields(cls):
        rows.append(f"| `{name}` | `{kind.replace('|', 'or')}` | {default} | {meanings.get(name, '')} |")
    return "\n".join([*rows, ""])


def _fields(cls: type) -> list[tuple[str, str, str]]:
    """Name, type and default of each field of a dataclass or a TypedDict."""
    if dataclasses.is_dataclass(cls):
        return [(field.name, str(field.type), _default(field)) for field in dataclasses.fields(cls)]
    annotations = inspect.get_annotations(cls)
    return [(name, getattr(kind, "__forward_arg__", str(kind)), "always there") for name, kind in annotations.items()]


def _default(field: dataclasses.Field) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return "`{}`"
    if field.default is dataclasses.MISSING:
        return "needed"
    return f"`{field.default!r}`"


def _arguments(text: str) -> dict[str, str]:
    """The entries below ``Args:`` of a docstring, by name."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in text.split("\n\n")[0].splitlines():
        match = re.match(r"    (\w+(?:, \w+)*): (.*)", line)
        if match:
            names = match[1].split(", ")
            found |= dict.fromkeys(names, match[2])
        else:
            for name in names:
                found[name] += " " + line.strip()
    return {name: _plain(meaning).replace("|", "\\|") for name, meaning in found.items()}


def _plain(text: str) -> str:
    """A docstring's markup as Markdown."""
    return re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text).replace("``", "`")
