"""Plugins and packages as text: ``zoo plugins --isolated``, ``zoo plugins --available``, ``zoo install``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..formatting import table
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


def known_packages(found: Iterable[KnownPackage]) -> str:
    """``zoo plugins --available``."""
    columns = ("PACKAGE", "ADDS", "INSTALLED", "SUMMARY", "SOURCE")
    rows = [(p.package, ", ".join(p.adds), p.installed or "-", p.summary, p.source) for p in found]
    return table(columns, rows, wrap=("SUMMARY", "SOURCE"), one_line=True)
