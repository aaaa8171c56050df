"""``zoo tune``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

import zoo
from zoo.commandline import (
    COUNT,
    LATENCY,
    SETTING,
    SIZE,
    TIME,
    TuningDisplay,
    ZooCommand,
    complete_architecture,
    data_dir_option,
    dataset_settings,
    json_option,
    print_json,
    registry_of,
    runs_dir_option,
    search_space,
    shared_settings,
    show,
    study_lines,
    views,
    was_given,
    whole_number,
)

from .training_options import DATA, device_option, processes_option, with_options

_SEARCH = (
    click.option("--trials", metavar="N", type=whole_number(1), help="Search until there are N trials."),
    click.option("--time", "seconds", metavar="T", type=TIME, help="Search for this time: 30s, 10m, 2h."),
    click.option("--max-params", metavar="COUNT", type=COUNT, help="Largest number of parameters: 10k."),
    click.option("--max-bytes", metavar="SIZE", type=SIZE, help="Largest exported ONNX file, in float32: 20kB."),
    click.option("--max-latency", metavar="T", type=LATENCY, help="Longest time of a sample in onnxruntime: 50us."),
    click.option(
        "--objective",
        "objectives",
        metavar="NAME,NAME",
        show_default="the main metric",
        help="What is optimised; several give the Pareto front: accuracy,params.",
    ),
    click.option(
        "--space",
        multiple=True,
        metavar="NAME=VALUES",
        type=SETTING,
        help="Search this setting: lr=0.001..0.1, optimizer=sgd,adamw; repeatable.",
    ),
    click.option(
        "--set", "settings", multiple=True, metavar="NAME=VALUE", type=SETTING, help="Fix a setting; repeatable."
    ),
    click.option("--epochs", metavar="N", show_default="from the recipe", help="Epochs of each trial."),
    click.option("--sampler", metavar="NAME", default="tpe", help="tpe, random, gp, nsga2, cmaes or qmc."),
    click.option(
        "--pruner",
        metavar="NAME",
        show_default="median; none for several objectives",
        help="What stops bad trials early: median, halving, hyperband or none.",
    ),
    click.option(
        "--seeds", metavar="N", type=whole_number(0), default=3, help="Train the winner with N seeds; 0 = no."
    ),
    processes_option(default=1),
)
_STUDY = (
    click.option("--study", metavar="NAME|FOLDER", show_default="NAME-DATASET", help="Name or folder of a new study."),
    click.option("--storage", metavar="URL", help="PostgreSQL or MySQL database, for many machines."),
    click.option("--resume", metavar="STUDY", help="Continue a study, or search longer."),
    click.option("--join", metavar="STUDY", help="Help with a study that another process has started."),
    click.option("--seed", metavar="N", type=whole_number(0, 2**32 - 1), default=0, help="Random seed."),
    device_option,
)
_FREE = {
    "resume": ("trials", "seconds", "seeds", "processes", "storage", "device", "data_dir", "runs_dir"),
    "join": ("seconds", "storage", "device", "data_dir"),
}
"""The options that can go with `--resume` and `--join`."""


def _options(command: Any) -> Any:
    return with_options(command, (*_SEARCH, *DATA, *_STUDY))


@click.command(cls=ZooCommand)
@click.argument("names", metavar="[NAME[,NAME]...]", required=False, shell_complete=complete_architecture)
@_options
@data_dir_option
@runs_dir_option
@json_option
@click.pass_context
def tune(ctx: click.Context, /, names: str | None, as_json: bool, **given: Any) -> None:
    """Search the best recipe and network under limits.

    The validation split decides. Then the winner is trained with several seeds and evaluated on the test split. The
    study's folder gets its recipe, for `zoo train --recipe`, and a page with plots.

    \b
    Examples:
      zoo tune lenet --trials 30
      zoo tune lenet,cnn-mini --time 1h --max-params 10k --max-latency 50us
      zoo tune diabetes-mlp --trials 50 --space lr=0.001..0.1
      zoo tune diabetes-mlp --dataset mine.csv --target ill --trials 50
      zoo tune lenet --trials 100 --objective accuracy,params
      zoo tune --join studies/lenet-mnist --device cuda:1
    """
    registry = registry_of(ctx)
    mode = _mode(ctx, names, given)
    display = TuningDisplay()

    def finished(run: zoo.Run) -> None:
        display.close()
        if not as_json:
            show(views.seed(run))

    common = {"registry": registry, "watch": display, **{key: given[key] for key in ("device", "data_dir", "storage")}}
    more = {key: given[key] for key in ("seconds", "trials", "seeds", "processes", "runs_dir")} | {"finished": finished}
    try:
        if mode == "join":
            found = zoo.join_study(given["join"], seconds=given["seconds"], **common)
        elif mode == "resume":
            found = zoo.continue_study(given["resume"], **common, **more)
        else:
            found = zoo.tune(str(names).split(","), **_new(registry, str(names), given), **common, **more)
    except BaseException:
        display.close()
        if display.last is not None and display.last.finished:
            show(*study_lines(display.last))
            zoo.write_study(display.last)
        raise
    display.close()
    page = None if mode == "join" else zoo.write_study(found)
    if as_json:
        print_json(found.to_dict() | {"page": None if page is None else str(page)})
    else:
        show(*study_lines(found), *([] if page is None else [f"page     {page}"]))


def _mode(ctx: click.Context, names: str | None, given: Mapping[str, Any]) -> str:
    """``new``, ``resume`` or ``join``.

    Raises:
        UsageError: none or several of them, or an option that cannot go with it.
    """
    modes = [mode for mode in ("resume", "join") if given[mode] is not None] + (["new"] if names is not None else [])
    if len(modes) != 1:
        raise zoo.UsageError("Give one of these: the NAME of one or more architectures, --resume STUDY, --join STUDY.")
    mode = modes[0]
    for parameter in ctx.command.params if mode != "new" else ():
        name = str(parameter.name)
        if name not in (*_FREE[mode], mode, "as_json", "names") and was_given(ctx, name):
            raise zoo.UsageError(f"{parameter.opts[0]} cannot go with --{mode}: the study has it already.")
    return mode


def _new(registry: zoo.Registry, names: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of :func:`zoo.tune` for a new study."""
    architectures = [registry.architecture(name.strip()) for name in names.split(",") if name.strip()]
    plain = ("objectives", "max_params", "max_latency", "sampler", "pruner", "study", "dataset", "seed")
    settings = shared_settings(registry, architectures, given)
    size = given["max_bytes"]
    options = dataset_settings(registry, architectures[0], given) if architectures else {}
    return {
        **{key: given[key] for key in plain},
        "max_bytes": None if size is None else round(size),
        "space": search_space(given),
        "data_options": options,
        **settings,
    }
