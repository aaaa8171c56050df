"""Results as the commands print them: tables and lines, from the facts and the nouns of the library."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..formatting import duration, main_metric, metric_name, metric_names, metric_text, metrics_text, table, time_text
from ..specs.options import as_text
from ..specs.results import result_text

if TYPE_CHECKING:
    from ..conformance.check import CheckResult
    from ..evaluation.reproduce import Reproduction
    from ..exporting.certificate import Certificate, Check
    from ..exporting.verify import Verification
    from ..runs.run import Run
    from ..training.lr_finder import LRFinderResult

Facts = dict[str, Any]


def architectures(facts: Iterable[Facts]) -> str:
    """``zoo list``."""
    columns = ("NAME", "PARAMETERS", "DATASET", "RESULT", "FROM", "WHAT IT IS")
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
    return table(columns, rows, numeric=("PARAMETERS",), wrap=("WHAT IT IS",))


def architecture(facts: Facts) -> list[str]:
    """``zoo info``: what it is, then everything that can be set."""
    plugin = facts["plugin"]
    lines = {
        **{key: facts[key] for key in ("name", "summary", "task", "dataset")},
        "parameters": f"{facts['parameters']:,}",
        "tags": ", ".join(facts["tags"]),
        "source": facts["source"],
        "plugin": f"{plugin['name']} ({plugin['distribution']} {plugin['version']})",
    }
    lines |= _result_lines(facts["results"]) if facts["results"] else {}
    if facts["weights"]:
        lines["weights"] = f"{facts['weights']:,} bytes, used where nothing was trained yet"
    settings = [*facts["options"], *facts["hyperparameters"]]
    rows = [(s["name"], as_text(s["default"]), s["allowed"], s["help"]) for s in settings]
    return [
        *(f"{key:<12}{value}" for key, value in lines.items()),
        "\nSet any of these with --set NAME=VALUE:\n",
        table(("SETTING", "DEFAULT", "ALLOWED", "WHAT IT IS"), rows, wrap=("ALLOWED", "WHAT IT IS")),
    ]


def _result_lines(record: Facts) -> dict[str, str]:
    """What the default recipe reached, and what it cost."""
    metrics = [
        f"{metric_name(name)} {_spread(name, record['metrics'][name])}" for name in metric_names(record["metrics"])
    ]
    count, host = len(record["trials"]), record["host"]["processor"] or record["host"]["machine"]
    latency = record.get("latency_seconds")
    timed = {"latency": f"{time_text(latency)} a sample, onnxruntime, 1 thread"} if latency else {}
    return timed | {
        "result": ", ".join(metrics) + f" on {record['dataset']} (mean and standard deviation of {count} trainings)",
        "cost": f"{record['multiply_adds']:,} multiply-adds a sample, {record['bytes']:,} bytes",
        "training": f"{duration(record['train_seconds'])} on {record['device']}, {record['threads']} thread"
        f"{'s' if record['threads'] > 1 else ''}, {host}",
    }


def _spread(name: str, values: dict[str, float]) -> str:
    return f"{metric_text(name, values['mean'])} ±{metric_text(name, values['std'])}"


def reproduction(made: Reproduction) -> list[str]:
    """How ``zoo reproduce`` ends."""
    record, name = made.record, made.metric
    lines = [f"{run.name}  {metrics_text(run.config['results']['test'])}" for run in made.runs]
    lines.append(f"now       {_spread(name, record['metrics'][name])} ({len(made.runs)} trainings)")
    if made.recorded is None:
        return [*lines, "recorded  nothing"]
    old = made.recorded["metrics"][name]
    verdict = "reproduced" if made.reproduced else "NOT reproduced"
    return [
        *lines,
        f"recorded  {_spread(name, old)} ({len(made.recorded['trials'])} trainings)",
        f"{verdict}: {metric_text(name, abs(made.difference or 0))} apart, {metric_text(name, made.allowed)} is what "
        f"chance allows; {made.identical} of {len(made.runs)} checkpoints are identical to the byte",
    ]


def datasets(facts: Iterable[Facts], folder: Path) -> list[str]:
    """``zoo datasets``."""
    columns = ("NAME", "SHAPE", "SAMPLES", "STATE", "LICENCE", "WHAT IT IS")
    rows = [
        (
            f["name"],
            "x".join(map(str, f["input_shape"])),
            f"{sum(f['sizes'].values()):,}",
            f["state"],
            f["licence"],
            f["summary"],
        )
        for f in facts
    ]
    return [table(columns, rows, numeric=("SAMPLES",), wrap=("LICENCE", "WHAT IT IS")), f"\nData folder: {folder}"]


def plugins(facts: Iterable[Facts]) -> str:
    """``zoo plugins``."""
    columns = ("PLUGIN", "FROM", "VERSION", "STATUS", "HOOKS", "PROBLEM")
    rows = [
        (
            *(f[key] for key in ("name", "distribution", "version", "status")),
            ", ".join(f["hooks"]) or "-",
            "; ".join(problem.rstrip(".") for problem in [*f["errors"], *f["notes"]]) or "-",
        )
        for f in facts
    ]
    return table(columns, rows, wrap=("HOOKS", "PROBLEM"))


def verdict(made: CheckResult) -> list[str]:
    """One line of ``zoo check``, and what to do about it where it failed."""
    status = "FAILED" if made.status == "failed" else made.status
    lines = [f"  {status:<8} {made.check:<22} {made.reason}"]
    return [*lines, f"{'':<34}{made.remedy}"] if made.remedy else lines


def runs(found: Sequence[Run]) -> str:
    """``zoo runs``."""
    columns = ("RUN", "STATUS", "DATASET", "PARAMS", "BYTES", "EPOCH", "VALID", "TEST", "TIME")
    return table(columns, [_run_row(run) for run in found], numeric=columns[3:])


def trained(run: Run) -> list[str]:
    """How ``zoo train`` ends."""
    results, data = run.config["results"], run.config["data"]
    stand_in = f" (in place of {data['stand_in_for']})" if data["stand_in_for"] else ""
    return [
        f"{metrics_text(results['test'])} on the {results['test_samples']:,} test samples of {data['name']}"
        f"{stand_in}, checkpoint of epoch {results['epoch']}, {duration(results['train_seconds'])} of training",
        f"run     {run.folder}",
        f"curves  {run.curves}",
        f"export  zoo export {run.folder} --onnx",
    ]


def rate_test(found: LRFinderResult) -> list[str]:
    """How ``zoo find-lr`` ends."""
    return [
        f"suggested  {found.suggested:.2g}, a tenth of the rate at the lowest loss, {found.lowest:.2g}",
        f"recipe     {found.used:.2g}",
        f"picture    {found.plot}",
    ]


def tried(run: Run) -> list[str]:
    """How ``zoo train --dry-run`` ends."""
    name = run.config["architecture"]
    return [
        f"{name} trains, is validated, kept, judged and drawn on {run.config['data']['name']}; nothing was kept of it."
    ]


def certificate(proven: Certificate) -> list[str]:
    """How ``zoo export`` ends."""
    return [
        f"{proven.file}  {proven.bytes:,} bytes, from {proven.origin}",
        _gates(proven.checks, {}),
        f"{proven.path}  the certificate",
    ]


def verification(found: Verification) -> list[str]:
    """What ``zoo verify`` found out."""
    verdict = "nothing that was checked is wrong" if found.passed else "NOT what it should be"
    return [_gates(found.checks, found.not_checked), f"{found.file}  {verdict}"]


def _gates(checks: Iterable[Check], not_checked: Mapping[str, str]) -> str:
    rows = [(check.gate, "passed" if check.passed else "FAILED", check.summary) for check in checks]
    rows += [(gate, "not checked", why) for gate, why in not_checked.items()]
    return table(("GATE", "VERDICT", "WHAT WAS HELD AGAINST WHAT"), rows, wrap=("WHAT WAS HELD AGAINST WHAT",))


def _run_row(run: Run) -> tuple[str, ...]:
    best, results = run.config["best"] or {}, run.config["results"] or {}
    metric = main_metric(best["validation"]) if best else ""
    return (
        run.name,
        run.status,
        run.config["data"]["name"],
        f"{run.config['parameters']:,}" if "parameters" in run.config else "-",
        f"{run.best.stat().st_size:,}" if run.best.is_file() else "-",
        str(best.get("epoch", "-")),
        _metric_cell(metric, best["validation"][metric]) if best else "-",
        _metric_cell(metric, results["test"][metric]) if results else "-",
        duration(results["train_seconds"]) if results else "-",
    )


def _metric_cell(name: str, value: float) -> str:
    """With the metric's name where it is none that goes without saying."""
    text = metric_text(name, value)
    return text if name == "accuracy" else f"{metric_name(name)} {text}"
