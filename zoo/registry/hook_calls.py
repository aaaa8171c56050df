"""Calls of plugin code, one function at a time. ``ZOO_TRACE_PLUGINS=1`` logs each call with its time."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import pluggy

from .plugin import StrictFailure, describe_error

TRACE = "ZOO_TRACE_PLUGINS"
"""If this environment variable is ``1``, each import and each hook call of a plugin is logged on standard error."""

UNSTOPPABLE = (KeyboardInterrupt, StrictFailure)
"""The exceptions of a plugin that are not caught. All others are, even those that are no ``Exception``: a plugin may
raise ``SystemExit``, an extension module may panic, a test library may raise its own kind."""

trace_log = logging.getLogger("zoo.trace")

_T = TypeVar("_T")


def traced(what: str, who: object, act: Callable[[], _T]) -> _T:
    """Call ``act()`` and return its result. If tracing is on, log it in one line."""
    if os.environ.get(TRACE) != "1":
        return act()
    began = time.perf_counter()
    outcome = ""
    try:
        return act()
    except BaseException as error:
        outcome = f"  {describe_error(error)}"
        raise
    finally:
        trace_log.warning("%8.2f ms  %-22s  %s%s", 1000 * (time.perf_counter() - began), what, who, outcome)


def call(implementation: pluggy.HookImpl, hook: str, who: object, arguments: Mapping[str, Any]) -> Any:
    """Call one implementation of a hook and return its result. It raises whatever the plugin raises."""
    given = [arguments[name] for name in implementation.argnames]
    return traced(hook, who, lambda: implementation.function(*given))
