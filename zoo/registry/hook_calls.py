"""Calls of plugin code, one function at a time. ``ZOO_TRACE_PLUGINS=1`` logs each call with its time."""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any, NoReturn, TypeVar

import pluggy

from ..formatting import brief
from ..process import Interrupted
from .plugin import StrictFailure, describe_error

TRACE = "ZOO_TRACE_PLUGINS"
"""If this environment variable is ``1``, each import and each hook call of a plugin is logged on standard error."""

UNSTOPPABLE = (KeyboardInterrupt, StrictFailure)
"""The exceptions of a plugin that are not caught. All others are, even those that are no ``Exception``: a plugin may
raise ``SystemExit``, an extension module may panic, a test library may raise its own kind. A ``KeyboardInterrupt`` that
no signal caused becomes a :class:`PluginRaised` before (see :func:`plugin_code`)."""


class PluginRaised(Exception):
    """A plugin raised ``KeyboardInterrupt`` itself, without a Ctrl-C, or called ``os._exit``."""


@contextlib.contextmanager
def plugin_code() -> Iterator[None]:
    """Context to run a plugin's import or registration in.

    What it prints goes to standard error: standard output is for the command's result. Ctrl-C stops the command,
    but a ``KeyboardInterrupt`` that the plugin raises itself is an error of the plugin. So is a call of ``os._exit``,
    which would end the command without a word.

    Raises:
        PluginRaised: the plugin raised ``KeyboardInterrupt`` itself, or called ``os._exit``.
    """
    pressed = [False]
    handler = signal.getsignal(signal.SIGINT)
    watched = callable(handler) and threading.current_thread() is threading.main_thread()

    def watch(number: int, frame: FrameType | None) -> None:
        pressed[0] = True
        assert callable(handler)
        handler(number, frame)

    if watched:
        signal.signal(signal.SIGINT, watch)
    try:
        with contextlib.redirect_stdout(sys.stderr), _no_exit():
            yield
    except KeyboardInterrupt as error:
        # if SIGINT is ignored, no Ctrl-C can have caused it
        unknown = not watched and handler is not signal.SIG_IGN
        if unknown or pressed[0] or isinstance(error, Interrupted):
            raise
        raise PluginRaised("KeyboardInterrupt without a Ctrl-C") from error
    finally:
        if watched and signal.getsignal(signal.SIGINT) is watch:
            signal.signal(signal.SIGINT, handler)


@contextlib.contextmanager
def _no_exit() -> Iterator[None]:
    """Context in which ``os._exit`` raises, except in a process that was forked from this one."""
    real, own = os._exit, os.getpid()

    def refuse(status: int) -> NoReturn:
        if os.getpid() != own:
            real(status)
        raise PluginRaised(f"it calls os._exit({brief(status)}), which ends the whole command")

    os._exit = refuse
    try:
        yield
    finally:
        if os._exit is refuse:
            os._exit = real


class ImportTimeout(BaseException):
    """The import of a plugin took too long. It is no ``Exception``, so that few plugins catch it."""


@contextlib.contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Context to import a plugin in: after ``seconds`` the import is stopped. Only in the main thread of POSIX systems.

    Raises:
        ImportTimeout: the time is over.
    """
    main = threading.current_thread() is threading.main_thread()
    if seconds is None or not main or not hasattr(signal, "setitimer"):
        yield
        return
    inside = [True]

    def expire(number: int, frame: FrameType | None) -> None:
        if inside[0]:
            raise ImportTimeout(f"the import takes more than {seconds:g} s (ZOO_PLUGIN_TIMEOUT), so it is left out")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.1)  # again and again: the plugin may catch everything
    try:
        yield
    finally:
        inside[0] = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


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
    with contextlib.redirect_stdout(sys.stderr):
        return traced(hook, who, lambda: implementation.function(*given))


def call_listener(implementation: pluggy.HookImpl, hook: str, who: object, arguments: Mapping[str, Any]) -> str:
    """Call one implementation of an event hook with its own copy of the arguments, and return its error, if any."""
    try:
        call(implementation, hook, who, copy.deepcopy(arguments))
    except UNSTOPPABLE:
        raise
    except BaseException as error:
        return f"Plugin {who} failed in {hook}: {describe_error(error)}"
    return ""


def listener_name(implementation: pluggy.HookImpl) -> str:
    """The name of a listener that is no plugin: the one it is registered with, or that of its class or module."""
    listener = implementation.plugin
    given = implementation.plugin_name != str(id(listener))  # pluggy's name for an object without one
    return implementation.plugin_name if given else str(getattr(listener, "__name__", type(listener).__name__))
