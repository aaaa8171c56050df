"""The options of `zoo export` that exporters add: a flag for each format and smaller form, and their options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from zoo import Registry, UsageError
from zoo.commandline import ZooCommand, registry_of, was_given

_FORMS = {
    "int8": ": weights and arithmetic in 8-bit integers, up to 4 times smaller",
    "fp16": ": weights and arithmetic in 16-bit floats, up to 2 times smaller",
}
"""What the well-known smaller forms are, for the help."""


class ExportCommand(ZooCommand):
    """A command with a flag for each registered export format, and the options of all formats."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The fixed parameters, and after NAME those of the exporters: ``format_…``, ``reduction_…``, ``option_…``."""
        exporters = registry_of(ctx).exporters.values()
        flags = [
            click.Option(
                [f"--{spec.name}", f"format_{_identifier(spec.name)}"], is_flag=True, help=_sentence(spec.summary)
            )
            for spec in exporters
        ]
        smaller: dict[str, list[str]] = {}
        for spec in exporters:
            for name in spec.reductions:
                smaller.setdefault(name, []).append(f"--{spec.name}")
        flags += [
            click.Option([f"--{name}", f"reduction_{_identifier(name)}"], is_flag=True, help=_form_help(name, formats))
            for name, formats in smaller.items()
        ]
        options = {option.name: option for spec in exporters for option in spec.options}
        added = [
            click.Option(
                [f"--{name.replace('_', '-')}", f"option_{name}"],
                metavar="VALUE",
                default=str(option.default),
                help=_sentence(f"{option.help}: {option.describe()}"),
            )
            for name, option in options.items()
        ]
        argument, *rest = super().get_params(ctx)
        return [argument, *flags, *added, *rest]


def chosen_formats(registry: Registry, given: Mapping[str, Any]) -> list[str]:
    """The names of the exporters whose flags the user gave."""
    return [name for name in registry.exporters if given[f"format_{_identifier(name)}"]]


def chosen_reduction(registry: Registry, format: str, given: Mapping[str, Any]) -> str:
    """The smaller form of ``format`` whose flag the user gave; empty for none.

    Raises:
        UsageError: several were given, or one of another format.
    """
    every = {name for spec in registry.exporters.values() for name in spec.reductions}
    chosen = sorted(name for name in every if given[f"reduction_{_identifier(name)}"])
    if len(chosen) > 1:
        raise UsageError(f"Choose one smaller form: {' or '.join(f'--{name}' for name in chosen)}.")
    if chosen and chosen[0] not in registry.exporter(format).reductions:
        raise UsageError(f"--{chosen[0]} is not a form of --{format}.")
    return chosen[0] if chosen else ""


def exporter_options(ctx: click.Context, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that the user gave for the exporter ``name``, parsed.

    Raises:
        UsageError: an option of another exporter was given, or a wrong value.
    """
    known = {option.name: option for option in registry_of(ctx).exporter(name).options}
    texts = {
        key.removeprefix("option_"): text
        for key, text in given.items()
        if key.startswith("option_") and was_given(ctx, key)
    }
    for key in texts:
        if key not in known:
            raise UsageError(f"--{key.replace('_', '-')} is not an option of --{name}.")
    return {key: known[key].parse(text) for key, text in texts.items()}


def _form_help(name: str, formats: list[str]) -> str:
    return f"Smaller form of {' and '.join(formats)}{_FORMS.get(name, f': {name}')}."


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _identifier(flag: str) -> str:
    return flag.replace("-", "_")
