"""A plugin that does anything wrong is reported in one line that names it; the other plugins work."""

import os
import re
import signal
from pathlib import Path

import pytest

import zoo
from zoo.formatting import printable
from zoo.registry.declared import check_declared
from zoo.registry.entry_points import EntryPoint, find_entry_points
from zoo.registry.hook_calls import plugin_code

ARCHITECTURE = """
@zoo.hookimpl
def register_architectures(register):
    fields = dict(
        name="their-net", summary="a net", task="classification", builder=print, dataset="mnist", parameters=1
    )
    register(zoo.Architecture(**(fields | dict({changes}))))
"""
DATASET = """
@zoo.hookimpl
def register_datasets(register):
    fields = dict(
        name="their-data", summary="data", task="classification", loader=print, input_shape=(1, 2, 2), num_outputs=2
    )
    register(zoo.Dataset(**(fields | dict({changes}))))
"""
EVIL = """
class Evil:
    def __repr__(self):
        raise ValueError("no repr")
    __str__ = __repr__
    def __getattr__(self, name):
        raise RuntimeError("no attribute")
"""
HOOK = EVIL + "@zoo.hookimpl\ndef {hook}:\n    {body}\n"


@pytest.fixture
def load(add_plugin, capsys):
    """A function that loads a plugin from its source, with a sound one, and returns its record and the registry."""

    def run(source):
        bad = add_plugin("bad", source)
        good = add_plugin("good", ARCHITECTURE.format(changes="name='good-net'"), distribution="zz-good")
        registry = zoo.create_registry([*find_entry_points(), bad, good])
        registry.commands(())
        check_declared(registry)
        for spec in registry.architectures.values():
            zoo.architecture_facts(registry, spec)
        for spec in registry.datasets.values():
            zoo.dataset_facts(registry, spec, zoo.data_folder())
        assert "good-net" in registry.architectures
        assert capsys.readouterr().out == ""
        (plugin,) = [plugin for plugin in registry.plugins if plugin.name == "bad"]
        return plugin, registry

    return run


WRONG_ARCHITECTURE = {
    "name": ["None", "1", "'A'", "'a\\nError: b'", "'a' * 1000", "'\\x1b[31m'", "'../a'"],
    "summary": ["None", "''", "'a\\nb'", "'\\x1b[31m'", "'x' * 10**6", "'\\u202e'"],
    "task": ["None", "'other'", "[]", "'x' * 10**6"],
    "builder": ["None", "1", "'module'", "''", "'a:b' * 10**5"],
    "dataset": ["None", "3"],
    "parameters": ["None", "-1", "1.5", "10**5000", "True", "float('nan')"],
    "hyperparameters": ["None", "[]", "{'lr': None}", "{1: 2}", "{'nix': 1}", "{'epochs': 10**5000}", "{'lr': 1e999}"],
    "options": ["None", "[1]", "(1,)", "(zoo.Option(name='a', default=1),) * 2", "(zoo.Option(name='lr', default=1),)"],
    "image_size": ["None", "-1"],
    "weights": ["'x'", "1"],
    "results": ["'x'", "1"],
    "origins": ["None", "{1: print}", "{'a': None}", "{'a': 'b'}"],
    "tags": ["None", "'abc'", "(1,)", "(tag for tag in 'ab')"],
    "source": ["None", "1"],
    "docs": ["None", "1", "'a\\nb'", "'\\x1b[31m'", "'x' * 10**6"],
    "nix": ["1"],
}
WRONG_DATASET = {
    "loader": ["None", "'x'"],
    "input_shape": ["None", "()", "(0, 1)", "(1, -2)", "('a',)", "(10**5000,)", "[1]"],
    "num_outputs": ["None", "0", "10**5000"],
    "labels": ["None", "('a',)", "(1, 2)"],
    "columns": ["None", "(1,)", "(zoo.Column(name='x', values=('a',)),)"],
    "sizes": ["None", "{'train': None}", "{'train': -1}", "{'train': 10**5000}", "{1: 1}"],
    "files": ["None", "'ab'", "(1,)"],
    "fingerprint": ["None"],
    "stand_in": ["1"],
    "trials": ["None", "(1,)", "({1: 2},)"],
}


@pytest.mark.parametrize(
    ("template", "field", "value"),
    [(ARCHITECTURE, field, value) for field, values in WRONG_ARCHITECTURE.items() for value in values]
    + [(DATASET, field, value) for field, values in WRONG_DATASET.items() for value in values],
    ids=lambda value: None if "hookimpl" in value else value[:40],
)
def test_a_wrong_field_of_a_declaration_is_one_line(load, template, field, value):
    plugin, registry = load(template.format(changes=f"{field}={value}"))
    assert plugin.status == "partial"
    (problem,) = plugin.errors
    assert printable(problem) == problem
    assert len(problem) < 700
    assert registry.architectures.keys() >= {"resnet-mini", "good-net"}


@pytest.mark.parametrize(
    "fields",
    [
        "default=None",
        "default=()",
        "default=10**5000",
        "default=1, minimum='a'",
        "default=1, choices=('a',)",
        "default=1, choices=(10**5000,)",
        "default=1, choices=None",
        "default=1.0, above=float('nan')",
        "default=1, help=None",
        "default=Evil()",
    ],
)
def test_a_wrong_option_is_one_line(load, fields):
    plugin, _ = load(EVIL + ARCHITECTURE.format(changes=f"options=(zoo.Option(name='width', {fields}),)"))
    (problem,) = plugin.errors
    assert printable(problem) == problem
    assert len(problem) < 700


@pytest.mark.parametrize(
    "body",
    [
        "register(None)",
        "register(1)",
        "register(register)",
        "register(Evil())",
        "register([x for x in [[]] if not x.append(x)][0])",
        "register('x\\nError: forged \\x1b[31m')",
        "raise SystemExit(3)",
        "raise KeyboardInterrupt",
        "raise GeneratorExit",
        "raise BaseException('x' * 10**6)",
        "raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})()",
        "raise ValueError('a\\nError: forged \\x1b[31m')",
        "yield 1",
        "return [1]",
        "print('x'); raise ValueError",
        "def f(): f()\n    f()",
        "import sys; sys.exit('bye')",
    ],
)
@pytest.mark.parametrize("hook", ["register_architectures", "register_datasets", "register_exporters"])
def test_a_hook_that_does_anything_wrong_is_one_line(load, hook, body):
    plugin, _ = load(HOOK.format(hook=f"{hook}(register)", body=body))
    (problem,) = plugin.errors
    assert printable(problem) == problem
    assert len(problem) < 700


@pytest.mark.parametrize(
    "body",
    [
        "return Evil()",
        "return 1",
        "raise KeyboardInterrupt",
        "raise SystemExit",
        "return zoo.Architecture",
        "print(1); return 'x'",
        "yield",
    ],
)
def test_a_wrong_answer_to_a_search_is_one_line(load, body):
    plugin, registry = load(HOOK.format(hook="find_architecture(name)", body=body))
    with pytest.raises(zoo.UnknownName):
        registry.architecture("nothing")
    (problem,) = plugin.errors
    assert printable(problem) == problem


@pytest.mark.parametrize(
    "body",
    [
        "cli.add_command(None)",
        "cli.commands['x'] = 5",
        "cli.commands['a b'] = __import__('click').Command('a b')",
        "cli.commands['\\x1b[31m'] = __import__('click').Command('x')",
        "cli.commands[5] = __import__('click').Command('x')",
        "raise KeyboardInterrupt",
        "raise SystemExit",
    ],
)
def test_a_wrong_command_is_one_line(load, body, zoo_command):
    plugin, registry = load(HOOK.format(hook="register_commands(cli)", body=body))
    (problem,) = plugin.errors
    assert printable(problem) == problem
    assert zoo_command("--help", registry=registry).code == 0
    assert zoo_command("plugins", registry=registry).code == 0


@pytest.mark.parametrize(
    "source",
    [
        "raise KeyboardInterrupt",
        "raise SystemExit(0)",
        "import sys; sys.exit()",
        "raise BaseException",
        "print('noise'); 1 / 0",
        "x = (",
        "zoo_plugin_api = 2",
        "zoo_plugin_api = 10**5000",
        "zoo_plugin_api = None",
        EVIL + "zoo_plugin_api = Evil()",
        "zoo_plugin_api = '\\x1b'",
        "",
    ],
)
def test_an_import_that_fails_in_any_way_is_one_line(load, source):
    plugin, _ = load(source)
    assert plugin.status == "failed"
    (problem,) = plugin.errors
    assert printable(problem) == problem


def test_ctrl_c_during_an_import_is_no_fault_of_the_plugin():
    with pytest.raises(KeyboardInterrupt), plugin_code():
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1_000_000):
            pass


def test_a_plugin_with_an_odd_name_is_listed(zoo_command):
    point = EntryPoint("odd\x1b[31m", "1\n2", "x\nError: forged", "no_such_module")
    registry = zoo.create_registry([*find_entry_points(), point])
    result = zoo_command("plugins", registry=registry)
    assert r"odd\x1b[31m" in result.out
    assert "\x1b" not in result.out + result.err
    assert not [line for line in result.err.splitlines() if line.startswith("Error")]


def test_an_unreadable_plugin_file_is_reported(tmp_path, monkeypatch):
    folder = tmp_path / "plugins"
    folder.mkdir()
    os.mkfifo(folder / "pipe.py")
    (folder / "gone.py").symlink_to("nowhere.py")
    (folder / os.fsdecode(b"odd\xff.py")).write_text("")
    monkeypatch.setenv("ZOO_PLUGINS_DIR", str(folder))
    registry = zoo.create_registry()
    assert [plugin.status for plugin in registry.plugins if plugin.distribution == "file"] == ["failed"]
    monkeypatch.setenv("ZOO_PLUGINS_DIR", "~nosuchuser/plugins")
    assert [plugin.status for plugin in zoo.create_registry().plugins if plugin.distribution == "file"] == ["failed"]


SLOW = """
import time
for _ in range(600):
    try:
        time.sleep(0.1)
    except Exception:
        pass
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
@pytest.mark.parametrize(
    ("source", "error"),
    [
        (SLOW, r"ImportTimeout: the import takes more than 1 s \(ZOO_PLUGIN_TIMEOUT\), so it is left out"),
        # it catches everything, unless the time is over between two of its `try`
        (SLOW.replace("600", "16").replace("Exception", "BaseException"), r"adds nothing|ImportTimeout"),
    ],
    ids=["sleeps", "catches all"],
)
def test_an_import_over_the_time_limit_is_left_out(add_plugin, monkeypatch, source, error):
    monkeypatch.setenv("ZOO_PLUGIN_TIMEOUT", "1")  # the good plugin needs less, on a busy machine too
    before = signal.getsignal(signal.SIGALRM)
    good = add_plugin("good", ARCHITECTURE.format(changes=""), distribution="zz-good")
    registry = zoo.create_registry([add_plugin("slow", source), good])
    assert [plugin.status for plugin in registry.plugins] == ["failed", "loaded"]
    assert re.search(error, registry.plugins[0].errors[0])
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf"])
def test_a_time_limit_that_is_no_number_is_refused(monkeypatch, text):
    monkeypatch.setenv("ZOO_PLUGIN_TIMEOUT", text)
    with pytest.raises(zoo.UsageError, match="ZOO_PLUGIN_TIMEOUT must be a number of seconds above 0"):
        zoo.create_registry([])


SCRIPT = """
import subprocess, sys
with open("imports", "a") as file:
    file.write("x")
command = [sys.executable, "-m", "zoo", "plugins"]
print(subprocess.run(command, capture_output=True, text=True, timeout=60).stdout)
"""


def test_a_script_that_starts_zoo_in_the_folder_of_plugins_starts_it_once(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "sweep.py").write_text(SCRIPT)
    monkeypatch.setenv("ZOO_PLUGINS_DIR", str(folder))
    zoo.create_registry()
    assert Path("imports").read_text() == "x"
    assert "starts this command while it is imported, so it is left out here" in capsys.readouterr().err
    assert "ZOO_IMPORTING" not in os.environ
