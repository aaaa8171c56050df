"""The ``zoo`` command: parse, call the library, print. A client of ``zoo``'s public names like any other."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import zoo
from zoo import terminal, views
from zoo.commandline import (
    ExportCommand,
    ZooGroup,
    chosen_formats,
    data_dir_option,
    json_option,
    print_json,
    registry_of,
    run_command,
    runs_dir_option,
)

if TYPE_CHECKING:
    from zoo import Architecture, Registry


@click.group(cls=ZooGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(zoo.__version__, prog_name="zoo")
def cli() -> None:
    """Small neural networks that train for real and leave as ONNX files proven right.

    \b
    zoo list                             what can be trained
    zoo train googlenet-mini             train it, keep the best checkpoint
    zoo export googlenet-mini --onnx     that checkpoint as ONNX, proven equal in onnxruntime
    """


@cli.command("list")
@click.argument("pattern", default="*")
@click.option("--task", help="Only architectures for this task.")
@click.option("--max-params", type=int, help="Only architectures with at most this many parameters.")
@json_option
@click.pass_context
def list_(ctx: click.Context, pattern: str, task: str | None, max_params: int | None, as_json: bool) -> None:
    """List what can be trained.

    PATTERN is a part of a name, or a name with wildcards.

    \b
    zoo list
    zoo list 'res*' --max-params 50000
    """
    registry = registry_of(ctx)
    found = [
        zoo.architecture_facts(registry, architecture)
        for architecture in registry.architectures.values()
        if (fnmatchcase(architecture.name, pattern) or pattern in architecture.name)
        and (task is None or architecture.task == task)
        and (max_params is None or architecture.parameters <= max_params)
    ]
    if as_json:
        print_json(found)
        return
    if not found:
        click.echo("No architecture fits. `zoo list` shows them all.", err=True)
        return
    terminal.show(views.architectures(found))


@cli.command()
@click.argument("name")
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


@cli.command()
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


@cli.command()
@click.argument("name")
@data_dir_option
@click.pass_context
def fetch(ctx: click.Context, name: str, data_dir: Path | None) -> None:
    """Get a dataset into the data folder, checked.

    \b
    zoo fetch mnist
    """
    spec = registry_of(ctx).dataset(name)
    folder = zoo.data_folder(data_dir)
    loaded = zoo.load_dataset(spec, folder)
    where = f"in {folder}" if spec.files else "bundled"
    click.echo(f"{name} is {where}. SHA-256 of the data: {loaded.fingerprint}")


@cli.command()
@json_option
@click.pass_context
def plugins(ctx: click.Context, as_json: bool) -> None:
    """List the plugins and whether they work.

    \b
    zoo plugins
    """
    registry = registry_of(ctx)
    registry.commands(cli.commands)  # the last thing that can go wrong with a plugin
    found = [zoo.plugin_facts(plugin) for plugin in registry.plugins]
    if as_json:
        print_json(found)
        return
    terminal.show(views.plugins(found))


@cli.command()
@click.argument("name", required=False)
@click.option("--dataset", help="Train on this dataset in place of the architecture's own.")
@click.option("--epochs", help="Passes over the training split.")
@click.option("--batch-size", help="Samples in one optimiser step.")
@click.option("--lr", help="Peak learning rate.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any other setting; see `zoo info NAME`.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of everything random.")
@click.option("--device", help="auto, cpu, cuda, cuda:N or mps. [auto]")
@click.option("--resume", metavar="RUN", help="Go on with a run that was stopped, as it was started.")
@data_dir_option
@runs_dir_option
@json_option
@click.pass_context
def train(ctx: click.Context, /, name: str | None, resume: str | None, as_json: bool, **given: Any) -> None:
    """Train, and keep the best checkpoint.

    The checkpoint is chosen by the validation split; the test split only judges it, at the end.

    \b
    zoo train googlenet-mini
    zoo train resnet-mini --dataset digits --epochs 20 --lr 0.1
    zoo train resnet-mini --set label_smoothing=0.1 --seed 3
    zoo train --resume runs/resnet-mini/20260101-120000
    """
    registry = registry_of(ctx)
    common = {"registry": registry, "data_dir": given["data_dir"], "runs_dir": given["runs_dir"]}
    if resume is not None:
        _refuse_beside_resume(ctx)
        registry.listen(terminal.TrainingDisplay())
        run = zoo.resume(resume, device=given["device"], **common)
    elif name is not None:
        settings = _settings(registry.architecture(name), given)
        registry.listen(terminal.TrainingDisplay())
        chosen = {"dataset": given["dataset"], "seed": given["seed"], "device": given["device"] or "auto"}
        run = zoo.train(name, **chosen, **common, **settings)
    else:
        raise zoo.UsageError("Give the NAME of an architecture, or --resume RUN. `zoo list` shows the names.")
    if as_json:
        print_json({"run": str(run.folder), **run.config})
    else:
        terminal.show(*views.trained(run))


@cli.command()
@click.argument("name", required=False)
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


@cli.command(cls=ExportCommand)
@click.argument("name", metavar="NAME|RUN")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file, or a folder for it. [./NAME.onnx]")
@data_dir_option
@runs_dir_option
@json_option
@click.pass_context
def export(ctx: click.Context, /, name: str, as_json: bool, **given: Any) -> None:
    """Write a trained network as a proven file.

    It is the best checkpoint of the architecture's best run, or of the RUN given. The file is put in place only if
    it passes every check. What was checked stands beside it, in FILE.json.

    \b
    zoo export resnet-mini --onnx
    zoo export runs/resnet-mini/20260101-120000 --onnx -o model.onnx
    """
    registry = registry_of(ctx)
    formats = chosen_formats(registry, given)
    if len(formats) != 1:
        raise zoo.UsageError(f"Choose one format: {', '.join(f'--{known}' for known in registry.exporters)}.")
    known = {option.name: option for option in registry.exporter(formats[0]).options}
    texts = {
        key.removeprefix("option_"): text
        for key, text in given.items()
        if key.startswith("option_") and text is not None
    }
    for key in texts:
        if key not in known:
            raise zoo.UsageError(f"--{key.replace('_', '-')} is no option of --{formats[0]}.")
    options: dict[str, Any] = {key: known[key].parse(text) for key, text in texts.items()}
    folders: dict[str, Any] = {"data_dir": given["data_dir"], "runs_dir": given["runs_dir"]}
    certificate = zoo.export(name, formats[0], given["output"], registry=registry, **folders, **options)
    if as_json:
        print_json(certificate.to_dict())
        return
    terminal.show(*views.certificate(certificate))


def main(arguments: Sequence[str] | None = None, registry: Registry | None = None) -> None:
    """Run the command and exit.

    Args:
        arguments: in place of ``sys.argv[1:]``.
        registry: in place of the installed plugins.
    """
    sys.exit(run_command(cli, sys.argv[1:] if arguments is None else arguments, registry))


def _settings(architecture: Architecture, given: dict[str, Any]) -> dict[str, Any]:
    """``--epochs`` and its like, and every ``--set``, as values of their types."""
    texts = {key: given[key] for key in ("epochs", "batch_size", "lr") if given[key] is not None}
    for setting in given["settings"]:
        key, separator, text = setting.partition("=")
        if not separator:
            raise zoo.UsageError(f"--set {setting!r} is not of the form NAME=VALUE.")
        if key in texts:
            raise zoo.UsageError(f"{key} is set twice.")
        texts[key] = text
    return dict(zoo.parse_settings(architecture, texts))


def _refuse_beside_resume(ctx: click.Context) -> None:
    """A resumed run keeps what it was started with; naming something else is a mistake."""
    for parameter in ("name", "dataset", "epochs", "batch_size", "lr", "settings", "seed"):
        if ctx.get_parameter_source(parameter) is click.core.ParameterSource.COMMANDLINE and ctx.params[parameter]:
            flag = {"name": "NAME", "settings": "--set"}.get(parameter, f"--{parameter.replace('_', '-')}")
            raise zoo.UsageError(f"{flag} cannot go with --resume: a resumed run keeps what it was started with.")


if __name__ == "__main__":
    main()
