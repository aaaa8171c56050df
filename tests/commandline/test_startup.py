"""Thirty installed plugins are found and isolated, and start-up is nearly as fast as without them."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def benchmark():
    spec = importlib.util.spec_from_file_location("startup", ROOT / "benchmarks" / "startup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def thirty(tmp_path_factory):
    """A folder with thirty installed plugins."""
    folder = tmp_path_factory.mktemp("site")
    benchmark().install_plugins(folder, 30)
    return folder


def zoo(*arguments, path, **environment):
    command = [sys.executable, "-m", "zoo", *arguments]
    environment = os.environ | {"PYTHONPATH": str(path)} | environment
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_thirty_installed_plugins_are_found_without_heavy_imports(thirty):
    done = zoo("--trace-plugins", "list", "--json", path=thirty)
    names = {facts["name"] for facts in json.loads(done.stdout)}
    assert {f"benchmark-net-{number}" for number in range(30)} <= names
    assert len([line for line in done.stderr.splitlines() if "benchmark-plugin-" in line and "import" in line]) == 30
    assert "Note" not in done.stderr


def test_one_broken_plugin_among_many_is_one_line_and_one_row(tmp_path):
    benchmark().install_plugins(tmp_path, 3)
    (tmp_path / "benchmark_plugin_1" / "__init__.py").write_text("raise SystemExit('no')")
    done = zoo("plugins", "--json", path=tmp_path)
    assert done.returncode == 0
    states = {fact["name"]: fact["status"] for fact in json.loads(done.stdout)}
    assert [states[f"benchmark-net-{number}"] for number in range(3)] == ["loaded", "failed", "loaded"]
    assert done.stderr == "Note: plugin benchmark-net-1 (benchmark-plugin-1 1.0): SystemExit: no\n"
    strict = zoo("list", path=tmp_path, ZOO_STRICT="1")
    assert strict.returncode == 1
    assert "benchmark-plugin-1" in strict.stderr
    without = zoo("plugins", path=tmp_path, ZOO_STRICT="1", ZOO_BLOCK_PLUGINS="benchmark_plugin_1")
    assert without.returncode == 0
    assert "blocked" in without.stdout


@pytest.mark.slow
def test_start_up_with_thirty_plugins_is_nearly_as_fast_as_with_none(thirty):
    ratio = benchmark().plugins_ratio(thirty, runs=9)
    assert ratio < 2.5
