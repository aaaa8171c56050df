"""``zoo list``, ``zoo info``, ``zoo datasets`` and ``zoo runs``."""

from __future__ import annotations

import math
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click

import zoo
from zoo.commandline import (
    COUNT,
    ZooCommand,
    check_dataset_name,
    complete_architecture,
    complete_dataset,
    complete_declared,
    complete_input,
    complete_plugin,
    complete_task,
    data_dir_option,
    is_better,
    is_known_metric,
    json_option,
    main_metric,
    number,
    paused_garbage_collection,
    plugin_views,
    print_json,
    registry_of,
    runs_dir_option,
    show,
    views,
)


def _metric(facts: dict[str, Any], name: str) -> float | None:
    recorded = (facts["results"] or {"metrics": {}})["metrics"].get(name)
    return None if recorded is None else float(recorded["mean"])


def _recorded(facts: dict[str, Any], name: str) -> float:
    """The recorded cost ``name``; infinity if none is recorded."""
    return float((facts["results"] or {}).get(name, math.inf))


def _rank(facts: dict[str, Any]) -> tuple[str, float]:
    """The sort key for the result: by dataset, then best recorded main metric first; those without one come last."""
    if not facts["results"]:
        return facts["dataset"], math.inf
    name = main_metric(facts["results"]["metrics"])
    value = _metric(facts, name)
    assert value is not None
    return facts["dataset"], -value if is_better(name, 1.0, 0.0) else value


SORTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "name": lambda facts: facts["name"],
    "accuracy": _rank,
    "params": lambda facts: facts["parameters"],
    "bytes": lambda facts: _recorded(facts, "bytes"),
    "multiply-adds": lambda facts: _recorded(facts, "multiply_adds"),
    "latency": lambda facts: _recorded(facts, "latency_seconds"),
    "training-time": lambda facts: _recorded(facts, "train_seconds"),
}


@click.command("list", cls=ZooCommand)
@click.argument("pattern", default="*")
@click.option(
    "--task",
    metavar="TASK",
    shell_complete=complete_task,
    help="Only this task: classification, binary, regression, or one of a plugin.",
)
@click.option(
    "--dataset", metavar="NAME", shell_complete=complete_dataset, help="Only architectures with this default dataset."
)
@click.option(
    "--input",
    metavar="KIND",
    shell_complete=complete_input,
    help="Only architectures whose dataset has this kind of input: image, table, signal, tokens, or one of a plugin.",
)
@click.option("--max-params", metavar="COUNT", type=COUNT, help="Largest number of parameters: 20000, 20k, 1.5M.")
@click.option("--max-bytes", metavar="COUNT", type=COUNT, help="Largest size of the weights in bytes.")
@click.option(
    "--min-accuracy", metavar="PERCENT", type=number(0, 100), help="Lowest recorded accuracy in percent, such as 99."
)
@click.option("--plugin", metavar="NAME", shell_complete=complete_plugin, help="Only this plugin or distribution.")
@click.option(
    "--sort", metavar="KEY", type=click.Choice(list(SORTS)), default="name", help=f"Sort by {', '.join(SORTS)}."
)
@click.option("--pareto", is_flag=True, help="Only the Pareto front (accuracy against size) of each dataset.")
@json_option
@click.pass_context
def list_(
    ctx: click.Context, /, pattern: str, plugin: str | None, as_json: bool, sort: str, pareto: bool, **wanted: Any
) -> None:
    """List the architectures that can be trained.

    PATTERN is part of a name, or a name with wildcards.

    \b
    Examples:
      zoo list
      zoo list --plugin my-nets
      zoo list 'res*' --max-params 50k --min-accuracy 99.5
      zoo list --dataset mnist --sort accuracy --pareto
    """
    registry = registry_of(ctx)
    percent = wanted["min_accuracy"]
    if percent is not None and 0 < percent < 1:
        meant = f"{100 * percent:.10g}"
        raise zoo.UsageError(f"--min-accuracy is in percent. Did you mean --min-accuracy {meant}, not {percent:g}?")
    if wanted["task"] is not None:
        registry.task(wanted["task"])  # an error that suggests the closest name
    if wanted["input"] is not None:
        registry.input(wanted["input"])
    specs = zoo.list_architectures(registry, plugin=plugin)
    if wanted["dataset"] not in {None, *(spec.dataset for spec in registry.architectures.values())}:
        registry.dataset(wanted["dataset"])  # an error that suggests the closest name, unless it only has no network
    everything = (zoo.architecture_facts(registry, spec) for spec in specs)
    found = [facts for facts in everything if _is_wanted(facts, pattern, **wanted)]
    found = sorted(_pareto(found) if pareto else found, key=SORTS[sort])
    if as_json:
        print_json(found)
        return
    if not found:
        click.echo("No architecture matches. `zoo list` shows them all.", err=True)
        return
    show(views.architectures(found))


@click.command(cls=ZooCommand)
@click.argument("name", shell_complete=complete_declared)
@json_option
@click.pass_context
def info(ctx: click.Context, name: str, as_json: bool) -> None:
    """Show an architecture with its settings, a dataset, or a task.

    NAME is an architecture, or else a dataset, task, kind of input, optimiser, schedule, augmentation, loss or
    export format. --json prints an object for an architecture, a list for other names.

    \b
    Examples:
      zoo info googlenet-mini
      zoo info googlenet-mini --json
      zoo info mnist
    """
    registry = registry_of(ctx)
    others = zoo.facts_named(registry, name, zoo.data_folder()) if name not in registry.architectures else []
    if others:
        _show_others(others, as_json)
        return
    try:
        architecture = registry.architecture(name)
    except zoo.UnknownName:
        known = {spec.name for spec, _ in registry.declared()}
        kind = "architecture, dataset, task or format"
        raise zoo.UnknownName(kind, name, known, "`zoo list` and `zoo datasets` show most names.") from None
    facts = zoo.architecture_facts(registry, architecture)
    if as_json:
        print_json(facts)
        return
    show(*views.architecture(facts))


def _show_others(found: list[dict[str, Any]], as_json: bool) -> None:
    """What has the name that `zoo info` got, and is no architecture."""
    if as_json:
        print_json(found)
        return
    lines = [plugin_views.declared(facts) for facts in found]
    show(*(line for number, text in enumerate(lines) for line in ([""] if number else []) + text))


@click.command(cls=ZooCommand)
@data_dir_option
@json_option
@click.pass_context
def datasets(ctx: click.Context, data_dir: Path | None, as_json: bool) -> None:
    """List the datasets and whether they are downloaded.

    \b
    Examples:
      zoo datasets
      zoo datasets --data-dir ~/data
    """
    registry = registry_of(ctx)
    folder = zoo.data_folder(data_dir)
    found = [zoo.dataset_facts(registry, spec, folder) for spec in registry.datasets.values()]
    if as_json:
        print_json({"folder": str(folder), "datasets": found})
        return
    show(*views.datasets(found, folder))


@click.command(cls=ZooCommand)
@click.argument("name", required=False, shell_complete=complete_architecture)
@click.option("--dataset", metavar="NAME", shell_complete=complete_dataset, help="Only runs on this dataset.")
@click.option("--pareto", is_flag=True, help="Only the Pareto front (accuracy against size) of each dataset.")
@runs_dir_option
@json_option
@click.pass_context
def runs(
    ctx: click.Context, name: str | None, dataset: str | None, pareto: bool, runs_dir: Path | None, as_json: bool
) -> None:
    """List the runs, best first.

    With NAME, only the runs of this architecture. Runs with results come first, by architecture and validation metric,
    and among them those on the architecture's default dataset. A run that cannot be read is listed last as damaged,
    with the reason. `zoo compare` compares runs on the test split, with latency and plots.

    \b
    Examples:
      zoo runs
      zoo runs googlenet-mini
      zoo runs --dataset mnist --pareto
    """
    ctx.with_resource(paused_garbage_collection())
    folder = zoo.runs_folder(runs_dir)
    found, damaged = zoo.scan_runs(folder, name, dataset)
    if name is not None and not found and not damaged:
        registry_of(ctx).architecture(name)
    if dataset is not None and not found:
        check_dataset_name(dataset, registry_of(ctx), zoo.list_runs(folder, name))
    found.sort(key=lambda run: run.record.results is None)
    if pareto:
        found = _pareto_runs(found)
    if as_json:
        unread = [{"run": str(run.folder), "status": "damaged", "error": run.reason} for run in damaged]
        print_json([*({"run": str(run.folder), **run.config} for run in found), *unread])
        return
    if not all(is_known_metric(name) for run in found if run.record.best for name in run.record.best.validation):
        registry_of(ctx)  # plugins say how their metrics are shown
    if not found and not damaged:
        click.echo(f"There are no such runs in {folder} yet. `zoo train NAME` starts one.", err=True)
        return
    show(*views.runs(found, damaged))


def _pareto_runs(found: list[zoo.Run]) -> list[zoo.Run]:
    """The finished runs on the Pareto front of validation metric and parameters, for each dataset."""
    done = [run for run in found if run.status == "finished"]
    kept = []
    for dataset in dict.fromkeys(run.config["data"]["name"] for run in done):
        group = [run for run in done if run.config["data"]["name"] == dataset]
        sizes = [run.config["parameters"] for run in group]
        kept += zoo.pareto(group, sizes, [run.config["best"]["score"][0] for run in group])
    return kept


def _is_wanted(facts: dict[str, Any], pattern: str, **wanted: Any) -> bool:
    """Whether an architecture passes the filters of `zoo list`; ``min_accuracy`` is in percent."""
    least = {"min_accuracy": 100 * (_metric(facts, "accuracy") or 0.0)}
    most = {"max_params": facts["parameters"], "max_bytes": _recorded(facts, "bytes")}
    return (
        (fnmatchcase(facts["name"], pattern) or pattern in facts["name"])
        and all(wanted[key] in (None, facts[key]) for key in ("task", "dataset", "input"))
        and all(wanted[key] is None or value <= wanted[key] for key, value in most.items())
        and all(wanted[key] is None or value >= wanted[key] for key, value in least.items())
    )


def _pareto(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The architectures on the Pareto front of recorded result and parameters, for each dataset."""
    kept = []
    for dataset in dict.fromkeys(facts["dataset"] for facts in found):
        group = [facts for facts in found if facts["dataset"] == dataset and facts["results"]]
        kept += zoo.pareto(group, [facts["parameters"] for facts in group], [-_rank(facts)[1] for facts in group])
    return kept
