"""``zoo eval``: how good a trained model is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import zoo
from zoo.commandline import (
    ZooCommand,
    data_dir_option,
    data_settings,
    json_option,
    print_json,
    registry_of,
    runs_dir_option,
    tables,
    terminal,
)


@click.command("eval", cls=ZooCommand)
@click.argument("name", metavar="NAME|RUN|FILE.onnx")
@click.option("--split", type=click.Choice(["test", "validation", "train"]), default="test", show_default=True)
@click.option("--dataset", metavar="NAME|PATH", help="Other data than it was trained on.")
@click.option("--target", metavar="COLUMN", help="The column of a CSV file that is to be told.")
@click.option("--data-option", "data_options", multiple=True, metavar="NAME=VALUE", help="A setting of the dataset.")
@click.option("-o", "--output", metavar="FOLDER", type=click.Path(path_type=Path), help="Draw the pictures there.")
@data_dir_option
@runs_dir_option
@json_option
@click.pass_context
def evaluate(ctx: click.Context, /, name: str, output: Path | None, as_json: bool, **given: Any) -> None:
    """Judge a trained model on a whole split.

    Every metric with its 95% confidence interval, each class, the confusion matrix, calibration and the worst
    mistakes; of a regression, its residuals. A checkpoint and the file exported from it give the same figures.

    \b
    zoo eval resnet-mini
    zoo eval resnet-mini.onnx -o pictures
    zoo eval runs/resnet-mini/20260101-120000 --split validation --json
    zoo eval photos-net.onnx --dataset photos/
    """
    registry = registry_of(ctx)
    model = zoo.open_model(name, runs_dir=given["runs_dir"], registry=registry)
    options = data_settings(registry, given["dataset"] or model.description.dataset, given)
    chosen = {key: given[key] for key in ("split", "dataset", "data_dir", "runs_dir")}
    assessment = zoo.assess(model, data_options=options, registry=registry, **chosen)
    pictures = zoo.draw_assessment(assessment, output) if output is not None else []
    if as_json:
        print_json(assessment.to_dict() | {"pictures": [str(path) for path in pictures]})
        return
    terminal.show(*tables.assessment(assessment), *(f"picture  {path}" for path in pictures))
