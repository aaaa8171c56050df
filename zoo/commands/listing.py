"""``zoo list`` and its like: what there is."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click

import zoo
from zoo import terminal, views
from zoo.commandline import (
    ZooCommand,
    complete_architecture,
    complete_plugin,
    data_dir_option,
    json_option,
    load_everything,
    print_json,
    registry_of,
    runs_dir_option,
)


@click.command("list", cls=ZooCommand)
@click.argument("pattern", default="*")
@click.option("--task", help="Only architectures for this task.")
@click.option("--max-params", type=int, help="Only architectures with at most this many parameters.")
@click.option("--min-accuracy", type=float, help="Only architectures with at least this recorded accuracy, in percent.")
@click.option("--plugin", shell_complete=complete_plugin, help="Only what this plugin or distribution registered.")
@json_option
@click.pass_context
def list_(ctx: click.Context, /, pattern: str, plugin: str | None, as_json: bool, **wanted: Any) -> None:
    """List what can be trained.

    PATTERN is a part of a name, or a name with wildcards.

    \b
    zoo list
    zoo list --plugin my-nets
    zoo list 'res*' --max-params 50000 --min-accuracy 99.5
    """
    registry = registry_of(ctx)
    specs = zoo.list_architectures(registry, plugin=plugin)
    everything = (zoo.architecture_facts(registry, spec) for spec in specs)
    found = [facts for facts in everything if _is_wanted(facts, pattern, **wanted)]
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
@runs_dir_option
@json_option
@click.pass_context
def runs(ctx: click.Context, name: str | None, runs_dir: Path | None, as_json: bool) -> None:
    """List the runs, best first.

    Runs on the architecture's own dataset come before others, then the validation metric counts.

    \b
    zoo runs
    zoo runs googlenet-mini
    """
    folder = zoo.runs_folder(runs_dir)
    found = zoo.list_runs(folder, name)
    if name is not None and not found:
        registry_of(ctx).architecture(name)
    if as_json:
        print_json([{"run": str(run.folder), **run.config} for run in found])
        return
    if not found:
        click.echo(f"There are no such runs in {folder} yet. `zoo train NAME` makes one.", err=True)
        return
    terminal.show(views.runs(found))


def _is_wanted(
    facts: dict[str, Any], pattern: str, task: str | None, max_params: int | None, min_accuracy: float | None
) -> bool:
    """Whether the facts of an architecture are what `zoo list` was asked for; ``min_accuracy`` in percent."""
    accuracy = (facts["results"] or {"metrics": {}})["metrics"].get("accuracy", {"mean": 0.0})["mean"]
    return (
        (fnmatchcase(facts["name"], pattern) or pattern in facts["name"])
        and (task is None or facts["task"] == task)
        and (max_params is None or facts["parameters"] <= max_params)
        and (min_accuracy is None or 100 * accuracy >= min_accuracy)
    )
