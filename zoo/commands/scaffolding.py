"""``zoo new``."""

from __future__ import annotations

from pathlib import Path

import click

import zoo
from zoo.commandline import ZooCommand, load_everything, registry_of

KINDS = ("architecture", "dataset", "exporter", "command")


@click.command(cls=ZooCommand)
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), default=KINDS[0], show_default=True, help="What the plugin adds.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=".", help="The folder to put it in. [.]")
@click.pass_context
def new(ctx: click.Context, name: str, kind: str, output: Path) -> None:
    """Make a package with a plugin of your own.

    It is complete: plugin, tests, README, licence and CI, and its tests pass at once. Change what is in it to what you
    want.

    \b
    zoo new my-net
    zoo new my-data --kind dataset
    """
    commands = [*load_everything(ctx), *ctx.find_root().command.list_commands(ctx)]  # type: ignore[attr-defined]
    if kind == "command" and name in commands:
        raise zoo.UsageError(f"There is a command named {name!r} already; choose another name.")
    folder = zoo.new_package(name, kind, output, registry=registry_of(ctx))
    click.echo(f"{folder} is a package with {'an' if kind[0] in 'ae' else 'a'} {kind}, its tests and its CI. Next:")
    for line in (f"cd {folder}", "pip install -e '.[test]'", "pytest", zoo.first_command(name, kind)):
        click.echo(f"  {line}")
