"""``zoo train``, ``zoo find-lr`` and ``zoo fetch``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

import zoo
from zoo.commandline import (
    PICTURE,
    TrainingDisplay,
    ZooCommand,
    arguments_of,
    check_resumed_name,
    complete_architecture,
    complete_dataset,
    data_dir_option,
    dataset_settings,
    epochs_given,
    json_option,
    print_json,
    refuse_beside_resume,
    registry_of,
    runs_dir_option,
    show,
    training_settings,
    views,
    was_given,
)

from .training_options import recipe_options, training_options


@click.command(cls=ZooCommand)
@click.argument("name", shell_complete=complete_dataset)
@data_dir_option
@click.pass_context
def fetch(ctx: click.Context, name: str, data_dir: Path | None) -> None:
    """Download a dataset and check it.

    The dataset goes into the data folder. A dataset that is there already is only checked.

    \b
    Examples:
      zoo fetch mnist
      zoo fetch mnist --data-dir ~/data
    """
    spec = registry_of(ctx).dataset(name)
    folder = zoo.data_folder(data_dir)
    loaded = zoo.load_dataset(spec, folder)
    click.echo(f"{name} is {f'in {folder}' if spec.files else 'bundled'}. SHA-256 of the data: {loaded.fingerprint}")


@click.command(cls=ZooCommand)
@click.argument("name", required=False, shell_complete=complete_architecture)
@training_options
@data_dir_option
@runs_dir_option
@json_option
@click.pass_context
def train(ctx: click.Context, /, name: str | None, resume: str | None, as_json: bool, **given: Any) -> None:
    """Train a network and keep its best checkpoint.

    NAME is an architecture of `zoo list`. The best checkpoint is selected on the validation split and evaluated once
    on the test split. With --resume, NAME may be left out.

    \b
    Examples:
      zoo train googlenet-mini
      zoo train resnet-mini --dataset digits --epochs 20 --lr 0.1
      zoo train resnet-mini --set label_smoothing=0.1 --seed 3
      zoo train cnn-mini --time 10s
      zoo train lenet --seeds 5
      zoo train lenet --recipe studies/lenet-mnist/recipe.json
      zoo train resnet-mini --dataset photos/ --data-option size=32
      zoo train diabetes-mlp --dataset patients.csv --target ill
      zoo train --resume runs/resnet-mini/20260101-120000
    """
    registry = registry_of(ctx)
    if resume is not None:
        refuse_beside_resume(ctx)
        if name is not None:
            check_resumed_name(name, resume, given["runs_dir"], registry)
    _check_course(given)
    if given["devices"] > 1 and not zoo.launched():
        ctx.exit(zoo.launch(given["devices"], arguments_of(ctx)))
    common = {"registry": registry, "data_dir": given["data_dir"], "runs_dir": given["runs_dir"]}
    if resume is not None:
        registry.listen(TrainingDisplay())
        device = given["device"] if was_given(ctx, "device") else None
        run = zoo.resume(resume, epochs=epochs_given(given), device=device, **common)
    elif name is not None:
        chosen = common | _arguments(registry, name, given)
        if given["seeds"] is not None:
            _train_seeds(name, given, chosen, as_json)
            return
        registry.listen(TrainingDisplay())
        run = zoo.train(name, seed=given["seed"], dry_run=given["dry_run"], **chosen)
    else:
        raise zoo.UsageError("Give the NAME of an architecture, or --resume RUN. `zoo list` shows the names.")
    if not run.writes:
        return  # of several processes, the first one prints the result
    if as_json:
        print_json({"run": str(run.folder), **run.config})
    else:
        constant = registry.task(run.config["task"]).constant
        show(*(views.dry_run(run) if given["dry_run"] else views.trained(run, constant)))


def _arguments(registry: zoo.Registry, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of :func:`zoo.train` that come from options, but for seed and folders."""
    architecture = registry.architecture(name)
    settings = training_settings(registry, architecture, given)
    data_options = dataset_settings(registry, architecture, given)
    plain = ("dataset", "device", "init_from", "freeze", "checkpoint_epochs", "checkpoint_steps", "log", "seconds")
    return {key: given[key] for key in plain} | {"data_options": data_options, **settings}


def _check_course(given: Mapping[str, Any]) -> None:
    """Refuse options that exclude each other.

    Raises:
        UsageError: two such options were given.
    """
    if given["seeds"] is None:
        if given["processes"] is not None:
            raise zoo.UsageError("--processes is for several seeds: give --seeds N too.")
        return
    if given["dry_run"] or given["devices"] > 1 or zoo.launched():
        other = "--dry-run" if given["dry_run"] else "--devices"
        raise zoo.UsageError(f"{other} cannot go with --seeds. Leave one of them out.")
    if given["seed"] + given["seeds"] > 2**32:
        raise zoo.UsageError("The last seed would be larger than 2**32 - 1. Give a smaller --seed.")


def _train_seeds(name: str, given: Mapping[str, Any], chosen: Mapping[str, Any], as_json: bool) -> None:
    """`zoo train --seeds N`."""
    seeds = range(given["seed"], given["seed"] + given["seeds"])
    if given["processes"] == 1:
        chosen["registry"].listen(TrainingDisplay())

    def finished(run: zoo.Run) -> None:
        if not as_json:
            show(views.seed(run))

    found = zoo.train_seeds(name, list(seeds), processes=given["processes"], finished=finished, **chosen)
    if as_json:
        print_json(found.to_dict())
    else:
        constant = chosen["registry"].task(found.runs[0].config["task"]).constant
        show(*views.seeds(found, constant))


@click.command("find-lr", cls=ZooCommand)
@click.argument("name")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=PICTURE,
    show_default="./NAME-lr.png",
    help="File of the plot.",
)
@recipe_options
@data_dir_option
@json_option
@click.pass_context
def find_lr(ctx: click.Context, /, name: str, as_json: bool, **given: Any) -> None:
    """Find a learning rate with a short test training.

    Trains for 200 steps while the learning rate rises from 1e-6 to 10, and plots the loss. The suggested rate is a
    tenth of the rate with the lowest loss, or the rate at which the loss begins to fall, if that is higher.

    \b
    Examples:
      zoo find-lr lenet
      zoo find-lr lenet --dataset photos/ --set optimizer=adamw
    """
    registry = registry_of(ctx)
    architecture = registry.architecture(name)
    settings = training_settings(registry, architecture, given)
    data_options = dataset_settings(registry, architecture, given)
    chosen = {key: given[key] for key in ("output", "dataset", "seed", "device", "data_dir")}
    found = zoo.find_lr(name, registry=registry, data_options=data_options, **chosen, **settings)
    if as_json:
        print_json(asdict(found) | {"plot": str(found.plot)})
    else:
        show(*views.learning_rate(found, "--lr" if "lr" in settings else "recipe"))
