"""``zoo new``."""

from __future__ import annotations

from pathlib import Path

import click

import zoo
from zoo.commandline import ZooCommand, load_everything, registry_of

KINDS = {
    "architecture": "a network to train",
    "dataset": "a dataset for networks of the zoo",
    "exporter": "a file format for `zoo export`",
    "optimizer": "an optimiser for `--set optimizer=NAME`",
    "listener": "a listener for `zoo train --log NAME`",
    "family": "networks that are found by name, NAME/…",
    "task": "a task with its loss, metrics and an example network",
    "input": "a kind of input, such as sounds, with an example network",
    "command": "a command `zoo NAME`",
}


@click.command(cls=ZooCommand)
@click.argument("name")
@click.option(
    "--kind",
    metavar="KIND",
    type=click.Choice(list(KINDS)),
    default="architecture",
    help=f"What it adds, as listed above: {', '.join(KINDS)}.",
)
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    default=".",
    help="Folder to create the package in.",
)
@click.pass_context
def new(ctx: click.Context, name: str, kind: str, output: Path) -> None:
    """Create a package with a new plugin.

    The package is complete: plugin, tests, README, licence and CI. Its tests pass. Change its code to your own.

    \b
    The kinds:
      architecture  a network to train
      dataset       a dataset for networks of the zoo
      exporter      a file format for `zoo export`
      optimizer     an optimiser for `--set optimizer=NAME`
      listener      a listener for `zoo train --log NAME`
      family        networks that are found by name, NAME/…
      task          a task with its loss, metrics and an example network
      input         a kind of input, such as sounds, with an example network
      command       a command `zoo NAME`

    \b
    Examples:
      zoo new my-net
      zoo new my-data --kind dataset
    """
    commands = [*load_everything(ctx), *ctx.find_root().command.list_commands(ctx)]  # type: ignore[attr-defined]
    if kind == "command" and name in commands:
        raise zoo.UsageError(f"There is already a command named {name!r}; choose another name.")
    folder = zoo.new_package(name, kind, output, registry=registry_of(ctx))
    click.echo(f"Created the package {folder}: {KINDS[kind].replace('NAME', name)}; with tests and CI. Next:")
    for line in (f"cd {folder}", "pip install -e '.[test]'", "pytest", zoo.first_command(name, kind)):
        click.echo(f"  {line}")
