"""``zoo check``."""

from __future__ import annotations

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
@click.option("--download", is_flag=True, help="Fetch the datasets that are not there, to check them too.")
@data_dir_option
@json_option
@click.pass_context
def check(ctx: click.Context, names: tuple[str, ...], download: bool, data_dir: Path | None, as_json: bool) -> None:
    """Check that a plugin keeps what every plugin promises.

    NAME is a plugin, a distribution, or the name of an architecture, dataset, exporter or command. Without any,
    everything is checked that does not come with the zoo. Fails where a check fails.

    \b
    zoo check
    zoo check my-net
    zoo check resnet-mini --json
    """
    registry = registry_of(ctx)
    commands = load_everything(ctx)
    verdicts = []
    subject = ""
    for verdict in zoo.check(*names, data_dir=data_dir, download=download, registry=registry, commands=commands):
        verdicts.append(verdict)
        if as_json:
            continue
        if subject != (subject := f"{verdict.kind} {verdict.name}"):
            click.echo(subject)
        click.echo("\n".join(views.verdict(verdict)))
    failed = sum(verdict.status == "failed" for verdict in verdicts)
    if as_json:
        print_json([verdict.to_dict() for verdict in verdicts])
    elif verdicts:
        counts = {status: sum(v.status == status for v in verdicts) for status in ("passed", "failed", "skipped")}
        click.echo(", ".join(f"{count} {status}" for status, count in counts.items() if count))
    else:
        click.echo("No plugin is installed beyond the built-in ones. `zoo check NAME` checks one of those.", err=True)
    if failed:
        ctx.exit(1)
