"""The conformance suite on a plugin as a whole: its import and its package."""

from __future__ import annotations

import json
import subprocess
import sys

from ..registry.loading import SLOW_IMPORT
from ..registry.plugin import DISTRIBUTION, FILE
from ..registry.references import missing
from ..specs.specs import references_of, resolve_reference
from .check import Bench, NotChecked, Problem

HEAVY = ("torch", "torchvision", "tensorflow", "jax", "onnx", "onnxruntime", "sklearn", "matplotlib", "pandas", "numpy")

# processor time, so that a busy machine slows nobody's verdict; pluggy and the zoo's declarations are there already
_IMPORT = """
import importlib, json, sys, time
import zoo
zoo.Architecture, zoo.hookimpl
sys.path.extend(json.loads(sys.argv[2]))
began = time.process_time()
importlib.import_module(sys.argv[1])
seconds = time.process_time() - began
print("\\n" + json.dumps([seconds, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def loads(bench: Bench) -> str:
    """It was loaded, and nothing of it was refused."""
    plugin = bench.subject.plugin
    if plugin.errors:
        rest = f" (and {len(plugin.errors) - 1} more)" if len(plugin.errors) > 1 else ""
        raise Problem(plugin.errors[0] + rest, "`zoo plugins` shows every error; ZOO_STRICT=1 with --debug, where.")
    return f"it implements {', '.join(plugin.hooks)}"


def cheap(bench: Bench) -> str:
    """Its import, in a process of its own."""
    plugin = bench.subject.plugin
    module = bench.registry.module_name(plugin)
    if not module:
        raise NotChecked("it is no module that could be imported anew")
    command = [sys.executable, "-c", _IMPORT, module, json.dumps(sys.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise Problem(f"its import fails in a new process: {last}", f"Try `python -c 'import {module}'`.")
    seconds, modules = json.loads(done.stdout.splitlines()[-1])
    heavy = [name for name in HEAVY if name in modules]
    if heavy:
        raise Problem(
            f"importing {module} imports {', '.join(heavy)}, so every zoo command does",
            'Import it inside the function that needs it, or name that function by "package.module:name".',
        )
    if seconds > SLOW_IMPORT:
        raise Problem(f"importing {module} takes {seconds:.1f} s of processor time", "Do less at import.")
    return f"{1000 * seconds:.0f} ms, nothing heavy"


def references(bench: Bench) -> str:
    """Every import string, imported."""
    registry, plugin = bench.registry, bench.subject.plugin
    count = 0
    for spec in [spec for spec, owner in registry.declared() if owner is plugin]:
        for field, reference in references_of(spec):
            told = missing(reference, registry.module_name(plugin))
            if told:
                raise Problem(f"{spec.name}: {field} {told}", "Mend the import string, or the module that it names.")
            resolve_reference(reference)
            count += 1
    return f"{count} found" if count else "it names none"


def package(bench: Bench) -> str:
    """Its distribution requires the zoo, with a lower bound."""
    plugin = bench.subject.plugin
    if plugin.builtin or plugin.distribution == FILE:
        return "it is no package of its own"
    from importlib import metadata

    from ..registry.entry_points import zoo_required

    try:
        requires = metadata.distribution(plugin.distribution).requires or []
    except metadata.PackageNotFoundError:
        raise NotChecked(f"{plugin.distribution} is not installed as a package") from None
    versions = zoo_required(requires)
    if not versions:
        raise Problem(
            f"{plugin.distribution} does not say that it needs {DISTRIBUTION}, or from which version on",
            f'Put "{DISTRIBUTION}>=0.1" among its dependencies, and install it again.',
        )
    return f"it asks for {DISTRIBUTION} {versions}"
