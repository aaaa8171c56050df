"""Calling what plugins wrote: one function at a time, timed, and told under ``ZOO_TRACE_PLUGINS=1``."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import pluggy

from .plugin import StrictFailure, describe_error

TRACE = "ZOO_TRACE_PLUGINS"
"""``1`` has every import and every hook call of a plugin told on standard error."""

UNSTOPPABLE = (KeyboardInterrupt, StrictFailure)
"""What goes through where all else that a plugin raises is caught: even what is no Exception may be a plugin's
mistake (``SystemExit``, the panic of an extension module, the skip of a test library)."""

trace_log = logging.getLogger("zoo.trace")

_T = TypeVar("_T")


def traced(what: str, who: object, act: Callable[[], _T]) -> _T:
    """``act()``, with one line about it where that is asked for."""
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
    """What one plugin's implementation of a hook gives, or raises."""
    given = [arguments[name] for name in implementation.argnames]
    return traced(hook, who, lambda: implementation.function(*given))
