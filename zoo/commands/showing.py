"""``zoo draw``, ``zoo report`` and ``zoo demo``: pictures and HTML pages about a model."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import click

import zoo
from zoo.commandline import (
    DRAWING,
    SETTING,
    ZooCommand,
    complete_architecture,
    complete_dataset,
    data_dir_option,
    json_option,
    print_json,
    registry_of,
    runs_dir_option,
    shared_settings,
    whole_number,
)


@click.command(cls=ZooCommand)
@click.argument("name", metavar="NAME|RUN", shell_complete=complete_architecture)
@click.option("-o", "--output", metavar="FILE.svg", type=DRAWING, show_default="./NAME.svg", help="File to write.")
@click.option(
    "--dataset",
    metavar="NAME",
    shell_complete=complete_dataset,
    help="The network for the shape of this dataset; default: the architecture's own.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    type=SETTING,
    help="Option of the architecture; repeatable. `zoo info NAME` lists them.",
)
@runs_dir_option
@click.pass_context
def draw(
    ctx: click.Context,
    /,
    name: str,
    output: Path | None,
    dataset: str | None,
    settings: tuple[str, ...],
    runs_dir: Path | None,
) -> None:
    """Draw a network: layers, shapes and parameters, as an SVG file.

    Branches, shortcuts and concatenations are drawn as such. Blocks that follow each other and are built alike are
    drawn once. The shape beside a layer is that of its result for one sample.

    \b
    Examples:
      zoo draw googlenet-mini
      zoo draw resnet-mini --set block=full-pre-activation -o block.svg
      zoo draw lenet --dataset cifar10
      zoo draw runs/resnet-mini/20260101-120000
    """
    registry = registry_of(ctx)
    chosen = _chosen(registry, name, settings)
    if dataset is not None:
        data = registry.dataset(dataset)
        chosen |= {"input_shape": data.network_shape, "num_outputs": data.num_outputs}
    drawing = zoo.draw(name, registry=registry, runs_dir=runs_dir, **chosen)
    stem = Path(name).resolve().name if Path(name).is_dir() else name.replace("/", "-")
    path = drawing.save(output or f"{stem}.svg")
    click.echo(str(path))


def _chosen(registry: zoo.Registry, name: str, settings: tuple[str, ...]) -> dict[str, Any]:
    """Every ``--set``, parsed."""
    if not settings:
        return {}
    architecture = registry.architecture(name)
    found = shared_settings(registry, [architecture], {"epochs": None, "settings": settings})
    options = [option.name for option in architecture.options]
    for setting in found:
        if setting not in options:
            raise zoo.UsageError(f"{setting} changes the training and not the network. Leave out --set {setting}=….")
    return found


@click.command(cls=ZooCommand)
@click.argument("name", metavar="NAME|RUN|FILE.onnx")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    show_default="./NAME-demo.html",
    help="File to write.",
)
@click.option(
    "--assets",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="dist folder of the npm package onnxruntime-web: the page includes the runtime and works offline.",
)
@click.option("--serve", is_flag=True, help="Serve the page at http://127.0.0.1 and write no file.")
@click.option(
    "--port", metavar="N", type=whole_number(0, 65_535), default=8000, help="Port for --serve; 0 = any free port."
)
@data_dir_option
@runs_dir_option
@click.pass_context
def demo(ctx: click.Context, /, name: str, output: Path | None, serve: bool, port: int, **given: Any) -> None:
    """Create a web page to try a model in the browser.

    Draw, drop an image, fill in the columns, write a text or draw a curve. The page runs the exported ONNX file with
    onnxruntime-web, which it loads from a CDN unless --assets is given.

    \b
    Examples:
      zoo demo resnet-mini
      zoo demo bike-mlp.onnx --serve
      zoo demo resnet-mini --assets node_modules/onnxruntime-web/dist
    """
    registry = None if zoo.is_onnx_file(name) else registry_of(ctx)
    page = zoo.demo_page(name, registry=registry, **given)
    if serve:
        try:
            zoo.serve(page, port, lambda address: click.echo(f"{address}  (Ctrl-C stops it)"))
        except KeyboardInterrupt as stop:
            if getattr(stop, "signal_number", signal.SIGINT) != signal.SIGINT:
                raise
        return  # Ctrl-C is the way to stop it
    path = output or Path(f"{_page_name(name, given['runs_dir'], registry)}-demo.html")
    zoo.write_page(page, path)
    click.echo(f"{path}  {len(page.encode()):,} bytes; open it in a browser")


def _page_name(reference: str, runs_dir: Path | None, registry: zoo.Registry | None) -> str:
    """The name of a page: of the file, or of the architecture, and of the dataset too if a run was named."""
    if registry is None:
        return Path(reference).stem
    if reference in registry.architectures:
        return reference.replace("/", "-")
    run = zoo.find_run(reference, zoo.runs_folder(runs_dir), registry.architectures)
    return f"{run.architecture}-{run.record.data.name}".replace("/", "-")


@click.command(cls=ZooCommand)
@click.argument("name", metavar="NAME|RUN")
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    show_default="the folder of the run, or ./NAME-report",
    help="Folder to write into.",
)
@data_dir_option
@runs_dir_option
@json_option
@click.pass_context
def report(ctx: click.Context, /, name: str, output: Path | None, as_json: bool, **given: Any) -> None:
    """Write an HTML report and a model card of a run or of shipped weights.

    report.html is one self-contained file: results, the network, curves, classes, mistakes, data, recipe, the
    certificate of the exported file, and how to use the model and train it again. model-card.md has the same content
    with Hugging Face metadata, and shows the drawing network.svg. The model is exported into exports/ first if it was
    not yet. NAME stands for its best run, or for its shipped weights if there is no run; their report has no curves.

    \b
    Examples:
      zoo report resnet-mini
      zoo report runs/resnet-mini/20260101-120000 -o report/
    """
    made = zoo.report(name, output, registry=registry_of(ctx), **given)
    if as_json:
        files = {"page": made.page, "card": made.card, "drawing": made.drawing, "file": made.file}
        print_json({name: str(path) if path else None for name, path in files.items()})
        return
    click.echo(f"page  {made.page}")
    click.echo(f"card  {made.card}")
    click.echo(f"svg   {made.drawing}")
    if made.file:
        click.echo(f"file  {made.file}")
