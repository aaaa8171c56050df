"""Shell completion of names: architectures, datasets, tasks, plugins and runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

from ..folders import runs_folder
from ..registry.registry import Registry, create_registry
from ..runs.finding import list_runs

if TYPE_CHECKING:
    from collections.abc import Iterable

    import click

ENVIRONMENT = "_ZOO_COMPLETE"
"""The environment variable that the shell sets when it asks for completions."""


def complete_architecture(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of architectures, with their summaries."""
    found = _registry(ctx).architectures.values()
    return _matching(incomplete, ((spec.name, spec.summary) for spec in found))


def complete_dataset(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of datasets, with their summaries; files if no name matches."""
    found = _registry(ctx).datasets.values()
    items = _matching(incomplete, ((spec.name, spec.summary) for spec in found))
    return items or [CompletionItem(incomplete, type="file")]


def complete_trained(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of architectures and runs; files if no name matches."""
    folder = runs_folder(ctx.params.get("runs_dir"))
    runs = _matching(incomplete, ((run.name, run.status) for run in list_runs(folder)))
    return [*complete_architecture(ctx, param, incomplete), *runs] or [CompletionItem(incomplete, type="file")]


def complete_plugin(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of plugins and of the distributions that they come from."""
    plugins = _registry(ctx).plugins
    names = {plugin.distribution: "" for plugin in plugins} | {plugin.name: plugin.status for plugin in plugins}
    return _matching(incomplete, names.items())


def complete_task(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of tasks, with their summaries."""
    return _matching(incomplete, ((task.name, task.summary) for task in _registry(ctx).tasks.values()))


def complete_input(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of kinds of input, with their summaries."""
    return _matching(incomplete, ((kind.name, kind.summary) for kind in _registry(ctx).inputs.values()))


def complete_declared(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of architectures; if none matches, of everything else that plugins declare."""
    others = ((spec.name, spec.summary) for spec, _ in _registry(ctx).declared())
    return complete_architecture(ctx, param, incomplete) or _matching(incomplete, sorted(set(others)))


def _registry(ctx: click.Context) -> Registry:
    return ctx.find_root().obj or create_registry()


def _matching(incomplete: str, found: Iterable[tuple[str, str]]) -> list[CompletionItem]:
    return [CompletionItem(name, help=text) for name, text in found if name.startswith(incomplete)]
