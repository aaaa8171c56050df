"""``zoo install`` and ``zoo uninstall``."""

from __future__ import annotations

import click

import zoo
from zoo.commandline import ZooCommand, complete_plugin, plugin_views, show


@click.command(
    cls=ZooCommand,
    # pip has its own options
    context_settings={"ignore_unknown_options": True},
)
@click.argument("packages", nargs=-1, required=True, metavar="PACKAGE...", type=click.UNPROCESSED)
@click.pass_context
def install(ctx: click.Context, packages: tuple[str, ...]) -> None:
    """Install packages with plugins, with pip, next to the zoo.

    PACKAGE is what pip takes: a name, a file, a folder. All other options are those of pip, such as --upgrade or -e.
    Then each new plugin is loaded in a process of its own. The exit code is 1 if one has a fault.

    \b
    Examples:
      zoo install zoo-lion
      zoo install --upgrade zoo-lion
      zoo install -e examples/zoo-penguins
    """
    points = zoo.install_packages(packages)
    if not points:
        click.echo("No new plugin: `zoo plugins` lists those that are installed.", err=True)
        return
    found = zoo.load_isolated(points)
    show(plugin_views.isolated_plugins(found))
    if any(plugin.faults for plugin in found):
        ctx.exit(1)


@click.command(cls=ZooCommand)
@click.argument("package", shell_complete=complete_plugin)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def uninstall(package: str, yes: bool) -> None:
    """Remove a package with plugins, with pip.

    Runs that were trained with it stay. They need the package again to be exported or resumed.

    \b
    Examples:
      zoo uninstall zoo-lion
      zoo uninstall zoo-lion --yes
    """
    points = zoo.plugins_of(package)
    what = f"{points[0].distribution} {points[0].version} with {', '.join(point.name for point in points)}"
    if not yes:
        click.confirm(f"Remove {what}?", abort=True, err=True)
    zoo.uninstall_package(package)
    click.echo(f"Removed {what}.")
