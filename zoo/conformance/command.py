"""Checks of a command: its help."""

from __future__ import annotations

import ast
import subprocess

from ..interpreter import python_command, python_environment
from .check import Problem, Workspace
from .plugin import HEAVY

_SCRIPT = (
    "import sys, cli\n"
    "try:\n    cli.main([sys.argv[1], '--help'])\n"
    "finally:\n    print('MODULES', sorted({m.partition('.')[0] for m in sys.modules}), file=sys.stderr)"
)


def help(workspace: Workspace) -> str:
    """Look for a description and an example in its help."""
    name = workspace.item.name
    text, _ = _help(workspace)
    description = text.partition("\n\n")[2].split("Options:")[0].strip()
    if not description:
        raise Problem(f"`zoo {name} --help` has no description", "Write a docstring for the function.")
    if f"zoo {name}" not in description:
        raise Problem(
            f"`zoo {name} --help` shows no example",
            f"End the docstring with a line \\b and below it a line `zoo {name} …`.",
        )
    return description.splitlines()[0].strip()


def cheap(workspace: Workspace) -> str:
    """List the modules that its help imports, in a new process."""
    _, modules = _help(workspace)
    heavy = [name for name in HEAVY if name in modules]
    if heavy:
        raise Problem(
            f"`zoo {workspace.item.name} --help` imports {', '.join(heavy)}",
            "Import it in the function of the command.",
        )
    return "no heavy package"


def _help(workspace: Workspace) -> tuple[str, list[str]]:
    """Its help and the modules that it imports, once for all checks."""
    if "help" not in workspace.cache:
        command = python_command("-c", _SCRIPT, workspace.item.name)
        done = subprocess.run(command, env=python_environment(), capture_output=True, text=True, check=False)
        errors, ended, modules = done.stderr.rpartition("MODULES ")
        if not ended:  # the process crashed
            errors = done.stderr
        if done.returncode:
            last = (errors.strip().splitlines() or ["no reason given"])[-1]
            raise Problem(f"`zoo {workspace.item.name} --help` fails: {last}", "Run it with --debug for the traceback.")
        workspace.cache["help"] = (done.stdout, ast.literal_eval(modules))
    text, imported = workspace.cache["help"]
    return text, imported
