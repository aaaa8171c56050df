"""What single checks of `zoo check` say, tried without a plugin, and how the pytest plugin reports them."""

import json
from importlib import metadata
from types import SimpleNamespace

import pytest
import torch
from _pytest.outcomes import Failed, Skipped

import zoo
from zoo import DataError, DataUnavailable, ZooError
from zoo.conformance import architecture, command, dataset, methods, plugin, pytest_plugin, recipe_parts, training
from zoo.conformance.check import CheckedItem, CheckResult, NotChecked, Problem


def workspace(registry=None, **fields):
    item = CheckedItem("plugin", "mine", fields.pop("plugin", None))
    return SimpleNamespace(registry=registry, item=item, cache={}, **fields)


def test_an_architecture_without_its_dataset_fails(registry):
    with pytest.raises(Problem, match="nothing") as caught:
        architecture.dataset(workspace(registry, architecture=SimpleNamespace(name="net", dataset="nothing", task="")))
    assert caught.value.remedy == "Register the dataset too, or choose one of `zoo datasets`."
    spec = SimpleNamespace(name="net", dataset="digits", task="regression")
    with pytest.raises(Problem, match="the task of net is regression, the task of digits is classification"):
        architecture.dataset(workspace(registry, architecture=spec))
    spec.task = "classification"
    assert architecture.dataset(workspace(registry, architecture=spec)) == "digits, classification"


def stand_in(registry, **fields):
    spec = SimpleNamespace(**({"stand_in": "digits", "task": "classification", "input_shape": (1, 28, 28)} | fields))
    return dataset.stand_in(workspace(registry, dataset=spec))


def test_a_stand_in_is_bundled_and_of_the_same_kind(registry):
    assert stand_in(registry) == "digits"
    assert stand_in(registry, stand_in=None) == "it has no stand-in"
    for fields, problem in (
        ({"stand_in": "nothing"}, "nothing"),
        ({"task": "regression"}, "the task of digits is classification, not regression"),
        ({"input_shape": (4,)}, "digits has samples of shape .*, not \\(4,\\)"),
        ({"stand_in": "mnist"}, "mnist is not bundled"),
    ):
        with pytest.raises(Problem, match=problem):
            stand_in(registry, **fields)


def loaded(registry, train, test, **fields):
    """A workspace with data of the given classes."""
    made = [
        zoo.Split(torch.arange(len(classes))[:, None].float() + first, torch.tensor(classes))
        for first, classes in ((0, train), (5, test))
    ]
    spec = SimpleNamespace(**({"task": "classification", "labels": ("a", "b"), "num_outputs": 2} | fields))
    found = workspace(registry, dataset=spec)
    found.cache["data"] = SimpleNamespace(splits=SimpleNamespace(train=made[0], test=made[1], validation=None))
    return found


def test_every_class_is_in_both_splits(registry):
    assert dataset.labels(loaded(registry, [0, 1], [1, 0])) == "2 classes in both splits"
    assert dataset.labels(loaded(registry, [0, 1], [1, 0], task="regression")) == "regression has no classes"
    with pytest.raises(Problem, match="no training sample is of class a"):
        dataset.labels(loaded(registry, [1, 1], [1, 0]))
    with pytest.raises(Problem, match="no test sample is of class 1"):
        dataset.labels(loaded(registry, [0, 1], [0, 0], labels=()))


def test_test_samples_are_no_training_samples(registry):
    assert dataset.disjoint(loaded(registry, [0, 1], [0, 1])) == "0 of 2 test samples are also training samples"
    with pytest.raises(Problem, match="1 of 2 test samples are also training samples"):
        dataset.disjoint(loaded(registry, [0] * 6, [0, 0]))


@pytest.mark.parametrize(
    ("error", "raised", "text"),
    [
        (DataUnavailable("the server is down."), NotChecked, "the server is down."),
        (DataError("bars: not zoo.Splits."), Problem, "bars: not zoo.Splits."),
    ],
)
def test_data_that_cannot_be_loaded_are_not_checked_or_fail(error, raised, text, registry, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(dataset, "read_dataset", fail)
    spec = SimpleNamespace(files=(), fingerprint="")
    with pytest.raises(raised) as caught:
        dataset.loads(workspace(registry, dataset=spec, data_dir=tmp_path, download=False))
    assert str(caught.value) == text
    if raised is Problem:
        assert caught.value.remedy == "Return zoo.Splits(train, test), each a zoo.Split(inputs, targets)."


def output_of(stdout="", stderr="", code=0):
    return lambda *_, **__: SimpleNamespace(stdout=stdout, stderr=stderr, returncode=code)


@pytest.mark.parametrize(
    ("stdout", "problem"),
    [
        ("Usage: zoo mine [OPTIONS]\n\nOptions:\n  --help", "`zoo mine --help` has no description"),
        ("Usage: zoo mine [OPTIONS]\n\n  Wave.\n\nOptions:\n", "`zoo mine --help` shows no example"),
    ],
)
def test_the_help_of_a_command_describes_it_with_an_example(stdout, problem, monkeypatch):
    monkeypatch.setattr("subprocess.run", output_of(stdout, "MODULES []"))
    with pytest.raises(Problem, match=problem):
        command.help(workspace())
    monkeypatch.setattr("subprocess.run", output_of("Usage: zoo mine\n\n  Wave.\n\n  zoo mine\n", "MODULES ['torch']"))
    found = workspace()
    assert command.help(found) == "Wave."
    with pytest.raises(Problem, match="`zoo mine --help` imports torch"):
        command.cheap(found)


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        ("Error: no\nMODULES []", "Error: no"),
        ("MODULES []", "no reason given"),
        ("Fatal error: it crashed\n", "Fatal error: it crashed"),
        ("", "no reason given"),
    ],
)
def test_a_help_that_fails_gives_the_last_line(stderr, reason, monkeypatch):
    monkeypatch.setattr("subprocess.run", output_of(stderr=stderr, code=1))
    with pytest.raises(Problem, match=f"`zoo mine --help` fails: {reason}"):
        command.help(workspace())


def test_the_import_of_a_plugin_is_quick_and_light(monkeypatch):
    registry = SimpleNamespace(module_name=lambda plugin: "mine")
    for content, problem in (
        ([9.5, []], r"importing mine takes 9\.5 s of processor time"),
        ([0.1, ["torch"]], "importing mine imports torch"),
    ):
        monkeypatch.setattr("subprocess.run", output_of(f"printed\n{json.dumps(content)}"))
        with pytest.raises(Problem, match=problem):
            plugin.cheap(workspace(registry))
    monkeypatch.setattr("subprocess.run", output_of("[0.012, []]"))
    assert plugin.cheap(workspace(registry)) == "12 ms, no heavy package"
    monkeypatch.setattr("subprocess.run", output_of(code=1))
    with pytest.raises(Problem, match="its import fails in a new process: no reason given"):
        plugin.cheap(workspace(registry))
    for check in (plugin.cheap, plugin.global_state):
        with pytest.raises(NotChecked, match="it is not a module that can be imported"):
            check(workspace(SimpleNamespace(module_name=lambda plugin: "")))


def test_an_import_string_that_names_nothing_is_found():
    owner = SimpleNamespace()
    specs = [
        (SimpleNamespace(name="net", references=[("builder", "json:no_such_name")]), owner),
        (SimpleNamespace(name="other", references=[("builder", "json:dumps")]), SimpleNamespace()),
    ]
    registry = SimpleNamespace(declared=lambda: specs, module_name=lambda plugin: "mine")
    with pytest.raises(Problem, match=r"net: builder .*no_such_name"):
        plugin.references(workspace(registry, plugin=owner))
    assert plugin.references(workspace(registry, plugin=specs[1][1])) == "1 found"
    assert plugin.references(workspace(registry, plugin=SimpleNamespace())) == "it has no import strings"


def test_the_package_of_a_plugin_says_which_zoo_it_supports(monkeypatch):
    def package(requires, **fields):
        monkeypatch.setattr(metadata, "distribution", lambda name: SimpleNamespace(requires=requires))
        usual = {"builtin": False, "distribution": "zoo-lion"}
        return plugin.package(workspace(plugin=SimpleNamespace(**(usual | fields))))

    assert package(["pluggy-zoo>=0.1"]) == "it depends on pluggy-zoo >=0.1"
    assert package([], builtin=True) == package([], distribution="file") == "it is not a separate package"
    for requires in (None, ["torch"], ["pluggy-zoo"]):
        with pytest.raises(Problem, match="zoo-lion does not depend on pluggy-zoo, or sets no lower bound"):
            package(requires)
    monkeypatch.undo()
    with pytest.raises(NotChecked, match="no-such-package is not installed as a package"):
        plugin.package(workspace(plugin=SimpleNamespace(builtin=False, distribution="no-such-package")))


def test_a_schedule_computes_from_the_progress_alone(monkeypatch):
    calls = iter(range(1_000))
    for factor, problem in (
        (lambda progress: next(calls), "two calls give different factors"),
        (lambda progress: -1.0, "the factor at progress 0 is -1.0"),
        (lambda progress: float("nan"), "the factor at progress 0 is nan"),
        (lambda progress: "1", "the factor at progress 0 is '1'"),
    ):
        monkeypatch.setattr(recipe_parts, "_function", lambda workspace, name, factor=factor: factor)
        with pytest.raises(Problem, match=problem):
            recipe_parts.factors(workspace())
    monkeypatch.setattr(recipe_parts, "_function", lambda workspace, name: lambda progress: 1 - progress / 2)
    assert recipe_parts.factors(workspace()) == "from 1 to 0.5"


def test_a_failed_export_or_training_is_a_failed_check(registry, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise ZooError("it is not finite.")

    run = SimpleNamespace(folder=tmp_path)
    with pytest.raises(NotChecked, match="no ONNX exporter is installed"):
        training._exported(workspace(SimpleNamespace(exporters={})), run)
    monkeypatch.setattr(training, "export_run", fail)
    with pytest.raises(Problem, match="it is not finite") as caught:
        training._exported(workspace(registry, scratch=tmp_path), run)
    assert "docs/export.md" in caught.value.remedy
    monkeypatch.setattr(training, "train", fail)
    with pytest.raises(Problem, match="it is not finite") as caught:
        training.export_short_training(workspace(registry, scratch=tmp_path), "net")
    assert caught.value.remedy == "Make the normalisation a module that torch can train behind."


def test_without_a_trained_network_the_checks_after_it_are_skipped():
    found = workspace(skip_if_large=lambda: None)
    found.cache["failed"] = "the loss is NaN"
    with pytest.raises(NotChecked, match="it needs a trained network, and the training failed: the loss is NaN"):
        training._run(found)


def metafunc(marker=(), fixtures=("zoo_check",)):
    cases = []
    marked = SimpleNamespace(args=marker) if marker else None
    return SimpleNamespace(
        fixturenames=fixtures,
        definition=SimpleNamespace(get_closest_marker=lambda name: marked),
        config=SimpleNamespace(stash=pytest.Stash()),
        parametrize=lambda name, given, ids: cases.extend(ids),
        cases=cases,
    )


def test_the_pytest_plugin_has_a_test_for_each_requirement_of_what_is_marked():
    made = metafunc(["iris"])
    pytest_plugin.pytest_generate_tests(made)
    assert made.cases[:2] == ["dataset-iris-described", "dataset-iris-offline"]
    assert pytest_plugin._registry(made.config) is pytest_plugin._registry(made.config)  # loaded once
    other = metafunc(["iris"], fixtures=("tmp_path",))
    pytest_plugin.pytest_generate_tests(other)
    assert other.cases == []


def test_the_pytest_plugin_says_that_there_is_nothing_to_check(monkeypatch, registry):
    monkeypatch.setattr("zoo.conformance.check.find_items", lambda *_: [])
    with pytest.raises(pytest.UsageError, match="No plugin is installed except the built-in ones; run `pip install -e"):
        pytest_plugin.pytest_generate_tests(metafunc())
    monkeypatch.undo()
    with pytest.raises(pytest.UsageError, match=r"Did you mean 'iris'\? .*Is it installed in this environment"):
        pytest_plugin.pytest_generate_tests(metafunc(["irsi"]))


@pytest.fixture
def _zoo_case():
    """An item and a requirement, in place of those of the pytest plugin."""
    return CheckedItem("command", "wave", None), SimpleNamespace(name="help")


@pytest.mark.parametrize(
    ("status", "outcome", "text"),
    [
        ("passed", None, ""),
        ("skipped", Skipped, "no example"),
        ("failed", Failed, "command wave: no example\nWrite one."),
    ],
)
def test_the_outcome_of_a_check_is_that_of_its_test(status, outcome, text, request, monkeypatch):
    result = CheckResult("command", "wave", "help", status, "no example", "Write one.")
    opened = []
    run_check = "zoo.conformance.check.run_check"
    monkeypatch.setattr(run_check, lambda workspace, requirement: opened.append(workspace) or result)
    check = request.getfixturevalue("zoo_check")
    if outcome is None:
        check()
        check()
        assert opened[0] is opened[1]  # both checks of an item share a workspace
        return
    with pytest.raises(outcome) as caught:
        check()
    assert str(caught.value) == text


def found_by(finder, *, samples=(), errors=()):
    """The result of looking up the sample names of a family, whose registry answers as ``finder`` does."""
    owner = SimpleNamespace(hooks=["find_architecture"], errors=[])

    def look_up(name):
        owner.errors += errors if name in samples else ()
        if not finder(name):
            raise zoo.UnknownName("architecture", name, (), "")

    return plugin.family(workspace(SimpleNamespace(architecture=look_up), plugin=owner))


def test_a_family_knows_its_samples_and_nothing_else(monkeypatch):
    samples = ["net/small", "net/large"]
    monkeypatch.setattr(plugin, "sample_architectures", lambda registry, plugin: samples)
    assert found_by(lambda name: name in samples) == "2 samples: net/small, net/large"
    with pytest.raises(Problem, match="find_architecture knows 'zoo-check/no-such-network'"):
        found_by(lambda name: True)
    with pytest.raises(Problem, match="find_architecture does not know 'net/large', one of its samples"):
        found_by(lambda name: name == "net/small")
    with pytest.raises(Problem, match="find_architecture: it raised KeyError"):
        found_by(lambda name: name in samples, samples=samples, errors=["find_architecture: it raised KeyError"])
    assert plugin.family(workspace(plugin=SimpleNamespace(hooks=[]))) == "it implements no find_architecture"
    samples.clear()
    with pytest.raises(NotChecked, match="implement the hook sample_architectures"):
        found_by(lambda name: False)


def task_methods(monkeypatch, **fields):
    outputs = torch.zeros(8, 2)
    spec = SimpleNamespace(
        predicts=fields.pop("predicts", "class"), metrics=[SimpleNamespace(name="accuracy")], labels=()
    )
    usual = {"name": "mine", "metric": "accuracy", "spec": spec, "decides": True, "whole_split": True}
    made = SimpleNamespace(**(usual | fields))
    monkeypatch.setattr(methods, "_example", lambda workspace: (made, outputs, torch.zeros(8)))
    monkeypatch.setattr(methods, "_labels", lambda workspace, methods: ("no", "yes"))
    return workspace()


def test_metrics_are_declared_and_computed(monkeypatch):
    def measure(outputs, targets):
        return {"loss": torch.zeros(len(outputs))}

    found = task_methods(monkeypatch, measure=measure, summarise=lambda *_: {"auc": 0.5})
    with pytest.raises(Problem, match="auc is computed and not declared"):
        methods.metrics(found)
    found = task_methods(monkeypatch, measure=measure, summarise=lambda *_: {})
    with pytest.raises(Problem, match="accuracy is declared and not computed"):
        methods.metrics(found)
    found = task_methods(monkeypatch, measure=measure, summarise=lambda *_: {"accuracy": 0.5})
    assert methods.metrics(found) == "loss, accuracy"


def test_scores_are_finite(monkeypatch):
    found = task_methods(monkeypatch, score=lambda metrics: (float("nan"),))
    with pytest.raises(Problem, match=r"score returned \(nan,\)"):
        methods.choice(found)


def test_a_prediction_of_another_kind_is_described_by_its_task(monkeypatch):
    assert methods.describes(task_methods(monkeypatch)) == "as for every class"
    assert methods.describes(task_methods(monkeypatch, predicts="numbers", decides=False)) == "as all numbers"
    found = task_methods(
        monkeypatch,
        predicts="discrete",
        answers=lambda: lambda outputs: (outputs, outputs + 1),
        describe=lambda answer, labels: dict(zip(labels, answer.tolist(), strict=True)),
    )
    assert methods.describes(found) == "no, yes"


def test_a_network_of_numbers_need_not_return_logits(monkeypatch):
    monkeypatch.setattr(architecture, "_task", lambda workspace: SimpleNamespace(predicts="numbers", name="regression"))
    assert architecture.logits(workspace()) == "regression may return any number"
