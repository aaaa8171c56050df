"""What the shell completes after Tab: names of architectures, datasets, plugins and runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

from ..folders import runs_folder
from ..registry.registry import Registry, create_registry
from ..runs.run import list_runs

if TYPE_CHECKING:
    from collections.abc import Iterable

    import click

ENVIRONMENT = "_ZOO_COMPLETE"
"""Set by the shell while it asks."""


def complete_architecture(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of architectures, with what they are."""
    found = _registry(ctx).architectures.values()
    return _beginning_with(incomplete, ((spec.name, spec.summary) for spec in found))


def complete_dataset(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of datasets, with what they are; files where none fits."""
    found = _registry(ctx).datasets.values()
    items = _beginning_with(incomplete, ((spec.name, spec.summary) for spec in found))
    return items or [CompletionItem(incomplete, type="file")]


def complete_trained(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of architectures and runs; files where none fits."""
    folder = runs_folder(ctx.params.get("runs_dir"))
    runs = _beginning_with(incomplete, ((run.name, run.status) for run in list_runs(folder)))
    return [*complete_architecture(ctx, param, incomplete), *runs] or [CompletionItem(incomplete, type="file")]


def complete_plugin(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of plugins and distributions."""
    plugins = _registry(ctx).plugins
    names = {plugin.distribution: "" for plugin in plugins} | {plugin.name: plugin.status for plugin in plugins}
    return _beginning_with(incomplete, names.items())


def _registry(ctx: click.Context) -> Registry:
    return ctx.find_root().obj or create_registry()


def _beginning_with(incomplete: str, found: Iterable[tuple[str, str]]) -> list[CompletionItem]:
    return [CompletionItem(name, help=told) for name, told in found if name.startswith(incomplete)]
