"""``zoo check``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

import zoo
from zoo.commandline import (
    ZooCommand,
    complete_plugin,
    data_dir_option,
    json_option,
    load_everything,
    print_json,
    registry_of,
    views,
)


@click.command(cls=ZooCommand)
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_plugin)
@click.option("--download", is_flag=True, help="Download missing datasets, to check them too.")
@data_dir_option
@json_option
@click.pass_context
def check(ctx: click.Context, names: tuple[str, ...], download: bool, data_dir: Path | None, as_json: bool) -> None:
    """Check that a plugin meets the plugin contract.

    NAME is a plugin, a distribution, an architecture, a dataset, an exporter or a command. Without NAME, it checks
    everything that is not built in. The exit code is 1 if a check fails.

    \b
    Examples:
      zoo check
      zoo check my-net
      zoo check resnet-mini --json
    """
    registry = registry_of(ctx)
    commands = load_everything(ctx)
    results = []
    item = ""
    for result in zoo.check(*names, data_dir=data_dir, download=download, registry=registry, commands=commands):
        results.append(result)
        if as_json:
            continue
        if item != (item := f"{result.kind} {result.name}"):
            click.echo(item)
        click.echo("\n".join(views.check_result(result)))
    failed = sum(result.status == "failed" for result in results)
    if as_json:
        print_json([result.to_dict() for result in results])
    elif results:
        counts = Counter(result.status for result in results)
        click.echo(
            ", ".join(f"{counts[status]} {status}" for status in ("passed", "failed", "skipped") if counts[status])
        )
    else:
        click.echo("No plugin is installed except the built-in ones. `zoo check NAME` checks one of these.", err=True)
    if failed:
        ctx.exit(1)
