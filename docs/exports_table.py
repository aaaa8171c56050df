"""The figures in the certificates of all architectures as a Markdown table, for `cog` in export.md."""

import json
from pathlib import Path

from zoo import create_registry
from zoo.registry.entry_points import find_entry_points
from zoo.registry.plugin import DISTRIBUTION


def table() -> str:
    """One row for each architecture in exports.json, which `benchmarks/export.py --write` writes."""
    content = json.loads(Path(__file__).with_name("exports.json").read_text())
    lines = [
        "| architecture | nodes | bytes | largest error / torch error | error / limit | changed predictions | seconds "
        "| export / bare export | speed / eager torch |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in content["rows"]:
        untrained = "" if row["trained"] else " ¹"
        lines.append(
            f"| `{row['name']}`{untrained} | {row['nodes']:,} | {row['bytes']:,} | {row['error_over_torch']:.2f} "
            f"| {row['of_limit']:.0%} | {row['changed']} of {row['samples']:,} | {row['seconds']:.1f} "
            f"| {row['certified_seconds'] / row['bare_seconds']:.2f} | {row['speedup']:.1f} |"
        )
    used = content["versions"]
    runtime = used.get("onnxruntime-gpu") or used["onnxruntime"]
    threads = f"{content['threads']} thread{'s' if content['threads'] > 1 else ''}"
    made = f"{content['host']['processor']}, {threads}, torch {used['torch']}, onnxruntime {runtime}, on the CPU."
    registry = create_registry([point for point in find_entry_points() if point.distribution == DISTRIBUTION])
    missing = sorted(registry.architectures.keys() - {row["name"] for row in content["rows"]})
    left_out = f" Not measured yet: {', '.join(f'`{name}`' for name in missing)}." if missing else ""
    return "\n".join(lines) + f"\n\nMeasured on {made}{left_out}\n"
