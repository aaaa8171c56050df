"""The conformance suite on a command."""

from __future__ import annotations

import ast
import subprocess
import sys

from .check import Bench, Problem
from .plugin import HEAVY

_HELP = (
    "import sys, cli\n"
    "try:\n    cli.main([sys.argv[1], '--help'])\n"
    "finally:\n    print('MODULES', sorted({m.partition('.')[0] for m in sys.modules}), file=sys.stderr)"
)


def help(bench: Bench) -> str:
    """A line on what it does, and one that shows how."""
    name = bench.subject.name
    text, _ = _asked(bench)
    explained = text.partition("\n\n")[2].split("Options:")[0].strip()
    if not explained:
        raise Problem(f"`zoo {name} --help` does not say what it does", "Write a docstring for the function.")
    if f"zoo {name}" not in explained:
        raise Problem(
            f"`zoo {name} --help` shows no example",
            f"End the docstring with a line \\b and a line `zoo {name} …` under it.",
        )
    return explained.splitlines()[0].strip()


def cheap(bench: Bench) -> str:
    """What its help imports, in a process of its own."""
    _, modules = _asked(bench)
    heavy = [name for name in HEAVY if name in modules]
    if heavy:
        raise Problem(
            f"`zoo {bench.subject.name} --help` imports {', '.join(heavy)}", "Import it inside the command's function."
        )
    return "nothing heavy"


def _asked(bench: Bench) -> tuple[str, list[str]]:
    if "help" not in bench.made:
        command = [sys.executable, "-c", _HELP, bench.subject.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        told, _, modules = done.stderr.rpartition("MODULES ")
        if done.returncode:
            last = (told.strip().splitlines() or ["no reason given"])[-1]
            raise Problem(f"`zoo {bench.subject.name} --help` fails: {last}", "Run it with --debug.")
        bench.made["help"] = (done.stdout, ast.literal_eval(modules))
    text, imported = bench.made["help"]
    return text, imported
