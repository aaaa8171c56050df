"""Turn results of the library into the tables and lines that the built-in commands print."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..formatting import (
    counted,
    duration,
    is_better,
    main_metric,
    metric_name,
    metric_names,
    metric_text,
    metrics_text,
    one_line,
    table,
    time_text,
    wrapped,
)
from ..specs.options import as_text
from ..specs.results import result_text

if TYPE_CHECKING:
    from ..conformance.check import CheckResult
    from ..evaluation.reproduce import Reproduction
    from ..evaluation.seeds import SeedResults
    from ..runs.finding import DamagedRun
    from ..runs.run import Run
    from ..training.lr_finder import LRFinderResult

Facts = dict[str, Any]


def architectures(facts: Iterable[Facts]) -> str:
    """``zoo list``."""
    columns = ("NAME", "PARAMETERS", "DATASET", "RESULT", "FROM", "DESCRIPTION")
    rows = [
        (
            f["name"],
            f"{f['parameters']:,}",
            f["dataset"],
            result_text(f["results"]) if f["results"] else "-",
            f["plugin"]["distribution"],
            f["summary"],
        )
        for f in facts
    ]
    shown = {"numeric": ("PARAMETERS",), "wrap": ("DESCRIPTION",), "optional": ("FROM", "DESCRIPTION")}
    return table(columns, rows, one_line=True, **shown)


def architecture(facts: Facts) -> list[str]:
    """``zoo info``: facts, then a table of all settings."""
    plugin = facts["plugin"]
    lines = {
        **{key: facts[key] for key in ("name", "summary", "task", "dataset")},
        **({"input": facts["input"]} if facts["input"] else {}),
        "parameters": f"{facts['parameters']:,}",
        "tags": ", ".join(facts["tags"]),
        "source": facts["source"],
        **({"explained": facts["docs"]} if facts["docs"] else {}),
        "plugin": f"{plugin['name']} ({plugin['distribution']} {plugin['version']})",
    }
    lines |= _result_lines(facts["results"]) if facts["results"] else {}
    if facts["weights"]:
        lines["weights"] = f"{facts['weights']:,} bytes, used until you train a run"
    lines |= _chosen_parts(facts)
    settings = [*facts["options"], *facts["hyperparameters"]]
    rows = [(s["name"], as_text(s["default"]), s["allowed"], s["help"]) for s in settings]
    for part in facts["recipe_parts"]:
        about = f"{part['kind']} {part['name']}"
        rows += [(s["name"], as_text(s["default"]), s["allowed"], f"{about}: {s['help']}") for s in part["options"]]
    return [
        *(wrapped(f"{key:<12}{value}", indent=12) for key, value in lines.items()),
        "\nSet any of these with --set NAME=VALUE:\n",
        table(("SETTING", "DEFAULT", "ALLOWED", "DESCRIPTION"), rows, wrap=("ALLOWED", "DESCRIPTION")),
    ]


def _chosen_parts(facts: Facts) -> dict[str, str]:
    """The recipe parts that the recipe chooses, with their summaries. The settings list all that can be chosen."""
    chosen = {setting["name"]: setting["default"] for setting in facts["hyperparameters"]}
    parts = [part for part in facts["recipe_parts"] if chosen[part["kind"]] == part["name"]]
    return {part["kind"]: f"{part['name']}: {part['summary']} ({part['plugin']})" for part in parts}


def _result_lines(record: Facts) -> dict[str, str]:
    """The recorded result of the default recipe and its costs."""
    metrics = [
        f"{metric_name(name)} {_spread(name, record['metrics'][name])}" for name in metric_names(record["metrics"])
    ]
    count, host = len(record["trials"]), record["host"]["processor"] or record["host"]["machine"]
    latency = record.get("latency_seconds")
    timed = {"latency": f"{time_text(latency)} a sample, onnxruntime, 1 thread"} if latency else {}
    return timed | {
        "result": ", ".join(metrics) + f" on {record['dataset']} (mean and standard deviation of {_trainings(count)})",
        "cost": f"{record['multiply_adds']:,} multiply-adds a sample, {record['bytes']:,} bytes",
        "training": f"{duration(record['train_seconds'])} on {record['device']}, {record['threads']} thread"
        f"{'s' if record['threads'] > 1 else ''}, {host}",
    }


def _spread(name: str, values: dict[str, float]) -> str:
    return f"{metric_text(name, values['mean'])} ±{metric_text(name, values['std'])}"


def reproduction(made: Reproduction) -> list[str]:
    """``zoo reproduce``: each run, then the new mean beside the recorded one."""
    record, name, count = made.record, made.metric, len(made.runs)
    lines = [f"{run.name}  {metrics_text(run.config['results']['test'])}" for run in made.runs]
    lines.append(f"now       {_spread(name, record['metrics'][name])} ({_trainings(count)})")
    if made.recorded is None:
        return [*lines, "recorded  nothing"]
    old = made.recorded["metrics"][name]
    outcome = "reproduced" if made.reproduced else "NOT reproduced"
    return [
        *lines,
        f"recorded  {_spread(name, old)} ({_trainings(len(made.recorded['trials']))})",
        f"{outcome}: the means differ by {metric_text(name, abs(made.difference or 0))}, "
        f"chance allows {metric_text(name, made.allowed)}; {made.identical} of {count} checkpoints are byte-identical",
    ]


def _trainings(count: int) -> str:
    return "1 training" if count == 1 else f"{count} trainings"


def datasets(facts: Iterable[Facts], folder: Path) -> list[str]:
    """``zoo datasets``."""
    columns = ("NAME", "INPUT", "SHAPE", "SAMPLES", "STATE", "LICENCE", "DESCRIPTION")
    rows = [
        (
            f["name"],
            f["input"],
            "x".join(map(str, f["input_shape"])),
            f"{sum(f['sizes'].values()):,}",
            f["state"],
            f["licence"],
            f["summary"],
        )
        for f in facts
    ]
    shown = {"numeric": ("SAMPLES",), "wrap": ("LICENCE", "DESCRIPTION"), "optional": ("LICENCE", "INPUT")}
    text = table(columns, rows, one_line=True, **shown)
    return [text, f"\nData folder: {folder}"]


def plugins(facts: Iterable[Facts]) -> str:
    """``zoo plugins``."""
    columns = ("PLUGIN", "FROM", "VERSION", "STATUS", "HOOKS", "NOTES")
    rows = [
        (
            *(f[key] for key in ("name", "distribution", "version", "status")),
            ", ".join(f["hooks"]) or "-",
            "; ".join(problem.rstrip(".") for problem in [*f["errors"], *f["notes"]]) or "-",
        )
        for f in facts
    ]
    return table(columns, rows, wrap=("HOOKS", "NOTES"), one_line=True)


def check_result(result: CheckResult) -> list[str]:
    """``zoo check``: one line for a check, and a second one with the remedy if it failed."""
    status = "FAILED" if result.status == "failed" else result.status
    lines = [f"  {status:<8} {result.check:<22} {result.reason}"]
    return [*lines, f"{'':<34}{result.remedy}"] if result.remedy else lines


def runs(found: Sequence[Run], damaged: Sequence[DamagedRun] = ()) -> list[str]:
    """``zoo runs``: a table, then the reason for each run that cannot be read."""
    columns = ("RUN", "STATUS", "DATASET", "PARAMS", "BYTES", "EPOCH", "VALID", "TEST", "TIME")
    rows = [_run_row(run) for run in found]
    rows += [(run.name, "damaged", *"-" * (len(columns) - 2)) for run in damaged]
    reasons = [one_line(f"{run.name}: {run.reason}") for run in damaged]
    optional = ("BYTES", "PARAMS", "EPOCH", "TIME")
    return [table(columns, rows, numeric=columns[3:], optional=optional), *([""] if reasons else []), *reasons]


def trained(run: Run, constant: str) -> list[str]:
    """``zoo train``: the test result, and where everything is.

    Args:
        constant: the best constant prediction of the task in words; see :class:`zoo.Task`.
    """
    results, data = run.config["results"], run.config["data"]
    stand_in = f" (in place of {data['stand_in_for']})" if data["stand_in_for"] else ""
    return [
        wrapped(
            f"{metrics_text(results['test'])} on {counted(results['test_samples'], 'test sample')} of {data['name']}"
            f"{stand_in}, checkpoint of epoch {results['epoch']}, {duration(results['train_seconds'])} of training"
        ),
        *baseline_lines(constant, results),
        f"run     {run.folder}",
        f"curves  {run.curves}",
        f"export  zoo export {run.folder} --onnx",
    ]


def seed(run: Run) -> str:
    """``zoo train --seeds``: the line of one seed."""
    results = run.config["results"]
    return (
        f"seed {run.config['seed']:<4} {metrics_text(results['test'])}, epoch {results['epoch']}, "
        f"{duration(results['train_seconds'])}  {run.folder}"
    )


def seeds(found: SeedResults, constant: str) -> list[str]:
    """``zoo train --seeds``: mean and deviation on both splits. ``constant``: as for :func:`trained`."""
    lines = []
    for split in ("test", "validation"):
        spread = found.metrics(split)
        values = ", ".join(f"{metric_name(name)} {_spread(name, spread[name])}" for name in metric_names(spread))
        lines.append(f"{split:<10} {values}")
    first = found.runs[0].config
    return [
        *lines,
        f"mean and standard deviation of {_trainings(len(found.runs))} on {first['data']['name']}",
        *baseline_lines(constant, first["results"]),
    ]


def baseline_lines(constant: str, results: Facts) -> list[str]:
    """The result without a network, and what to try if the network is not better; nothing for runs that lack it.

    Args:
        constant: the best constant prediction of the task in words.
    """
    if not results.get("baseline"):
        return []
    name = main_metric(results["baseline"])
    mine, trivial = results["test"][name], results["baseline"][name]
    line = (
        f"Always predicting {f'the {constant}' if constant else 'the same'} gives {metrics_text(results['baseline'])}"
    )
    if is_better(name, mine, trivial):
        return [wrapped(f"{line}.")]
    return [
        wrapped(
            f"{line}: the network is not better than that. Try another learning rate (`zoo find-lr`), more epochs, or "
            "another network; and check the targets of the data."
        )
    ]


def learning_rate(found: LRFinderResult, used_name: str = "recipe") -> list[str]:
    """``zoo find-lr``.

    Args:
        used_name: where the rate in use comes from: ``recipe`` or ``--lr``.
    """
    tenth = math.isclose(found.suggested, found.lowest / 10)
    reason = "a tenth of the rate with the lowest loss" if tenth else "where the loss begins to fall"
    return [
        f"suggested  {found.suggested:.2g}, {reason} ({found.lowest:.2g} has the lowest loss)",
        f"{used_name:<9}  {found.used:.2g}",
        f"picture    {found.plot}",
    ]


def dry_run(run: Run) -> list[str]:
    """``zoo train --dry-run``."""
    return [
        f"Dry run of {run.config['architecture']} on {run.config['data']['name']}: all steps work; nothing was kept."
    ]


def _run_row(run: Run) -> tuple[str, ...]:
    record, size = run.record, run.size
    best, results = record.best, record.results
    metric = main_metric(best.validation) if best else ""
    return (
        run.name,
        record.status,
        record.data.name,
        f"{record.parameters:,}" if isinstance(record.parameters, int) else "-",
        "-" if size is None else f"{size:,}",
        str(best.epoch) if best else "-",
        _metric_cell(metric, best.validation[metric]) if best else "-",
        _metric_cell(metric, results.test[metric]) if results else "-",
        duration(results.train_seconds) if results else "-",
    )


def _metric_cell(name: str, value: float) -> str:
    """The value, after the metric's name unless it is the accuracy."""
    text = metric_text(name, value)
    return text if name == "accuracy" else f"{metric_name(name)} {text}"
