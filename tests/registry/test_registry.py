"""Plugins: found, isolated, refused if names clash, and named if they fail."""

import dataclasses
import json
import re
import sys

import click
import pytest

import zoo
from zoo import EntryPoint, PluginError, Registry, UnknownName, create_registry
from zoo.registry.entry_points import find_entry_points
from zoo.registry.plugin_commands import sort_out
from zoo.specs.references import resolve_reference

ARCHITECTURE = """
@zoo.hookimpl
def register_architectures(register):
    register(zoo.Architecture(name={name!r}, summary="s", task="classification", builder="m:b", dataset="mnist",
                              parameters=1))
"""

DATASET = """
@zoo.hookimpl
def register_datasets(register):
    register(zoo.Dataset(name="dots", summary="s", task="classification", loader="m:load", input_shape=(2,),
                         num_outputs=2, labels=("a", "b")))
"""

BROKEN = {
    "import": ("import nothing_of_that_name", "ModuleNotFoundError"),
    "syntax": ("def broken(:", "SyntaxError"),
    "exit": ("raise SystemExit(3)", "SystemExit"),
    "hook": ("@zoo.hookimpl\ndef register_datasets(register):\n    1 / 0", "ZeroDivisionError"),
    "exit-in-hook": ("@zoo.hookimpl\ndef register_datasets(register):\n    raise SystemExit", "SystemExit"),
    "misspelled-hook": ("@zoo.hookimpl\ndef register_datsets(register):\n    pass", "register_datsets"),
    "wrong-argument": ("@zoo.hookimpl\ndef register_datasets(reg):\n    pass", "reg"),
    "wrong-type": ("@zoo.hookimpl\ndef register_datasets(register):\n    register('mnist')", "zoo.Dataset(...)"),
    "wrong-kind": (ARCHITECTURE.format(name="x").replace("architectures", "exporters"), "zoo.Exporter(...)"),
    "misspelled-field": (ARCHITECTURE.format(name="x").replace("summary", "sumary"), "sumary"),
    "panic": ("class Panic(BaseException): pass\nraise Panic('in an extension')", "Panic: in an extension"),
    "wrapper": ("@zoo.hookimpl(wrapper=True)\ndef train_ended(run):\n    yield", "nothing to wrap"),
    "no-hook": ("def helper():\n    pass", "adds nothing"),
    "forgotten-mark": (
        "def register_architectures(register):\n    pass\n@zoo.hookimpl\ndef train_ended(run):\n    pass",
        "register_architectures is not marked with @zoo.hookimpl",
    ),
    "newer-api": (ARCHITECTURE.format(name="x") + "zoo_plugin_api = 2", "pip install --upgrade pluggy-zoo"),
    "older-api": (ARCHITECTURE.format(name="x") + "zoo_plugin_api = 0", "was written for version 0 of the plugin API"),
    "missing-field": (
        ARCHITECTURE.format(name="x").replace("dataset='mnist',", "").replace('dataset="mnist",', ""),
        "the field 'dataset' is missing",
    ),
    "by-position": (
        "@zoo.hookimpl\ndef register_architectures(register):\n    register(zoo.Architecture('x', 's'))",
        "Architecture(name=…)",
    ),
    "text-for-number": (ARCHITECTURE.format(name="x").replace("=1)", "='1')"), "parameters must be a whole number"),
    "text-for-tuple": (ARCHITECTURE.format(name="x").replace("=1)", "=1, tags='image')"), "tags must be a tuple"),
    "list-for-tuple": (ARCHITECTURE.format(name="x").replace("=1)", "=1, options=[])"), "options must be a tuple"),
    "path-as-text": (
        ARCHITECTURE.format(name="x").replace("=1)", "=1, weights='w')"),
        "weights must be a pathlib.Path",
    ),
    "two-lines": (ARCHITECTURE.format(name="x").replace('"s"', '"a\\nb"'), "summary must be one line"),
    "option-field": (
        ARCHITECTURE.format(name="x").replace("=1)", "=1, options=(zoo.Option(name='w', defualt=3),))"),
        "Did you mean 'default'?",
    ),
    "bad-name": (ARCHITECTURE.format(name="No Name"), "lower-case"),
    "bad-builder": (ARCHITECTURE.format(name="x").replace("m:b", "m.b"), "package.module:name"),
    "bad-flag": (
        "@zoo.hookimpl\ndef register_exporters(register):\n"
        "    register(zoo.Exporter(name='json', summary='s', suffix='.x', write='m:w', check='m:c'))",
        "--json",
    ),
    "bad-task": (ARCHITECTURE.format(name="x").replace("classification", "clustering"), "clustering"),
    "bad-recipe": (
        ARCHITECTURE.format(name="x").replace("parameters=1", "parameters=1, hyperparameters={'epocs': 1}"),
        "epochs",
    ),
}


def with_plugins(*points: EntryPoint) -> Registry:
    return create_registry([*find_entry_points(), *points])


def plugin_named(registry, name):
    return next(plugin for plugin in registry.plugins if plugin.name == name)


def test_every_builtin_plugin_loads_without_errors(registry):
    assert registry.plugins
    assert {plugin.status for plugin in registry.plugins} == {"loaded"}
    assert all(plugin.builtin for plugin in registry.plugins)
    assert {"googlenet-mini", "resnet-mini"} <= registry.architectures.keys()
    assert {"mnist", "digits"} <= registry.datasets.keys()
    assert "onnx" in registry.exporters


def test_a_third_party_plugin_is_registered_like_a_builtin_one(add_plugin):
    registry = with_plugins(add_plugin("good", ARCHITECTURE.format(name="theirs")))
    assert registry.owner(registry.architecture("theirs")).distribution == "third-party"
    assert plugin_named(registry, "good").hooks == ["register_architectures"]


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_affects_no_other_plugin(kind, add_plugin, caplog):
    source, expected = BROKEN[kind]
    healthy = add_plugin("healthy", ARCHITECTURE.format(name="theirs"), distribution="zz-healthy")
    registry = with_plugins(add_plugin(kind, source), healthy)
    plugin = plugin_named(registry, kind)
    assert plugin.status in ("failed", "partial")
    assert expected in plugin.errors[0]
    assert {"resnet-mini", "theirs"} <= registry.architectures.keys()
    assert "x" not in registry.architectures
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 1
    assert "\n" not in messages[0]
    assert f"{kind} (third-party 1.0)" in messages[0]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("register_architecture", "register_architectures"), ("epoch_end", "epoch_ended"), ("summry", "summary")],
)
def test_a_misspelled_name_is_reported_with_the_closest_one(written, meant, add_plugin, caplog):
    source = ARCHITECTURE.format(name="x").replace(meant, written)
    if written == "epoch_end":
        source = "@zoo.hookimpl\ndef epoch_end(run, metrics):\n    pass"
    plugin = plugin_named(with_plugins(add_plugin("typo", source)), "typo")
    assert f"Did you mean '{meant}'?" in plugin.errors[0]
    assert len(caplog.records) == 1


BUILDERS = {
    "no-module": ("nothing_of_that_name:build", "there is no module 'nothing_of_that_name'"),
    "no-submodule": ("{home}.model:build", "there is no module"),
    "no-function": ("{home}:biuld", "Did you mean 'build'?"),
    "no-function-of-others": ("json.nothing:here", ""),
    "there": ("{home}:build", ""),
    "imported-there": ("{home}:Path", ""),
}


@pytest.mark.parametrize("kind", BUILDERS)
def test_a_missing_builder_is_a_row_in_zoo_plugins(kind, add_plugin, zoo_command):
    builder, expected = BUILDERS[kind]
    source = "from pathlib import Path\ndef build(input_shape, num_outputs):\n    pass\n"
    source += ARCHITECTURE.format(name="x").replace('"m:b"', f"{builder!r}.format(home=__name__)")
    registry = with_plugins(add_plugin("net", source))
    assert plugin_named(registry, "net").status == "loaded"  # declared well: what it names is looked up when asked for
    shown = zoo_command("plugins", registry=registry)
    assert shown.code == 0
    plugin = plugin_named(registry, "net")
    assert plugin.status == ("partial" if expected else "loaded")
    assert [expected in error for error in plugin.errors] == ([True] if expected else [])
    assert expected in shown.out
    assert "resnet-mini" in zoo_command("list", registry=registry).out


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("{home}:biuld", "has no 'biuld'. Did you mean 'build'?"),
        ("{home}_not:build", "ModuleNotFoundError"),
        ("{home}:SIZE", "is not callable"),
        ("{home}_broken:build", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_missing_builder_gives_one_line_when_used(reference, expected, add_plugin, tmp_path):
    home = add_plugin("home", "SIZE = 3\ndef build(input_shape, num_outputs):\n    pass").value
    (tmp_path / "third-party" / f"{home}_broken.py").write_text("1 / 0")
    with pytest.raises(PluginError, match=re.escape(expected)) as caught:
        resolve_reference(reference.format(home=home))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("requires", "loads"),
    [("", True), (">=0.1", True), (">=0.0.9,<1", True), (">=7", False), ("<0.1", False), (">=0.1,!=0.1.0", False),
     (">=0.1.0", True), ("~=0.1", True), ("of course", False)],
)  # fmt: skip
def test_a_package_made_for_another_zoo_is_not_imported(requires, loads, add_plugin):
    point = add_plugin("theirs", ARCHITECTURE.format(name="theirs"))
    plugin = plugin_named(with_plugins(dataclasses.replace(point, requires=requires)), "theirs")
    assert plugin.status == ("loaded" if loads else "failed")
    if not loads:
        assert requires in plugin.errors[0]
        assert point.value not in sys.modules


@pytest.mark.parametrize("package", ["jax", "tensorflow", "pandas"])
def test_a_slow_import_is_reported_with_its_time_and_heavy_packages(package, add_plugin, caplog, monkeypatch):
    monkeypatch.setattr("zoo.registry.loading.SLOW_IMPORT", 0.0)
    monkeypatch.setitem(sys.modules, package, sys)
    del sys.modules[package]  # what another test imported; it is put back after this one
    source = f"import sys\nsys.modules[{package!r}] = sys\n" + ARCHITECTURE.format(name="theirs")
    registry = with_plugins(add_plugin("slow", source))
    del sys.modules[package]
    (note,) = plugin_named(registry, "slow").notes
    assert re.match(rf"took \d+\.\d s to import, .* It imports {package}\.", note)
    assert [note in record.getMessage() for record in caplog.records] == [True]
    assert plugin_named(registry, "slow").status == "loaded"
    assert not plugin_named(registry, "resnet-mini").notes


def test_output_of_a_plugin_is_not_in_the_result(add_plugin, capsys):
    with_plugins(add_plugin("chatty", "print('hello')\n" + ARCHITECTURE.format(name="theirs")))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "hello\n"


def test_each_call_can_be_logged(add_plugin, monkeypatch, caplog):
    monkeypatch.setenv("ZOO_TRACE_PLUGINS", "1")
    source = ARCHITECTURE.format(name="theirs") + "@zoo.hookimpl\ndef train_ended(run):\n    1 / 0"
    registry = with_plugins(add_plugin("traced", source))
    registry.notify("train_ended", run=None)
    logged = [
        record.getMessage().split() for record in caplog.records if "traced (third-party 1.0)" in record.getMessage()
    ]
    assert [line[2] for line in logged] == ["import", "register_architectures", "train_ended"]
    assert all(line[-2:] == ["(third-party", "1.0)"] for line in logged[:-1])
    assert logged[-1][-4:] == ["ZeroDivisionError:", "division", "by", "zero"]


def test_without_tasks_and_kinds_of_input_nothing_is_judged_by_them(add_plugin):
    registry = create_registry([add_plugin("alone", ARCHITECTURE.format(name="alone") + DATASET)])
    assert list(registry.architectures) == ["alone"]
    assert list(registry.datasets) == ["dots"]
    assert not registry.plugins[0].errors


def test_the_size_of_shipped_weights_is_a_fact(registry):
    facts = zoo.architecture_facts(registry, registry.architectures["resnet-mini"])
    assert facts["weights"] == registry.architectures["resnet-mini"].shipped_weights.stat().st_size > 10_000


def test_errors_of_a_plugin_are_shown_completely_by_every_command(add_plugin, zoo_command):
    """One line on standard error is the log's; here: the row, and the JSON, of each broken plugin at once."""
    points = [add_plugin(kind, source, distribution=f"d-{kind}") for kind, (source, _) in BROKEN.items()]
    registry = with_plugins(*points)
    rows = zoo_command("plugins", registry=registry).out
    facts = {fact["name"]: fact for fact in json.loads(zoo_command("plugins", "--json", registry=registry).out)}
    for kind, (_, expected) in BROKEN.items():
        assert len(facts[kind]["errors"]) == 1
        assert expected in facts[kind]["errors"][0]
        assert facts[kind]["errors"][0].rstrip(".") in rows


def test_valid_declarations_of_a_broken_plugin_are_kept(add_plugin):
    source = ARCHITECTURE.format(name="fine") + "@zoo.hookimpl\ndef register_datasets(register):\n    register(3)\n"
    registry = with_plugins(add_plugin("half", source))
    assert plugin_named(registry, "half").status == "partial"
    assert "fine" in registry.architectures


def test_the_second_owner_of_a_name_is_refused_and_both_are_named(add_plugin):
    first = add_plugin("first", ARCHITECTURE.format(name="theirs"), distribution="aaa")
    second = add_plugin("second", ARCHITECTURE.format(name="theirs"), distribution="bbb")
    registry = with_plugins(second, first)
    assert registry.owner(registry.architecture("theirs")).distribution == "aaa"
    assert "'theirs' is already registered by first (aaa 1.0)" in plugin_named(registry, "second").errors[0]


def test_one_module_under_two_names_is_loaded_once(add_plugin):
    first = add_plugin("first", ARCHITECTURE.format(name="theirs"), distribution="aaa")
    second = EntryPoint("bbb", "1.0", "second", first.value)
    registry = with_plugins(first, second)
    assert registry.owner(registry.architecture("theirs")).name == "first"
    assert plugin_named(registry, "first").status == "loaded"
    assert "same module as first (aaa 1.0)" in plugin_named(registry, "second").errors[0]


def test_a_builtin_name_cannot_be_taken(add_plugin):
    registry = with_plugins(add_plugin("thief", ARCHITECTURE.format(name="resnet-mini"), distribution="aaa"))
    assert registry.owner(registry.architecture("resnet-mini")).builtin
    assert "pluggy-zoo" in plugin_named(registry, "thief").errors[0]


def test_the_order_depends_on_names_only(add_plugin):
    points = [add_plugin(f"p{i}", ARCHITECTURE.format(name=f"n{i}"), distribution=f"d{i}") for i in range(4)]
    orders = {tuple(p.name for p in with_plugins(*order).plugins) for order in (points, points[::-1])}
    assert len(orders) == 1


@pytest.mark.parametrize(
    ("variable", "value", "loaded"),
    [
        ("ZOO_LOAD_PLUGINS", "", set()),
        ("ZOO_LOAD_PLUGINS", "b_b", {"b"}),
        ("ZOO_LOAD_PLUGINS", "aa, b-b", {"a", "b"}),
        ("ZOO_BLOCK_PLUGINS", "aa", {"b"}),
        ("ZOO_BLOCK_PLUGINS", "", {"a", "b"}),
    ],
)
def test_third_party_plugins_can_be_limited_before_they_are_imported(variable, value, loaded, add_plugin, monkeypatch):
    monkeypatch.setenv(variable, value)
    registry = with_plugins(
        add_plugin("a", ARCHITECTURE.format(name="a"), distribution="aa"),
        add_plugin("b", ARCHITECTURE.format(name="b"), distribution="b-b"),
    )
    assert registry.architectures.keys() & {"a", "b"} == loaded
    assert "resnet-mini" in registry.architectures
    blocked = {plugin.name for plugin in registry.plugins if plugin.status == "blocked"}
    assert blocked == {"a", "b"} - loaded


@pytest.mark.parametrize("kind", ["import", "hook", "misspelled-hook", "wrong-type"])
def test_strict_turns_a_failure_into_an_error(kind, add_plugin, monkeypatch):
    monkeypatch.setenv("ZOO_STRICT", "1")
    with pytest.raises(PluginError) as caught:
        with_plugins(add_plugin(kind, BROKEN[kind][0]))
    assert str(caught.value).count("third-party 1.0") == 1


@pytest.mark.parametrize(
    ("ask", "name", "closest"),
    [
        ("architecture", "goglenet-mini", "googlenet-mini"),
        ("architecture", "RESNET-MINI", "resnet-mini"),
        ("dataset", "mnits", "mnist"),
        ("exporter", "onxx", "onnx"),
    ],
)
def test_the_error_for_an_unknown_name_suggests_the_closest(ask, name, closest, registry):
    with pytest.raises(UnknownName) as caught:
        getattr(registry, ask)(name)
    assert caught.value.closest == closest
    assert f"Did you mean {closest!r}?" in str(caught.value)


def test_the_error_for_an_unknown_name_suggests_nothing_unlike_it(registry):
    with pytest.raises(UnknownName) as caught:
        registry.architecture("qqq")
    assert "Did you mean" not in str(caught.value)


EXPORTER = """
def write(source, path, word):
    path.write_text(word)
def check(source, path, word):
    yield zoo.Check("word", path.read_text() == word and word != "wrong", f"the word is {word}")
@zoo.hookimpl
def register_exporters(register):
    register(zoo.Exporter(name="two-words", summary="a word in a file", suffix=".txt", write=write, check=check,
                          options=(zoo.Option(name="word", default="hello"),)))
"""


def test_a_third_party_plugin_can_add_an_export_format_with_options(add_plugin, zoo_command, digits_runs, tmp_path):
    registry = with_plugins(add_plugin("words", EXPORTER))
    assert "--two-words" in zoo_command("export", "--help", registry=registry).out
    command = ["export", "resnet-mini", "--two-words", "--runs-dir", digits_runs, "-o", tmp_path / "out.txt"]
    assert zoo_command(*command, "--word", "good", registry=registry).code == 0
    assert (tmp_path / "out.txt").read_text() == "good"
    refused = zoo_command(*command, "--word", "wrong", registry=registry)
    assert refused.code == 1
    assert "word: the word is wrong" in refused.error
    assert (tmp_path / "out.txt").read_text() == "good"
    assert "--opset is not an option of --two-words" in zoo_command(*command, "--opset", 18, registry=registry).error


COMMAND = """
import click
@zoo.hookimpl
def register_commands(cli):
    @cli.command({name!r})
    def hello():
        click.echo("hello from a plugin")
"""


def test_a_third_party_plugin_can_add_a_command(add_plugin, zoo_command):
    registry = with_plugins(add_plugin("greeter", COMMAND.format(name="hello")))
    assert zoo_command("hello", registry=registry).out == "hello from a plugin\n"
    assert "hello" in zoo_command("--help", registry=registry).out


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("hello", ""),
        ("say-hello_2", ""),
        ("Hello", "must be named in lower-case letters and digits"),
        ("say hello", "must be named in lower-case letters and digits"),
        ("-x", "must be named in lower-case letters and digits"),
        ("x" * 101, "must be named in lower-case letters and digits"),
        (3, "must be named in lower-case letters and digits"),
        ("train", "command 'train' is already registered by pluggy-zoo"),
        ("greet", "command 'greet' is already registered by greeter (third-party 1.0)"),
    ],
)
def test_the_name_of_a_command_is_checked(name, problem):
    group = click.Group(commands={name: click.Command("c")})
    owner = zoo.Plugin("greeter", "third-party", "1.0", "m")
    accepted, problems = sort_out(group, {"train"}, {"greet": owner})
    assert list(accepted) == ([] if problem else [name])
    assert [problem in found for found in problems] == ([True] if problem else [])


def test_what_is_no_command_is_refused():
    group = click.Group(commands={"hello": print})
    assert sort_out(group, set(), {}) == ({}, ["command 'hello' is not a click command."])


def test_a_command_that_fails_names_its_plugin(add_plugin, zoo_command):
    source = (
        COMMAND.format(name="hello")
        .replace("click.echo('hello from a plugin')", "")
        .replace('click.echo("hello from a plugin")', "raise RuntimeError('out of paint')")
    )
    registry = with_plugins(add_plugin("greeter", source))
    result = zoo_command("hello", registry=registry)
    assert result.code == 1
    assert "plugin greeter (third-party 1.0), failed: RuntimeError: out of paint" in result.error
    shown = zoo_command("hello", "--debug", registry=registry)  # a plugin's command has the options of all commands
    assert "Traceback" in shown.err


def test_a_third_party_plugin_cannot_replace_a_builtin_command(add_plugin, zoo_command):
    registry = with_plugins(add_plugin("thief", COMMAND.format(name="train")))
    assert "hello" not in zoo_command("train", "--help", registry=registry).out
    listed = zoo_command("plugins", registry=registry)
    assert "command 'train' is already registered by pluggy-zoo" in listed.out


def test_a_listener_cannot_change_what_others_see(tmp_path):
    seen = []

    class Careless:
        @zoo.hookimpl
        def epoch_ended(self, run, metrics):
            metrics["validation"].clear()
            run.config["status"] = "changed"
            run.config["best"]["epoch"] = 99
            raise ValueError("no disk")

    class Next:
        @zoo.hookimpl
        def epoch_ended(self, run, metrics):
            seen.append((run.config, run.writes, metrics))

    registry = create_registry([])
    for listener in (Next(), Careless(), Next()):
        registry.listen(listener)
    run = zoo.Run(tmp_path, {"status": "running", "best": {"epoch": 1}})
    (problem,) = registry.notify("epoch_ended", run=run, metrics={"validation": {"loss": 1.0}})
    assert problem == "Plugin Careless failed in epoch_ended: ValueError: no disk"
    assert seen == [({"status": "running", "best": {"epoch": 1}}, False, {"validation": {"loss": 1.0}})] * 2
    assert run.config == {"status": "running", "best": {"epoch": 1}}
    assert run.writes


def test_a_failing_listener_is_named_and_stops_nothing():
    registry = create_registry([])

    seen = []

    class Bad:
        @zoo.hookimpl
        def train_ended(self, run):
            raise RuntimeError("disk of the logger is full")

    class Good:
        @zoo.hookimpl
        def train_ended(self, run):
            seen.append(run)

    registry.manager.register(Bad(), name="bad-logger")
    registry.listen(Good())
    problems = registry.notify("train_ended", run="run")
    assert seen == ["run"]
    assert len(problems) == 1
    assert "bad-logger" in problems[0]
    assert "disk of the logger is full" in problems[0]
