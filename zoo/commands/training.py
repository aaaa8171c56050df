"""``zoo train`` and what goes with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

import zoo
from zoo.commandline import (
    ZooCommand,
    arguments_of,
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
    terminal,
    training_settings,
    views,
)

_RECIPE = (
    click.option(
        "--dataset",
        metavar="NAME|PATH",
        shell_complete=complete_dataset,
        help="A dataset, a folder of images by class, or a CSV file.",
    ),
    click.option("--target", metavar="COLUMN", help="The column of a CSV file that is to be told."),
    click.option(
        "--data-option", "data_options", multiple=True, metavar="NAME=VALUE", help="A setting of the dataset."
    ),
    click.option("--epochs", help="Passes over the training split."),
    click.option("--batch-size", help="Samples in one optimiser step."),
    click.option("--lr", help="Peak learning rate."),
    click.option(
        "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any other setting; see `zoo info NAME`."
    ),
    click.option(
        "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of everything random."
    ),
    click.option("--device", help="auto, cpu, cuda, cuda:N or mps. [auto]"),
    click.option("--precision", help="fp32, bf16 or fp16. [fp32]"),
    click.option("--compile", is_flag=True, help="Translate the network with torch.compile first."),
)
_COURSE = (
    click.option("--devices", type=click.IntRange(1), metavar="N", help="Train in N processes, one for each GPU."),
    click.option("--init-from", metavar="RUN|FILE", help="Start from the weights of a run, an architecture or a file."),
    click.option("--freeze", multiple=True, metavar="PATTERN", help="Leave parameters of such names untrained."),
    click.option(
        "--checkpoint-epochs",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        metavar="N",
        help="Write down after every N epochs what --resume needs.",
    ),
    click.option("--checkpoint-steps", type=click.IntRange(0), default=0, metavar="N", help="And after every N steps."),
    click.option("--log", multiple=True, metavar="PLUGIN", help="Record with it too: tensorboard."),
    click.option("--dry-run", is_flag=True, help="Only try: two steps, a batch of the rest; nothing is kept."),
    click.option("--resume", metavar="RUN", help="Go on with a run that was stopped; with --epochs, beyond its end."),
)


def _recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What is trained on what and how."""
    return _with(command, _RECIPE)


def _training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `zoo train`, in the order of its help."""
    return _with(command, (*_RECIPE, *_COURSE))


def _with(command: Callable[..., Any], options: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command


@click.command(cls=ZooCommand)
@click.argument("name", shell_complete=complete_dataset)
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


@click.command(cls=ZooCommand)
@click.argument("name", required=False, shell_complete=complete_architecture)
@_training_options
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
    if (given["devices"] or 1) > 1 and not zoo.launched():
        ctx.exit(zoo.launch(given["devices"], arguments_of(ctx)))
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
        chosen |= {key: given[key] for key in ("checkpoint_epochs", "checkpoint_steps", "log")}
        chosen |= {"device": given["device"] or "auto", "data_options": data_options}
        run = zoo.train(name, **chosen, **common, **settings)
    else:
        raise zoo.UsageError("Give the NAME of an architecture, or --resume RUN. `zoo list` shows the names.")
    if not run.writes:
        return  # one of several processes, and not the one that tells
    if as_json:
        print_json({"run": str(run.folder), **run.config})
    else:
        terminal.show(*(views.tried(run) if given["dry_run"] else views.trained(run)))


@click.command("find-lr", cls=ZooCommand)
@click.argument("name")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The picture. [./NAME-lr.png]")
@_recipe_options
@data_dir_option
@json_option
@click.pass_context
def find_lr(ctx: click.Context, /, name: str, as_json: bool, **given: Any) -> None:
    """Try learning rates: train for 200 steps while the rate rises from 1e-6 to 10, and draw the loss.

    The rate to try is a tenth of that at which the loss is lowest.

    \b
    zoo find-lr lenet
    zoo find-lr lenet --dataset photos/ --set optimizer=adamw
    """
    registry = registry_of(ctx)
    architecture = registry.architecture(name)
    settings = training_settings(architecture, given)
    chosen = {key: given[key] for key in ("output", "dataset", "seed", "data_dir")}
    chosen |= {"device": given["device"] or "auto", "data_options": dataset_settings(registry, architecture, given)}
    found = zoo.find_lr(name, registry=registry, **chosen, **settings)
    if as_json:
        print_json(asdict(found) | {"plot": str(found.plot)})
    else:
        terminal.show(*views.rate_test(found))


@click.command(cls=ZooCommand)
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
        zoo.record(made, record, registry)
    if as_json:
        print_json({"reproduced": made.reproduced, "difference": made.difference, **made.record})
    else:
        terminal.show(*views.reproduction(made))
    if record is None and made.recorded is not None and not made.reproduced:
        raise zoo.ZooError(f"{name} did not give what is recorded of it.")
