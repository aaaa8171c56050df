"""``zoo compare`` and ``zoo bench``: several models side by side."""

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
    tables,
    terminal,
)

_picture = click.Path(path_type=Path, dir_okay=False)


@click.command(cls=ZooCommand)
@click.argument("names", metavar="NAME|RUN|FILE.onnx...", nargs=-1)
@click.option("--dataset", metavar="NAME", help="In place of names: all that was recorded or trained on it.")
@click.option("--latency", is_flag=True, help="Time one sample on each: by torch, a file by onnxruntime.")
@click.option("--plot", metavar="FILE.png", type=_picture, help="Draw the metric against each cost.")
@click.option("--curves", metavar="FILE.png", type=_picture, help="Draw the runs' validation curves over each other.")
@runs_dir_option
@json_option
@click.pass_context
def compare(
    ctx: click.Context, /, names: tuple[str, ...], plot: Path | None, curves: Path | None, as_json: bool, **given: Any
) -> None:
    """Compare models that were judged on the same data.

    An architecture stands for its recorded results, a run for all runs that differ from it by the seed only. A
    difference is called one only where the trainings allow it (Welch's t-test, corrected for how many are compared). A
    star marks the Pareto front: nothing is better that costs no more.

    \b
    zoo compare resnet-mini cnn-mini lenet --plot mnist.png
    zoo compare --dataset digits
    zoo compare runs/resnet-mini/20260101-120000 runs/lenet/20260101-130000 --curves curves.png
    """
    found = zoo.compare(names, registry=registry_of(ctx), **given)
    pictures = []
    if plot is not None:
        pictures.append(zoo.draw_comparison(found, plot))
    if curves is not None:
        pictures.append(zoo.draw_run_curves(found, curves))
    if as_json:
        print_json(found.to_dict() | {"pictures": [str(path) for path in pictures]})
        return
    terminal.show(*tables.comparison(found), *(f"picture  {path}" for path in pictures))


@click.command(cls=ZooCommand)
@click.argument("names", metavar="NAME|RUN|FILE.onnx...", nargs=-1, required=True)
@click.option("--batch-size", "batches", type=click.IntRange(1), multiple=True, help="Samples in a call. [1, 8 and 64]")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="cuda: both.")
@click.option("--compile", "compiled", is_flag=True, help="Also by torch.compile.")
@click.option("--int8", "reductions", flag_value="int8", multiple=True, help="Also the exported file in 8 bits.")
@click.option("--fp16", "reductions", flag_value="fp16", multiple=True, help="Also the exported file in 16 bits.")
@click.option("--threads", type=click.IntRange(0), default=1, show_default=True, help="Of a call; 0: as each likes.")
@click.option(
    "--seconds", type=click.FloatRange(0), default=1.0, show_default=True, help="For each, at each batch size."
)
@click.option("--plot", metavar="FILE.png", type=_picture, help="Draw latency and throughput over the batch size.")
@data_dir_option
@runs_dir_option
@json_option
@click.pass_context
def bench(ctx: click.Context, /, names: tuple[str, ...], plot: Path | None, as_json: bool, **given: Any) -> None:
    """Time models: latency, throughput, memory.

    A name or run is timed in torch and, exported, in onnxruntime; a file in onnxruntime. All take turns in one run,
    from raw samples in memory to answers in memory. Memory is what loading a model and a batch add.

    \b
    zoo bench resnet-mini --int8
    zoo bench net.onnx net-int8.onnx --batch-size 1 --batch-size 32 --plot speed.png
    zoo bench resnet-mini --device cuda --compile --json
    """
    if not given["batches"]:
        del given["batches"]
    found = zoo.bench(names, registry=registry_of(ctx), **given)
    pictures = [zoo.draw_bench(found, plot)] if plot is not None else []
    if as_json:
        print_json(found.to_dict() | {"pictures": [str(path) for path in pictures]})
        return
    terminal.show(*tables.bench(found), *(f"picture  {path}" for path in pictures))
