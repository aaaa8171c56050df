"""The plots of the documentation are of today's results and recipes; see docs/pictures.py."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "docs" / "pictures.py"


@pytest.fixture(scope="module")
def pictures():
    return runpy.run_path(str(SCRIPT))


def test_the_pictures_are_up_to_date():
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def change_accuracy(recorded):
    recorded["compare"]["lenet"]["accuracy"][0] += 0.001


def change_recipe(recorded):
    recorded["googlenet-mini"]["recipe"]["epochs"] += 1


def change_finder(recorded):
    recorded["find-lr"]["finder"]["STEPS"] += 1


def leave_out_a_network(recorded):
    del recorded["compare"]["cnn-mini"]


@pytest.mark.parametrize(
    ("change", "picture"),
    [
        (change_accuracy, "compare"),
        (leave_out_a_network, "compare"),
        (change_recipe, "googlenet-mini"),
        (change_finder, "find-lr"),
    ],
)
def test_other_numbers_make_a_picture_stale(pictures, change, picture):
    recorded = json.loads(pictures["NUMBERS"].read_text())
    change(recorded)
    (line,) = pictures["stale"](recorded)
    assert f"docs/images/{picture}.png is out of date" in line
    assert f"python docs/pictures.py {picture}" in line


def test_a_picture_without_numbers_is_stale(pictures):
    assert len(pictures["stale"]({})) == 3
