"""Turn options that the user gave as text into typed settings, and check options that exclude each other."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from ..errors import UnknownName, UsageError
from ..folders import expanded, runs_folder
from ..recipe_file import read_recipe
from ..registry.recipe_parts import part_options
from ..runs.finding import find_run
from ..specs.hyperparameters import OPTIONS
from ..specs.options import unknown_option
from ..specs.settings import parse_settings

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence
    from pathlib import Path

    from ..registry.registry import Registry
    from ..runs.run import Run
    from ..specs.architecture import Architecture


def was_given(ctx: click.Context, name: str) -> bool:
    """Whether the user wrote the parameter ``name`` on the command line; otherwise it has its default."""
    return ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def training_settings(registry: Registry, architecture: Architecture, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options ``--epochs``, ``--batch-size``, ``--lr``, ``--precision``, ``--compile`` and every ``--set``, parsed.

    The settings of ``--recipe`` are added, unless an option sets them.

    Raises:
        UnknownName, InvalidValue: a setting or a value that the architecture does not have.
        UsageError: a setting is given twice, or the recipe is for another architecture.
        ZooError: the recipe cannot be read.
    """
    recipe = _recipe(architecture, given["recipe"]) if given.get("recipe") is not None else {}
    texts = {key: given[key] for key in ("epochs", "batch_size", "lr", "precision") if given[key] is not None}
    texts |= {"compile": "true"} if given["compile"] else {}
    texts |= _pairs("--set", given["settings"], texts)
    return {**recipe, **parse_settings(architecture, texts, part_options(registry), recipe)}


def shared_settings(
    registry: Registry, architectures: Sequence[Architecture], given: Mapping[str, Any]
) -> dict[str, Any]:
    """``--epochs`` and every ``--set``, parsed, for a search over several architectures.

    Raises:
        UnknownName, InvalidValue: a setting or a value that one of them does not have.
    """
    texts = {"epochs": given["epochs"]} if given["epochs"] is not None else {}
    texts |= _pairs("--set", given["settings"], texts)
    found: dict[str, Any] = {}
    for architecture in architectures:
        found |= parse_settings(architecture, texts, part_options(registry))
    return found


def search_space(given: Mapping[str, Any]) -> dict[str, str]:
    """Every ``--space NAME=VALUES``, by name.

    Raises:
        UsageError: a name is given twice.
    """
    return _pairs("--space", given["space"], ())


def _recipe(architecture: Architecture, path: Path) -> dict[str, Any]:
    """The settings in a recipe file.

    Raises:
        UsageError: they are for another architecture.
        ZooError: the file is no recipe.
    """
    found = read_recipe(expanded(path))
    if found.architecture != architecture.name:
        raise UsageError(f"The recipe {path} is for {found.architecture}, not for {architecture.name}.")
    return dict(found.settings)


def epochs_given(given: Mapping[str, Any]) -> int | None:
    """``--epochs`` as a number, for ``--resume``; None if it was not given."""
    option = next(option for option in OPTIONS if option.name == "epochs")
    return None if given["epochs"] is None else int(option.parse(given["epochs"]))  # type: ignore[arg-type]


def dataset_settings(registry: Registry, architecture: Architecture, given: Mapping[str, Any]) -> dict[str, Any]:
    """``--target`` and every ``--data-option``, parsed for ``--dataset`` or else the architecture's own dataset."""
    return data_settings(registry, given["dataset"] or architecture.dataset, given)


def data_settings(registry: Registry, reference: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """``--target`` and every ``--data-option``, parsed for the dataset, folder or file ``reference``.

    Raises:
        UnknownName, InvalidValue: an option or a value that the dataset does not have.
        UsageError: an option is given twice.
    """
    texts = {"target": given["target"]} if given["target"] is not None else {}
    texts |= _pairs("--data-option", given["data_options"], texts)
    if not texts:
        return {}
    from ..data.loading import dataset_options

    known = {option.name: option for option in dataset_options(reference, registry)}
    if given["target"] is not None and "target" not in known:
        fixed = "its subfolders are the classes" if reference not in registry.datasets else "it has its own target"
        raise UsageError(f"--target is for CSV files; {reference} is none: {fixed}. Leave out --target.")
    for name in texts:
        if name not in known:
            raise unknown_option(name, known, f"the data {reference}")
    return {name: known[name].parse(text) for name, text in texts.items()}


def check_dataset_name(name: str, registry: Registry, runs: Iterable[Run]) -> None:
    """Check that ``name`` is a registered dataset, or one that a run was trained on, such as a user's own.

    Raises:
        UnknownName: it is neither; the message contains the closest name.
    """
    known = [*registry.datasets, *(run.record.data.name for run in runs)]
    if name not in known:
        raise UnknownName("dataset", name, known, "`zoo datasets` shows them all, `zoo runs` those of the runs.")


def refuse_beside_resume(ctx: click.Context) -> None:
    """Check that no option was given which a resumed run cannot change.

    Raises:
        UsageError: one was given.
    """
    free = {"name", "resume", "epochs", "device", "devices", "data_dir", "runs_dir", "as_json"}
    for parameter in ctx.command.params:
        name = str(parameter.name)
        if name not in free and was_given(ctx, name) and ctx.params[name] not in (None, ()):
            raise UsageError(f"{parameter.opts[0]} cannot go with --resume: a resumed run keeps its settings.")


def check_resumed_name(name: str, reference: str, runs_dir: Path | None, registry: Registry) -> None:
    """Check that NAME beside ``--resume RUN`` is the run's architecture. Of several processes, the first one checks.

    Raises:
        UsageError: it is another architecture.
        UnknownName, RunNotFound: there is no such run.
    """
    if os.environ.get("RANK", "0") != "0":  # the runs folder may be on the first machine only
        return
    run = find_run(reference, runs_folder(runs_dir), registry.architectures, trained=False)
    architecture = run.config["architecture"]
    if name != architecture:
        raise UsageError(
            f"{run.name} is a run of {architecture}, not of {name}. Leave out {name}, or choose a run of {name}."
        )


def _pairs(flag: str, settings: Sequence[str], taken: Container[str]) -> dict[str, str]:
    """The parts of ``NAME=VALUE`` texts; each name may be given once."""
    texts: dict[str, str] = {}
    for setting in settings:
        key, separator, text = setting.partition("=")
        if not separator:
            raise UsageError(f"{flag} {setting!r} does not have the form NAME=VALUE. Write {flag} {setting}=VALUE.")
        if key in taken or key in texts:
            raise UsageError(f"{key} is set twice.")
        texts[key] = text
    return texts
