"""Which change of a single weight is noticed, for each network, as a Markdown table, for `cog` in export.md."""

import json
import statistics
from pathlib import Path


def table() -> str:
    """One row for each network in sensitivity.json, which `benchmarks/sensitivity.py --write` writes."""
    content = json.loads(Path(__file__).with_name("sensitivity.json").read_text())
    lines = [
        "| network | layers | largest weight: typical | worst layer | median weight: typical | worst layer | rebuild |",
        "|---|--:|--:|--:|--:|--:|---|",
    ]
    for row in content["rows"]:
        cells = [_part(value) for kind in ("largest", "median") for value in _middle_and_worst(row[kind])]
        rebuild = "one bit" if row["rebuild"] else "**not noticed**"
        lines.append(f"| `{row['name']}` | {row['layers']} | {' | '.join(cells)} | {rebuild} |")
    return "\n".join(lines) + f"\n\nMeasured with torch {content['versions']['torch']}.\n"


def _middle_and_worst(found: list[float | None]) -> tuple[float, float]:
    changes = [float("inf") if change is None else change for change in found] or [float("inf")]
    return statistics.median_low(changes), max(changes)


def _part(change: float) -> str:
    return f"{change:.1g}" if change < float("inf") else "> 1"
