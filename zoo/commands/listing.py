"""``zoo list`` and its like: what there is."""

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
    complete_architecture,
    complete_dataset,
    complete_plugin,
    data_dir_option,
    json_option,
    load_everything,
    print_json,
    registry_of,
    runs_dir_option,
    terminal,
    views,
)


def _metric(facts: dict[str, Any], name: str) -> float | None:
    recorded = (facts["results"] or {"metrics": {}})["metrics"].get(name)
    return None if recorded is None else float(recorded["mean"])


def _recorded(facts: dict[str, Any], name: str) -> float:
    """What is recorded of it; of what is not recorded, more than anything."""
    return float((facts["results"] or {}).get(name, math.inf))


def _rank(facts: dict[str, Any]) -> tuple[str, float]:
    """By dataset, then the better recorded result first; those without come last."""
    accuracy, error = _metric(facts, "accuracy"), _metric(facts, "mae")
    return facts["dataset"], -accuracy if accuracy is not None else error if error is not None else math.inf


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
@click.option("--task", help="Only architectures for this task.")
@click.option("--dataset", help="Only architectures made for this dataset.")
@click.option(
    "--max-params", type=COUNT, help="Only architectures with at most this many parameters: 20000, 20k, 1.5M."
)
@click.option("--max-bytes", type=COUNT, help="Only architectures with at most this many bytes of weights.")
@click.option("--min-accuracy", type=float, help="Only architectures with at least this recorded accuracy, in percent.")
@click.option("--plugin", shell_complete=complete_plugin, help="Only what this plugin or distribution registered.")
@click.option("--sort", type=click.Choice(list(SORTS)), default="name", show_default=True, help="Best or least first.")
@click.option("--pareto", is_flag=True, help="Only those that nothing beats which is no larger, by dataset.")
@json_option
@click.pass_context
def list_(
    ctx: click.Context, /, pattern: str, plugin: str | None, as_json: bool, sort: str, pareto: bool, **wanted: Any
) -> None:
    """List what can be trained.

    PATTERN is a part of a name, or a name with wildcards.

    \b
    zoo list
    zoo list --plugin my-nets
    zoo list 'res*' --max-params 50k --min-accuracy 99.5
    zoo list --dataset mnist --sort accuracy --pareto
    """
    registry = registry_of(ctx)
    specs = zoo.list_architectures(registry, plugin=plugin)
    everything = (zoo.architecture_facts(registry, spec) for spec in specs)
    found = [facts for facts in everything if _is_wanted(facts, pattern, **wanted)]
    found = sorted(_pareto(found) if pareto else found, key=SORTS[sort])
    if as_json:
        print_json(found)
        return
    if not found:
        click.echo("No architecture fits. `zoo list` shows them all.", err=True)
        return
    terminal.show(views.architectures(found))


@click.command(cls=ZooCommand)
@click.argument("name", shell_complete=complete_architecture)
@json_option
@click.pass_context
def info(ctx: click.Context, name: str, as_json: bool) -> None:
    """Show one architecture and its settings.

    \b
    zoo info googlenet-mini
    """
    registry = registry_of(ctx)
    facts = zoo.architecture_facts(registry, registry.architecture(name))
    if as_json:
        print_json(facts)
        return
    terminal.show(*views.architecture(facts))


@click.command(cls=ZooCommand)
@data_dir_option
@json_option
@click.pass_context
def datasets(ctx: click.Context, data_dir: Path | None, as_json: bool) -> None:
    """List what can be trained on.

    \b
    zoo datasets
    zoo datasets --data-dir ~/data
    """
    registry = registry_of(ctx)
    folder = zoo.data_folder(data_dir)
    found = [zoo.dataset_facts(registry, spec, folder) for spec in registry.datasets.values()]
    if as_json:
        print_json({"folder": str(folder), "datasets": found})
        return
    terminal.show(*views.datasets(found, folder))


@click.command(cls=ZooCommand)
@json_option
@click.pass_context
def plugins(ctx: click.Context, as_json: bool) -> None:
    """List the plugins and whether they work.

    \b
    zoo plugins
    """
    registry = registry_of(ctx)
    load_everything(ctx)
    found = [zoo.plugin_facts(plugin) for plugin in registry.plugins]
    if as_json:
        print_json(found)
        return
    terminal.show(views.plugins(found))


@click.command(cls=ZooCommand)
@click.argument("name", required=False, shell_complete=complete_architecture)
@click.option("--dataset", shell_complete=complete_dataset, help="Only runs on this dataset, of every architecture.")
@click.option("--pareto", is_flag=True, help="Only those that nothing beats which is no larger, by dataset.")
@runs_dir_option
@json_option
@click.pass_context
def runs(
    ctx: click.Context, name: str | None, dataset: str | None, pareto: bool, runs_dir: Path | None, as_json: bool
) -> None:
    """List the runs, best first.

    Runs on the architecture's own dataset come before others, then the validation metric counts. `zoo compare` sets
    runs side by side on the test split, with latency and plots.

    \b
    zoo runs
    zoo runs googlenet-mini
    zoo runs --dataset mnist --pareto
    """
    folder = zoo.runs_folder(runs_dir)
    found = zoo.list_runs(folder, name, dataset)
    if name is not None and not found:
        registry_of(ctx).architecture(name)
    if pareto:
        found = _pareto_runs(found)
    if as_json:
        print_json([{"run": str(run.folder), **run.config} for run in found])
        return
    if not found:
        click.echo(f"There are no such runs in {folder} yet. `zoo train NAME` makes one.", err=True)
        return
    terminal.show(views.runs(found))


def _pareto_runs(found: list[zoo.Run]) -> list[zoo.Run]:
    """Finished runs that no other on the same dataset beats by validation without more parameters."""
    done = [run for run in found if run.status == "finished"]
    kept = []
    for dataset in dict.fromkeys(run.config["data"]["name"] for run in done):
        those = [run for run in done if run.config["data"]["name"] == dataset]
        sizes = [run.config["parameters"] for run in those]
        kept += zoo.pareto(those, sizes, [run.config["best"]["score"][0] for run in those])
    return kept


def _is_wanted(facts: dict[str, Any], pattern: str, **wanted: Any) -> bool:
    """Whether the facts of an architecture are what `zoo list` was asked for; ``min_accuracy`` in percent."""
    least = {"min_accuracy": 100 * (_metric(facts, "accuracy") or 0.0)}
    most = {"max_params": facts["parameters"], "max_bytes": _recorded(facts, "bytes")}
    return (
        (fnmatchcase(facts["name"], pattern) or pattern in facts["name"])
        and all(wanted[key] in (None, facts[key]) for key in ("task", "dataset"))
        and all(wanted[key] is None or value <= wanted[key] for key, value in most.items())
        and all(wanted[key] is None or value >= wanted[key] for key, value in least.items())
    )


def _pareto(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those with a recorded result that no other for the same dataset beats without more parameters."""
    kept = []
    for dataset in dict.fromkeys(facts["dataset"] for facts in found):
        those = [facts for facts in found if facts["dataset"] == dataset and facts["results"]]
        kept += zoo.pareto(those, [facts["parameters"] for facts in those], [-_rank(facts)[1] for facts in those])
    return kept
