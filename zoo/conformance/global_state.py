"""Load one plugin in this process and note what it changes outside itself: :func:`main`, in a process of its own.

:mod:`.isolation` starts that process. After each stage this module appends a line to a file, so the last line says how
far a process came that ended or did not end.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import locale
import logging
import os
import random
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from ..registry.entry_points import EntryPoint
from ..registry.registry import create_registry

PACKAGES = ("builtins", "click", "pluggy", "zoo")
"""The packages whose functions and classes a plugin must not replace."""

_TORCH = ("torch", "torch.nn", "torch.nn.functional", "torch.nn.init", "torch.optim", "torch.utils.data", "torch.onnx")
_LIGHT_NAMES = ("hookimpl", "Architecture", "Dataset", "Exporter", "Option", "Registry", "EntryPoint", "ZooError")
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM", "SIGPIPE", "SIGCHLD")


def main() -> None:
    """Load the plugin that ``sys.argv[1]`` describes and write what happened to the file ``sys.argv[2]``.

    If ``sys.argv[3]`` is ``torch``, it imports torch first, and notes replaced functions of torch too.
    """
    point, path, first = EntryPoint(**json.loads(sys.argv[1])), sys.argv[2], sys.argv[3]
    _import_packages(_TORCH if first else ())
    names, state = dict(_replaceable(with_torch=bool(first))), _state()
    _note(path, stage="import")
    with contextlib.suppress(BaseException):  # the registry loads it again and says why it fails
        point.load()
    _note(path, stage="hooks")
    registry = create_registry([point])
    adds = [
        *(f"{type(spec).__name__.lower()} {spec.name}" for spec, _ in registry.declared()),
        *(f"command {name}" for name in registry.commands(())),
    ]
    after = dict(_replaceable(with_torch=bool(first)))
    replaced = [name for name, value in names.items() if after.get(name) is not value]
    added = [name for name in after if name not in names and name.startswith("builtins.")]
    changed = [f"replaces {name}" for name in replaced] + [f"adds {name}" for name in added]
    changed += [f"changes {what}" for what in _differences(state, _state())]
    loaded = sorted({name.partition(".")[0] for name in sys.modules})
    _note(path, stage="done", errors=registry.plugins[0].errors, adds=adds, changed=changed, modules=loaded)


def _import_packages(more: Iterable[str]) -> None:
    """Import what is compared before the plugin is: a name that a plugin is the first to use is no change."""
    for name in (*PACKAGES, "zoo.commandline", *more):
        importlib.import_module(name)
    zoo = sys.modules["zoo"]
    for name in _LIGHT_NAMES:
        getattr(zoo, name)


def _note(path: str, **content: Any) -> None:
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(content) + "\n")


def _replaceable(*, with_torch: bool) -> Iterator[tuple[str, object]]:
    """Every function and class of the packages by its full name, and every method of those classes."""
    packages = PACKAGES
    found = [(name, module) for name, module in list(sys.modules.items()) if name.partition(".")[0] in packages]
    if with_torch:
        found += [(name, sys.modules[name]) for name in _TORCH]
    for module_name, module in found:
        for name, value in list(vars(module).items()):
            if callable(value):
                yield f"{module_name}.{name}", value
            home = value.__module__ if isinstance(value, type) else None
            if home == module_name or (module_name in _TORCH and str(home).startswith("torch.")):
                for method, function in list(vars(value).items()):
                    if callable(function) or isinstance(function, property | staticmethod | classmethod):
                        yield f"{module_name}.{name}.{method}", function


def _state() -> dict[str, object]:
    """What a process has once and a plugin can change for all others, by its name in words."""
    root = logging.getLogger()
    umask = os.umask(0o022)
    os.umask(umask)
    handlers = {f"the handler of {n}": signal.getsignal(getattr(signal, n)) for n in _SIGNALS if hasattr(signal, n)}
    hidden = [one for one in warnings.filters if one[1] is None and one[2] is Warning and one[0] in ("ignore", "error")]
    others = [thread.name for thread in threading.enumerate() if not thread.daemon]
    streams = {f"sys.{name}": getattr(sys, name) for name in ("stdin", "stdout", "stderr", "excepthook", "displayhook")}
    return {
        **handlers,
        **streams,
        **{f"the environment variable {name}": value for name, value in os.environ.items()},
        "the working directory": os.getcwd(),
        "sys.argv": list(sys.argv),
        "the recursion limit": sys.getrecursionlimit(),
        "the trace function": sys.gettrace(),
        "the locale": locale.setlocale(locale.LC_ALL),
        "the filters of warnings": hidden,
        "the handlers of the root logger": list(root.handlers),
        "the level of the root logger": (root.level, logging.root.manager.disable),
        "the state of random": random.getstate(),
        "the default timeout of sockets": socket.getdefaulttimeout(),
        "the umask": umask,
        "the threads (one keeps the process alive)": others,
        "whether the garbage collector runs": gc.isenabled(),
    }


def _differences(before: dict[str, object], after: dict[str, object]) -> list[str]:
    missing = object()
    names = dict.fromkeys([*before, *after])
    return [name for name in names if before.get(name, missing) != after.get(name, missing)]
