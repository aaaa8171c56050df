"""A plugin is loaded in a process of its own: what ends the process, hangs or changes global state is named."""

import json
import os
import subprocess
import sys

import pytest

import zoo
from zoo.conformance.isolation import load_alone, load_isolated
from zoo.registry.entry_points import find_entry_points


def faults_of(point, seconds=30):
    return load_alone(point, seconds)[0]


LISTENER = "\n@zoo.hookimpl\ndef epoch_ended(run):\n    pass\n"

FAULTS = {
    "import os; os._exit(3)": ["its import ends the process (exit code 3)"],
    "import os; os.kill(os.getpid(), 9)": ["its import ends the process (signal SIGKILL)"],
    "raise KeyboardInterrupt": ["PluginRaised: KeyboardInterrupt without a Ctrl-C"],
    "import click, builtins; click.Command.invoke = click.echo = print; builtins.ascii = builtins.helper = len": [
        "replaces builtins.ascii",
        "replaces click.echo",
        "replaces click.core.Command.invoke",
        "adds builtins.helper",
    ],
    "import pluggy; pluggy.PluginManager.unblock = zoo.Option = dict; zoo.Plugin.status = len": [
        "replaces pluggy._manager.PluginManager.unblock",
        "replaces zoo.Option",
        "replaces zoo.registry.plugin.Plugin.status",
    ],
    "import os, signal; os.chdir(os.sep); os.environ['NEW'] = '7'; signal.signal(signal.SIGTERM, signal.SIG_IGN)": [
        "changes the environment variable NEW",
        "changes the handler of SIGTERM",
        "changes the working directory",
    ],
    "import warnings; warnings.simplefilter('ignore')": ["changes the filters of warnings"],
    "import logging, random, sys; logging.basicConfig(); random.seed(1); sys.excepthook = print": [
        "changes sys.excepthook",
        "changes the handlers of the root logger",
        "changes the state of random",
    ],
}


@pytest.mark.parametrize("source", FAULTS)
def test_a_fault_of_a_plugin_is_named(add_plugin, source):
    point = add_plugin("theirs", source.replace("; ", "\n") + LISTENER)
    assert sorted(faults_of(point)) == sorted(FAULTS[source])


def test_a_sound_plugin_has_no_fault(add_plugin):
    assert faults_of(add_plugin("theirs", LISTENER)) == []


def test_the_built_in_plugins_change_nothing():
    points = [point for point in find_entry_points() if point.name in ("resnet-mini", "onnx", "torchvision-models")]
    assert [(plugin.name, plugin.faults) for plugin in load_isolated(points)] == [(point.name, ()) for point in points]


def test_a_fault_in_a_hook_is_named(add_plugin):
    source = "@zoo.hookimpl\ndef register_architectures(register):\n    {body}\n"
    ends = add_plugin("ends", source.format(body="import os; os.kill(os.getpid(), 9)"))
    patches = add_plugin("patches", source.format(body="import click; click.echo = print"))
    assert faults_of(ends) == ["one of its hooks ends the process (signal SIGKILL)"]
    assert faults_of(patches) == ["replaces click.echo"]


def test_a_plugin_that_does_not_end_is_named(add_plugin, monkeypatch):
    monkeypatch.setenv("ZOO_PLUGIN_TIMEOUT", "6")
    hangs = add_plugin("hangs", "import time; time.sleep(100)")
    stays = add_plugin("stays", "import threading, time; threading.Thread(target=time.sleep, args=(100,)).start()")
    found = [plugin.faults for plugin in load_isolated([hangs, stays])]
    assert found == [("its import takes more than 6 s",), ("its end takes more than 6 s",)]


def test_many_changes_are_five_and_a_count(add_plugin):
    source = "import click\nfor name in ('echo', 'style', 'secho', 'prompt', 'confirm', 'edit', 'launch'):\n"
    faults = faults_of(add_plugin("theirs", source + "    setattr(click, name, print)" + LISTENER))
    assert len(faults) == 6
    assert faults[-1] == "changes 2 more things"


@pytest.mark.slow
def test_a_replaced_function_of_torch_is_named(add_plugin):
    source = "import torch\ntorch.nn.Linear.forward = lambda self, inputs: inputs\n"
    assert faults_of(add_plugin("theirs", source + LISTENER), 120) == ["replaces torch.nn.Linear.forward"]
    assert faults_of(add_plugin("sound", "import torch" + LISTENER), 120) == []


@pytest.mark.parametrize("status", [0, 3])
def test_a_plugin_that_calls_os_exit_is_one_line_and_the_others_work(add_plugin, status):
    real = os._exit
    bad = add_plugin("bad", f"import os; os._exit({status})")
    registry = zoo.create_registry([bad, add_plugin("good", LISTENER, distribution="zz-good")])
    assert [plugin.status for plugin in registry.plugins] == ["failed", "loaded"]
    assert registry.plugins[0].errors == [f"PluginRaised: it calls os._exit({status}), which ends the whole command"]
    assert os._exit is real


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_that_a_plugin_forks_can_end(add_plugin):
    source = "import os\npid = os.fork()\nif not pid:\n    os._exit(5)\n"
    source += "assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5\n"
    registry = zoo.create_registry([add_plugin("forks", source + LISTENER)])
    assert registry.plugins[0].errors == []


def test_the_command_names_the_plugin_and_fails(tmp_path):
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "bad.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    (folder / "good.py").write_text("import zoo\n" + LISTENER)
    command = [sys.executable, "-m", "zoo", "--plugins-dir", str(folder), "plugins", "--isolated"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    rows = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert "its import ends the process (signal SIGKILL)" in rows["bad"]
    assert " ok " in rows["good"]
    facts = json.loads(subprocess.run([*command, "--json"], capture_output=True, text=True).stdout)
    assert [(fact["name"], fact["status"]) for fact in facts] == [("bad", "failed"), ("good", "ok")]
    (folder / "bad.py").unlink()
    assert subprocess.run(command, capture_output=True).returncode == 0


def test_without_plugins_of_others_the_command_says_so(zoo_command):
    result = zoo_command("plugins", "--isolated")
    assert (result.code, result.out) == (0, "")
    assert "No plugin is installed except the built-in ones." in result.err


def test_a_check_notices_replaced_functions(add_plugin):
    registry = zoo.create_registry([add_plugin("theirs", "import click; click.Command.epilog = len" + LISTENER)])
    results = {result.check: result for result in zoo.check("theirs", registry=registry)}
    assert results["global-state"].status == "passed"  # a new attribute harms nobody
    del __import__("click").Command.epilog
    point = add_plugin("others", "import random; random.seed(3)" + LISTENER)
    results = {result.check: result for result in zoo.check("others", registry=zoo.create_registry([point]))}
    assert results["global-state"].status == "failed"
    assert results["global-state"].reason == "loaded alone, it changes the state of random"
    assert results["global-state"].remedy
