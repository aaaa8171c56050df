"""The options of the ``zoo`` group that say how plugins are loaded."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from ..registry.hook_calls import TRACE
from ..registry.loading import PLUGINS_DIR

if TYPE_CHECKING:
    from collections.abc import Callable


def plugin_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--plugins-dir`` and ``--trace-plugins``, for the ``zoo`` group: the environment's settings for one command."""
    folder = click.option(
        "--plugins-dir",
        type=click.Path(exists=True, file_okay=False),
        is_eager=True,
        expose_value=False,
        callback=lambda ctx, _, value: _set_for_now(ctx, PLUGINS_DIR, value),
        help="A folder whose Python files are plugins too. [$ZOO_PLUGINS_DIR]",
    )
    trace = click.option(
        "--trace-plugins",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=lambda ctx, _, value: _set_for_now(ctx, TRACE, "1" if value else None),
        help="Tell each import and each hook call of a plugin, and what it took.",
    )
    return folder(trace(command))


def _set_for_now(ctx: click.Context, variable: str, value: str | None) -> None:
    """Set an environment variable until the command is over; processes that it starts have it too."""
    if value is None:
        return
    before = os.environ.get(variable)
    os.environ[variable] = os.path.abspath(value) if variable == PLUGINS_DIR else value

    def put_back() -> None:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before

    if not ctx.resilient_parsing:  # after Tab the answer is made when the context is closed already
        ctx.call_on_close(put_back)
