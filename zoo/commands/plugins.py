"""``zoo plugins``, ``zoo install`` and ``zoo uninstall``."""

from __future__ import annotations

import click

import zoo
from zoo.commandline import (
    ZooCommand,
    complete_plugin,
    json_option,
    load_everything,
    plugin_views,
    print_json,
    printable,
    registry_of,
    show,
    views,
)


@click.command(cls=ZooCommand)
@click.option(
    "--isolated", is_flag=True, help="Load each plugin in a process of its own; the exit code is 1 if one fails."
)
@click.option("--available", is_flag=True, help="List the known packages with plugins; needs no network.")
@click.option("--settings", is_flag=True, help="List the settings of the plugins and their values.")
@json_option
@click.pass_context
def plugins(ctx: click.Context, isolated: bool, available: bool, settings: bool, as_json: bool) -> None:
    """List the installed plugins and whether they work.

    --isolated finds a plugin that ends the command, hangs, or changes what all code of a process shares: functions of
    other packages, handlers of signals, the working directory. It loads the plugins that are not built in.

    \b
    Examples:
      zoo plugins
      zoo plugins --json
      zoo plugins --isolated
      zoo plugins --available
      zoo plugins --settings
    """
    if isolated + available + settings > 1:
        raise zoo.UsageError("Use one of --isolated, --available and --settings.")
    if available:
        _show_available(as_json)
    elif settings:
        _show_settings(ctx, as_json)
    elif isolated:
        _show_isolated(ctx, as_json)
    else:
        registry = registry_of(ctx)
        load_everything(ctx)
        found = [zoo.plugin_facts(plugin) for plugin in registry.plugins]
        print_json(found) if as_json else show(views.plugins(found))


def _show_available(as_json: bool) -> None:
    known = zoo.known_packages()
    print_json([package.to_dict() for package in known]) if as_json else show(plugin_views.known_packages(known))


def _show_settings(ctx: click.Context, as_json: bool) -> None:
    """The settings; where the file is, and tables in it that belong to no plugin, on standard error."""
    registry = registry_of(ctx)
    load_everything(ctx)
    facts = zoo.settings_facts(registry)
    if as_json:
        print_json(facts)
    elif facts:
        show(plugin_views.settings(facts))
    else:
        click.echo("No installed plugin has settings.", err=True)
    click.echo(f"Note: the configuration file is {zoo.config_path()}.", err=True)
    for name in zoo.unknown_tables(registry):
        click.echo(f"Note: [plugins.{printable(name)}] belongs to no installed plugin with settings.", err=True)


def _show_isolated(ctx: click.Context, as_json: bool) -> None:
    found = zoo.load_isolated()
    if as_json:
        print_json([plugin.to_dict() for plugin in found])
    elif found:
        show(plugin_views.isolated_plugins(found))
    else:
        click.echo("No plugin is installed except the built-in ones.", err=True)
    if any(plugin.faults for plugin in found):
        ctx.exit(1)


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
    if not yes and not click.confirm(f"Remove {what}?", err=True):
        click.echo("Nothing was removed.")
        return
    zoo.uninstall_package(package)
    click.echo(f"Removed {what}.")
