"""What plugins declare, and packages, as text: ``zoo info``, ``zoo plugins`` and its options, ``zoo install``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..formatting import metric_name, table, wrapped
from ..specs.options import as_text

if TYPE_CHECKING:
    from ..conformance.isolation import IsolatedPlugin
    from ..registry.packages import KnownPackage


def isolated_plugins(found: Iterable[IsolatedPlugin]) -> str:
    """``zoo plugins --isolated``."""
    columns = ("PLUGIN", "FROM", "VERSION", "STATUS", "SECONDS", "ADDS", "FAULTS")
    rows = [
        (
            *(p.name, p.distribution, p.version, p.status, f"{p.seconds:.2f}"),
            ", ".join(p.adds) or "-",
            "; ".join(p.faults).rstrip(".") or "-",
        )
        for p in found
    ]
    return table(columns, rows, numeric=("SECONDS",), wrap=("ADDS", "FAULTS"), one_line=True)


def settings(facts: Iterable[Mapping[str, Any]]) -> str:
    """``zoo plugins --settings``."""
    columns = ("PLUGIN", "SETTING", "VALUE", "FROM", "VARIABLE", "MEANING")
    rows = [
        (
            *(f["plugin"], f["name"], "-" if f["value"] is None else as_text(f["value"]), f["source"], f["variable"]),
            f"{f['help'] or '-'} ({'a secret' if f['secret'] else f['allowed']})",
        )
        for f in facts
    ]
    return table(columns, rows, wrap=("MEANING",), one_line=True)


_USE = {
    "dataset": "zoo train ARCHITECTURE --dataset {name}",
    "task": "zoo list --task {name}",
    "kind of input": "zoo list --input {name}",
    "optimizer": "zoo train ARCHITECTURE --set optimizer={name}",
    "schedule": "zoo train ARCHITECTURE --set schedule={name}",
    "augmentation": "zoo train ARCHITECTURE --set augment={name}",
    "loss": "zoo train ARCHITECTURE --set loss={name}",
    "exporter": "zoo export NAME --{name}",
}
"""The command that uses a declaration of each kind."""


def declared(facts: Mapping[str, Any]) -> list[str]:
    """``zoo info`` of anything but an architecture: its facts, then a table of its options."""
    hidden = ("declared", "name", "options", "columns", "kind")
    lines = {facts["declared"]: facts["name"], **{key: facts[key] for key in facts if key not in hidden}}
    lines |= {"columns": [column["name"] for column in facts["columns"]]} if facts.get("columns") else {}
    lines |= {"metrics": [metric_name(name) for name in facts["metrics"]]} if "metrics" in facts else {}
    lines |= {"sizes": [f"{size:,} {name}" for name, size in facts["sizes"].items()]} if "sizes" in facts else {}
    lines["use"] = _USE[facts["declared"]].format(name=facts["name"])
    known = {key.replace("_", " "): _words(value) for key, value in lines.items() if value not in (None, "", [], {})}
    width = max(map(len, known)) + 2
    shown = [wrapped(f"{key:<{width}}{value}", indent=width) for key, value in known.items()]
    rows = [(s["name"], as_text(s["default"]), s["allowed"], s["help"]) for s in facts.get("options", ())]
    columns = ("OPTION", "DEFAULT", "ALLOWED", "DESCRIPTION")
    return [*shown, *(["", table(columns, rows, wrap=("ALLOWED", "DESCRIPTION"))] if rows else [])]


def _words(value: Any) -> str:
    if isinstance(value, list):
        separator = "x" if value and isinstance(value[0], int) else ", "
        return separator.join(map(_words, value))
    return str(value)


def known_packages(found: Iterable[KnownPackage]) -> str:
    """``zoo plugins --available``."""
    columns = ("PACKAGE", "ADDS", "INSTALLED", "SUMMARY", "SOURCE")
    rows = [(p.package, ", ".join(p.adds), p.installed or "-", p.summary, p.source) for p in found]
    return table(columns, rows, wrap=("SUMMARY", "SOURCE"), one_line=True)
