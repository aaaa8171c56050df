"""A disk that is full, a folder that is read-only or vanishes, a kill: real commands at some of their file operations.

``benchmarks/faults.py`` tries every operation of every command.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
ROOT = Path(__file__).parents[1]


FEW = ("full:train:25", "vanish:train:40", "full:demo:12", "limit:demo:4")


def run(folder, *campaigns):
    """The counts of campaigns, by their name."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, Path(__file__).with_name("fault_commands.py"), folder, *campaigns]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_a_fault_is_one_line_and_the_earlier_files_are_unharmed(tmp_path):
    counts = run(tmp_path, *FEW)
    assert list(counts) == list(FEW)
    assert all(found["one line, exit code 1"] for found in counts.values())


@pytest.mark.campaign
@pytest.mark.parametrize("command", ["export", "bundle", "report"])
def test_a_kill_at_any_operation_leaves_old_or_new_or_repairable_files(command, tmp_path):
    (counts,) = run(tmp_path, f"kill:{command}:1").values()
    assert counts["old"] > 5 < counts["repaired"]
