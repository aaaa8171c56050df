"""Try faults at every file operation of real commands, and print how many were tried, with what outcome.

    python benchmarks/faults.py [KIND[:COMMAND[:STEP]] …]

KIND is one of these, COMMAND one of its commands; by default all. Every STEP-th operation is tried, by default each.

kill       SIGKILL at the operation: the files are old, new, or completed by the next command
full       from the operation on, nothing can be created, written or renamed
limit      files cannot grow above a size: the fault comes in the middle of a write
read-only  from the operation on, nothing can be changed
vanish     before the operation, somebody deletes the folder

Any broken rule ends the script with an error. tests/fault_commands.py says what the rules are; tests/test_full_disk.py
tries a few operations in the normal suite.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KINDS = {
    "kill": ("export", "int8", "pt2", "bundle", "report"),
    "full": ("train", "export", "bundle", "report", "demo", "eval"),
    "limit": ("train", "export", "pt2", "bundle", "report", "demo", "eval"),
    "read-only": ("train", "export", "report", "demo"),
    "vanish": ("train", "export", "report", "demo"),
}
ROOT = Path(__file__).parents[1]


def main() -> None:
    """Run the chosen kinds with all their commands."""
    for argument in sys.argv[1:] or KINDS:
        kind, chosen, step = [*argument.split(":"), "", ""][:3]
        for name in [chosen] if chosen else KINDS[kind]:
            begun = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                script = str(ROOT / "tests" / "fault_commands.py")
                command = [sys.executable, script, folder, f"{kind}:{name}:{step or 1}"]
                done = subprocess.run(command, capture_output=True, text=True, env=_environment())
            if done.returncode:
                raise SystemExit(f"{kind} {name}: {done.stdout[-1000:]}{done.stderr[-3000:]}")
            print(f"{kind} {name}: {done.stdout.splitlines()[-1]} in {time.monotonic() - begun:.0f} s", flush=True)


def _environment() -> dict[str, str]:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}


if __name__ == "__main__":
    main()
