"""The ``zoo`` command: parse, call the library, print. A client of ``zoo``'s public names like any other."""

from __future__ import annotations

import sys
from collections.abc import Sequence
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
    dataset_settings,
    epochs_given,
    exporter_options,
    is_wanted,
    json_option,
    print_json,
    refuse_beside_resume,
    registry_of,
    run_command,
    runs_dir_option,
    training_options,
    training_settings,
)

if TYPE_CHECKING:
    from zoo import Registry


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
@click.option("--min-accuracy", type=float, help="Only architectures with at least this recorded accuracy, in percent.")
@json_option
@click.pass_context
def list_(ctx: click.Context, /, pattern: str, as_json: bool, **wanted: Any) -> None:
    """List what can be trained.

    PATTERN is a part of a name, or a name with wildcards.

    \b
    zoo list
    zoo list 'res*' --max-params 50000 --min-accuracy 99.5
    """
    registry = registry_of(ctx)
    everything = (zoo.architecture_facts(registry, spec) for spec in registry.architectures.values())
    found = [facts for facts in everything if is_wanted(facts, pattern, **wanted)]
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
    click.echo(f"{name} is {f'in {folder}' if spec.files else 'bundled'}. SHA-256 of the data: {loaded.fingerprint}")


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
@training_options
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
    zoo train resnet-mini --dataset photos/ --data-option size=32 --init-from resnet-mini
    zoo train diabetes-mlp --dataset patients.csv --target ill
    zoo train --resume runs/resnet-mini/20260101-120000
    """
    registry = registry_of(ctx)
    common = {"registry": registry, "data_dir": given["data_dir"], "runs_dir": given["runs_dir"]}
    if resume is not None:
        refuse_beside_resume(ctx)
        registry.listen(terminal.TrainingDisplay())
        run = zoo.resume(resume, epochs=epochs_given(given), device=given["device"], **common)
    elif name is not None:
        architecture = registry.architecture(name)
        settings = training_settings(architecture, given)
        data_options = dataset_settings(registry, architecture, given)
        registry.listen(terminal.TrainingDisplay())
        chosen = {key: given[key] for key in ("dataset", "seed", "init_from", "freeze", "dry_run")}
        chosen |= {"device": given["device"] or "auto", "data_options": data_options}
        run = zoo.train(name, **chosen, **common, **settings)
    else:
        raise zoo.UsageError("Give the NAME of an architecture, or --resume RUN. `zoo list` shows the names.")
    if as_json:
        print_json({"run": str(run.folder), **run.config})
    else:
        terminal.show(*(views.tried(run) if given["dry_run"] else views.trained(run)))


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
    options = exporter_options(registry, formats[0], given)
    options |= {"data_dir": given["data_dir"], "runs_dir": given["runs_dir"]}
    certificate = zoo.export(name, formats[0], given["output"], registry=registry, **options)
    if as_json:
        print_json(certificate.to_dict())
    else:
        terminal.show(*views.certificate(certificate))


@cli.command()
@click.argument("name")
@click.option("--trials", type=click.IntRange(1), help="Only the first so many trainings.")
@click.option("--reuse", is_flag=True, help="Take runs of the same recipe, data and seed for trainings already made.")
@click.option("--record", metavar="FOLDER", type=click.Path(path_type=Path), help="Write results and weights there.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps.")
@data_dir_option
@runs_dir_option
@json_option
@click.pass_context
def reproduce(ctx: click.Context, /, name: str, record: Path | None, as_json: bool, **given: Any) -> None:
    """Train with the default recipe, over and over, and compare with what is recorded.

    Fails where the mean is further from the recorded one than chance allows. --record is for a plugin's author.

    \b
    zoo reproduce softmax-regression
    zoo reproduce resnet-mini --trials 1
    """
    registry = registry_of(ctx)
    registry.listen(terminal.TrainingDisplay())
    made = zoo.reproduce(name, registry=registry, **given)
    if record is not None:
        zoo.record(made, record)
    if as_json:
        print_json({"reproduced": made.reproduced, "difference": made.difference, **made.record})
    else:
        terminal.show(*views.reproduction(made))
    if record is None and made.recorded is not None and not made.reproduced:
        raise zoo.ZooError(f"{name} did not give what is recorded of it.")


def main(arguments: Sequence[str] | None = None, registry: Registry | None = None) -> None:
    """Run the command and exit.

    Args:
        arguments: in place of ``sys.argv[1:]``.
        registry: in place of the installed plugins.
    """
    sys.exit(run_command(cli, sys.argv[1:] if arguments is None else arguments, registry))


if __name__ == "__main__":
    main()
