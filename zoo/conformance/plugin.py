"""Checks of a plugin as a whole: its import and its package."""

from __future__ import annotations

import contextlib
import json
import subprocess

from ..errors import UnknownName
from ..interpreter import python_command, python_environment
from ..registry.declared import sample_architectures
from ..registry.entry_points import EntryPoint
from ..registry.loading import SLOW_IMPORT
from ..registry.plugin import DISTRIBUTION, FILE
from ..specs.references import missing, resolve_reference
from .check import NotChecked, Problem, Workspace
from .isolation import load_alone

HEAVY = ("torch", "torchvision", "tensorflow", "jax", "onnx", "onnxruntime", "sklearn", "matplotlib", "pandas", "numpy")

UNKNOWN = "zoo-check/no-such-network"
"""A name of no architecture."""

# Measures processor time, so that a busy machine does not fail a plugin. The zoo's own modules are imported before.
_IMPORT = """
import importlib, json, sys, time
import zoo
zoo.Architecture, zoo.hookimpl
began = time.process_time()
importlib.import_module(sys.argv[1])
seconds = time.process_time() - began
print("\\n" + json.dumps([seconds, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def loads(workspace: Workspace) -> str:
    """Look for errors from loading the plugin."""
    plugin = workspace.item.plugin
    if plugin.errors:
        rest = f" (and {len(plugin.errors) - 1} more)" if len(plugin.errors) > 1 else ""
        raise Problem(
            plugin.errors[0] + rest, "`zoo plugins` shows all errors; ZOO_STRICT=1 with --debug shows the traceback."
        )
    return f"it implements {', '.join(plugin.hooks)}"


def cheap(workspace: Workspace) -> str:
    """Import it in a new process."""
    plugin = workspace.item.plugin
    module = workspace.registry.module_name(plugin)
    if not module:
        raise NotChecked("it is not a module that can be imported")
    command = python_command("-c", _IMPORT, module)
    done = subprocess.run(command, env=python_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Problem(f"its import fails in a new process: {last}", f"Try `python -c 'import {module}'`.")
    seconds, modules = json.loads(done.stdout.splitlines()[-1])
    heavy = [name for name in HEAVY if name in modules]
    if heavy:
        raise Problem(
            f"importing {module} imports {', '.join(heavy)}, and every zoo command imports {module}",
            'Import it in the function that needs it, or refer to that function as "package.module:name".',
        )
    if seconds > SLOW_IMPORT:
        raise Problem(f"importing {module} takes {seconds:.1f} s of processor time", "Do less at import.")
    return f"{1000 * seconds:.0f} ms, no heavy package"


def global_state(workspace: Workspace) -> str:
    """Load it alone in a new process, and compare what all code of a process shares."""
    plugin = workspace.item.plugin
    module = workspace.registry.module_name(plugin)
    if not module:
        raise NotChecked("it is not a module that can be imported")
    value = module if plugin.distribution == FILE else plugin.value
    faults, _ = load_alone(EntryPoint(plugin.distribution, plugin.version, plugin.name, value))
    if faults:
        raise Problem(
            f"loaded alone, it {'; '.join(faults)}",
            "Leave other packages and the process as they are: put what you need into a function of the plugin.",
        )
    return "it changes nothing outside itself"


def references(workspace: Workspace) -> str:
    """Import every import string."""
    registry, plugin = workspace.registry, workspace.item.plugin
    count = 0
    for spec in [spec for spec, owner in registry.declared() if owner is plugin]:
        for field, reference in spec.references:
            problem = missing(reference, registry.module_name(plugin))
            if problem:
                raise Problem(f"{spec.name}: {field} {problem}", "Correct the import string or the module.")
            resolve_reference(reference)
            count += 1
    return f"{count} found" if count else "it has no import strings"


def family(workspace: Workspace) -> str:
    """Look up the sample names, and a name that does not exist."""
    registry, plugin = workspace.registry, workspace.item.plugin
    if "find_architecture" not in plugin.hooks:
        return "it implements no find_architecture"
    remedy = "Return None for a name that it does not know, and an Architecture with that name for others."
    before = len(plugin.errors)
    with contextlib.suppress(UnknownName):
        registry.architecture(UNKNOWN)
        raise Problem(f"find_architecture knows {UNKNOWN!r}", remedy)
    names = sample_architectures(registry, plugin)
    unknown = []
    for name in names:
        try:
            registry.architecture(name)
        except UnknownName:
            unknown.append(name)
    if len(plugin.errors) > before:
        raise Problem(plugin.errors[before], remedy)
    if unknown:
        raise Problem(f"find_architecture does not know {unknown[0]!r}, one of its samples", "Correct one of the two.")
    if not names:
        raise NotChecked("implement the hook sample_architectures to have some of its architectures checked")
    return f"{len(names)} samples: {', '.join(names)}"


def package(workspace: Workspace) -> str:
    """Look for the zoo among the dependencies of its package."""
    plugin = workspace.item.plugin
    if plugin.builtin or plugin.distribution == FILE:
        return "it is not a separate package"
    from importlib import metadata

    from ..registry.entry_points import zoo_required

    try:
        requires = metadata.distribution(plugin.distribution).requires or []
    except metadata.PackageNotFoundError:
        raise NotChecked(f"{plugin.distribution} is not installed as a package") from None
    versions = zoo_required(requires)
    if not versions:
        raise Problem(
            f"{plugin.distribution} does not depend on {DISTRIBUTION}, or sets no lower bound for its version",
            f'Add "{DISTRIBUTION}>=0.1" to its dependencies, and install it again.',
        )
    return f"it depends on {DISTRIBUTION} {versions}"
