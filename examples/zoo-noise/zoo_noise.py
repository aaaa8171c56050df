"""The command ``zoo noise NAME``: the accuracy of a trained image classifier on noisy images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import zoo
from zoo.commandline import (
    ZooCommand,
    data_dir_option,
    json_option,
    print_json,
    registry_of,
    runs_dir_option,
    show,
    table,
)


@zoo.hookimpl
def register_commands(cli: click.Group) -> None:
    """Add ``zoo noise``."""
    cli.add_command(noise)


@click.command(cls=ZooCommand)
@click.argument("name", metavar="NAME|RUN")
@click.option(
    "--level",
    "levels",
    multiple=True,
    type=click.FloatRange(0, 255),
    help="Standard deviation of the noise, in grey values. Can be repeated. [0 16 32 64 96]",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the noise.")
@data_dir_option
@runs_dir_option
@json_option
@click.pass_context
def noise(
    ctx: click.Context, /, name: str, levels: tuple[float, ...], seed: int, as_json: bool, **folders: Any
) -> None:
    """Measure the accuracy of a trained image classifier on noisy images.

    \b
    zoo noise resnet-mini
    zoo noise runs/resnet-mini/20260101-120000 --level 10 --level 20
    """
    found = accuracies(name, levels or (0, 16, 32, 64, 96), seed, registry_of(ctx), **folders)
    if as_json:
        print_json(found)
        return
    rows = [(f"{row['level']:g}", f"{row['accuracy']:.2%}", "█" * round(40 * row["accuracy"])) for row in found]
    show(table(("NOISE", "ACCURACY", ""), rows, numeric=("NOISE", "ACCURACY")))


def accuracies(
    name: str,
    levels: tuple[float, ...],
    seed: int,
    registry: zoo.Registry,
    data_dir: Path | None = None,
    runs_dir: Path | None = None,
) -> list[dict[str, float]]:
    """The test accuracy at each noise level.

    Args:
        name: an architecture or a run.
        levels: standard deviations of normal noise, in grey values from 0 to 255.

    Raises:
        zoo.UsageError: the network is not an image classifier.
    """
    import torch

    trained = zoo.load(name, runs_dir=runs_dir, registry=registry)
    data = trained.metadata["data"]
    if len(data["input_shape"]) != 3 or trained.metadata["task"] != "classification":
        raise zoo.UsageError(f"{name} is not an image classifier; `zoo noise` needs one.")
    spec = registry.dataset(data["name"])
    test = zoo.load_dataset(spec, zoo.data_folder(data_dir, trained.data_folder), options=data["options"]).splits.test
    random = torch.Generator().manual_seed(seed)
    unit = torch.randn(test.inputs.shape, generator=random)  # the same noise at every level, scaled
    found = []
    for level in levels:
        noisy = (test.inputs + level * unit).round().clamp(0, 255).to(torch.uint8)
        scores = zoo.evaluate(trained.module, zoo.Split(noisy, test.targets), trained.task)
        found.append({"level": float(level), "accuracy": scores.metrics["accuracy"]})
    return found
