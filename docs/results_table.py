"""What the built-in architectures reach, as a Markdown table, for `cog` in results.md."""

from zoo import create_registry
from zoo.formatting import main_metric, metric_name, metric_names, metric_text, time_text
from zoo.registry.entry_points import find_entry_points
from zoo.registry.plugin import DISTRIBUTION
from zoo.specs.results import recorded_results, result_text


def table() -> str:
    """One row for each built-in architecture that has recorded results."""
    builtin = [point for point in find_entry_points() if point.distribution == DISTRIBUTION]
    registry = create_registry(builtin)
    lines = [
        "| architecture | dataset | test result | shipped | also | trainings | parameters | multiply-adds | bytes "
        "| latency | training |",
        "|---|---|---|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    for spec in registry.architectures.values():
        record = recorded_results(spec)
        if record is None:
            continue
        metrics = record["metrics"]
        others = metric_names(metrics)[1:]
        also = ", ".join(f"{metric_name(name)} {metric_text(name, metrics[name]['mean'])}" for name in others)
        lines.append(
            f"| `{spec.name}` | `{record['dataset']}` | {result_text(record)} | {_shipped(record)} | {also} "
            f"| {len(record['trials'])} | {record['parameters']:,} | {record['multiply_adds']:,} | {record['bytes']:,} "
            f"| {time_text(record['latency_seconds'])} | {record['train_seconds']:,.0f} s |"
        )
    return "\n".join(lines) + "\n" + _machines(registry)


def _shipped(record) -> str:
    """The main metric of the shipped weights, and their seed."""
    name, seed = main_metric(record["metrics"]), record.get("shipped_seed", 0)
    (trial,) = (trial for trial in record["trials"] if trial["seed"] == seed)
    return f"{metric_text(name, trial['test'][name])} (seed {seed})"


def _machines(registry) -> str:
    records = [recorded_results(spec) for spec in registry.architectures.values()]
    made = sorted(
        {
            f"{r['host']['processor']}, {r['device']}, {r['threads']} thread{'s' if r['threads'] > 1 else ''}, "
            f"torch {r['versions']['torch']}"
            for r in records
            if r
        }
    )
    return "\nTrained on: " + "; ".join(made) + ".\n"
