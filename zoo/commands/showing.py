"""``zoo report`` and ``zoo demo``: pages to look at and to try."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import click

import zoo
from zoo.commandline import ZooCommand, data_dir_option, json_option, print_json, registry_of, runs_dir_option


@click.command(cls=ZooCommand)
@click.argument("name", metavar="NAME|RUN|FILE.onnx")
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="The page. [./NAME-demo.html]")
@click.option(
    "--assets",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The dist folder of npm's onnxruntime-web: put the runtime into the page, which then needs no network.",
)
@click.option("--serve", is_flag=True, help="Show the page on this machine, at http://127.0.0.1, in place of a file.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8000, show_default=True, help="For --serve; 0: any.")
@data_dir_option
@runs_dir_option
@click.pass_context
def demo(ctx: click.Context, /, name: str, output: Path | None, serve: bool, port: int, **given: Any) -> None:
    """Make a page to try a model on: draw, drop a picture, or fill in the columns.

    The exported ONNX file itself runs in the browser, by onnxruntime-web, which the page loads from a CDN unless
    --assets puts it inside.

    \b
    zoo demo resnet-mini
    zoo demo bike-mlp.onnx --serve
    zoo demo resnet-mini --assets node_modules/onnxruntime-web/dist -o draw.html
    """
    registry = None if zoo.is_onnx_file(name) else registry_of(ctx)
    page = zoo.demo_page(name, registry=registry, **given)
    if serve:
        with contextlib.suppress(KeyboardInterrupt):  # which is how it is meant to end
            zoo.serve(page, port, lambda address: click.echo(f"{address}  (Ctrl-C ends it)"))
        return
    path = output or Path(f"{Path(name).stem if zoo.is_onnx_file(name) else Path(name).name}-demo.html")
    zoo.write_page(page, path)
    click.echo(f"{path}  {path.stat().st_size:,} bytes; open it in a browser")


@click.command(cls=ZooCommand)
@click.argument("name", metavar="RUN|NAME")
@click.option(
    "-o", "--output", metavar="FOLDER", type=click.Path(path_type=Path), help="Where to write. [the run's own folder]"
)
@data_dir_option
@runs_dir_option
@json_option
@click.pass_context
def report(ctx: click.Context, /, name: str, output: Path | None, as_json: bool, **given: Any) -> None:
    """Write all that is known of a run: a page, and a model card.

    report.html is one file that loads nothing: figures, curves, classes, mistakes, data, recipe, the exported file's
    certificate, how to train it again and how to use it. model-card.md tells the same with Hugging Face's front matter.
    The run is exported into exports/ first, where it was not.

    \b
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
