"""``zoo report`` and ``zoo demo``: HTML pages about a model."""

from __future__ import annotations

import signal
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
    whole_number,
)


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

    Draw, drop an image, or fill in the columns. The page runs the exported ONNX file with onnxruntime-web, which it
    loads from a CDN unless --assets is given.

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

    report.html is one self-contained file: results, curves, classes, mistakes, data, recipe, the certificate of the
    exported file, and how to use the model and train it again. model-card.md has the same content with Hugging Face
    metadata. The model is exported into exports/ first if it was not yet. NAME stands for its best run, or for its
    shipped weights if there is no run; their report has no curves.

    \b
    Examples:
      zoo report resnet-mini
      zoo report runs/resnet-mini/20260101-120000 -o report/
    """
    made = zoo.report(name, output, registry=registry_of(ctx), **given)
    if as_json:
        print_json({"page": str(made.page), "card": str(made.card), "file": str(made.file) if made.file else None})
        return
    click.echo(f"page  {made.page}")
    click.echo(f"card  {made.card}")
    if made.file:
        click.echo(f"file  {made.file}")
