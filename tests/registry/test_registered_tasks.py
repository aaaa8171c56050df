"""Tasks of plugins: their declarations, and declarations that name them."""

import pytest

import zoo
from zoo import Metric, PluginError, Task
from zoo.formatting import METRICS
from zoo.registry.entry_points import find_entry_points

PLUGIN = """
import zoo

@zoo.hookimpl
def register_tasks(register):
    register(zoo.Task(name="ordinal", summary="ordered classes", methods="zoo.plugins.tasks.methods:Classification",
                      predicts="class", metrics=({metric},), outputs=("logits", "probabilities")))
"""
DECLARED = """
import zoo

@zoo.hookimpl
def register_datasets(register):
    register(zoo.Dataset(name="grades", summary="s", task={task!r}, loader="m:load", input_shape=(2,),
                         num_outputs={outputs}, labels={labels!r}))
"""


def declare(**fields):
    known = {
        "name": "ordinal",
        "summary": "ordered classes",
        "methods": "module:Methods",
        "predicts": "class",
        "metrics": (Metric(name="accuracy", percent=True),),
        "outputs": ("logits",),
    }
    return Task(**known | fields)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"predicts": "classes"}, "predicts must be one of class, numbers, discrete, continuous, not 'classes'"),
        ({"metrics": ()}, "metrics must not be empty"),
        ({"metrics": ("accuracy",)}, "metrics must be a tuple of zoo.Metric"),
        ({"metrics": (Metric(name="loss"),)}, "every task has it"),
        ({"metrics": (Metric(name="Top 5"),)}, "lower-case letters, digits and _, not 'Top 5'"),
        ({"metrics": (Metric(name="accuracy"),)}, "the metric accuracy is shown as .*; declare it so"),
        ({"metrics": (Metric(name="top5"),) * 2}, "two metrics named top5"),
        (
            {"metrics": (Metric(name="top5"), Metric(name="accuracy", percent=True))},
            "accuracy must be the first of the metrics",
        ),
        ({"metrics": (Metric(name="top5", title="\x1b[2J"),)}, "at most 20 printable characters"),
        ({"outputs": ()}, "outputs must be different names"),
        ({"outputs": ("a", "a")}, "outputs must be different names"),
        ({"outputs": ("a b",)}, "outputs must be different names"),
        ({"num_outputs": -1}, "num_outputs must not be negative"),
        ({"methods": "nowhere"}, "not of the form 'package.module:name'"),
    ],
)
def test_a_wrong_declaration_of_a_task_is_refused(fields, problem):
    with pytest.raises(PluginError, match=problem):
        declare(**fields)


def with_plugins(*points):
    return zoo.create_registry([*find_entry_points(), *points])


def test_a_task_of_a_plugin_is_found_after_those_of_the_library(add_plugin, monkeypatch):
    monkeypatch.setattr("zoo.registry.registry.METRICS", METRICS.copy())
    registry = with_plugins(add_plugin("ordinal", PLUGIN.format(metric="zoo.Metric(name='kappa', title='κ')")))
    assert list(registry.tasks) == ["classification", "binary", "regression", "ordinal"]
    assert registry.task("ordinal").metric == "kappa"
    with pytest.raises(zoo.UnknownName, match=r"no task named 'ordinary'\. Did you mean 'ordinal'"):
        registry.task("ordinary")


def test_the_format_of_a_metric_is_known_when_its_plugin_is_loaded(add_plugin, monkeypatch):
    known = METRICS.copy()
    monkeypatch.setattr("zoo.registry.registry.METRICS", known)
    with_plugins(
        add_plugin("ordinal", PLUGIN.format(metric="zoo.Metric(name='lag', unit='ms', higher_is_better=False)"))
    )
    monkeypatch.setattr("zoo.formatting.METRICS", known)
    assert zoo.formatting.metric_text("lag", 12.345) == "12.3 ms"
    assert zoo.formatting.is_better("lag", 1, 2)


def test_user_files_get_the_first_task_that_fits(registry):
    assert registry.usual_task("class").name == "classification"
    assert registry.usual_task("class", 2).name == "binary"
    assert registry.usual_task("class", 3).name == "classification"
    assert registry.usual_task("numbers").name == "regression"
    with pytest.raises(zoo.UsageError, match="No plugin registers a task that predicts class"):
        zoo.create_registry([]).usual_task("class")


@pytest.mark.parametrize(
    ("task", "outputs", "labels", "problem"),
    [
        ("clustering", 3, (), "task 'clustering' is not one of classification, binary, regression"),
        ("binary", 3, (), "binary means num_outputs=1, not 3"),
        ("binary", 1, ("a",), "1 labels where 2 are needed"),
        ("classification", 3, ("a", "b"), "2 labels where 3 are needed"),
        ("regression", 2, ("a",), "1 labels where 2 are needed"),
    ],
)
def test_a_dataset_that_does_not_fit_its_task_is_refused(add_plugin, task, outputs, labels, problem):
    registry = with_plugins(add_plugin("grades", DECLARED.format(task=task, outputs=outputs, labels=labels)))
    (plugin,) = [plugin for plugin in registry.plugins if plugin.name == "grades"]
    assert "grades" not in registry.datasets
    assert problem in plugin.errors[0]


def test_a_loss_for_an_unknown_task_is_refused(add_plugin):
    source = """
import zoo

@zoo.hookimpl
def register_losses(register):
    register(zoo.Loss(name="mine", summary="s", compute="m:f", tasks=("classification", "clustering")))
"""
    registry = with_plugins(add_plugin("mine", source))
    (plugin,) = [plugin for plugin in registry.plugins if plugin.name == "mine"]
    assert "mine" not in registry.recipe_parts("loss")
    assert "task 'clustering' is not one of" in plugin.errors[0]


def test_a_dataset_can_name_the_task_of_another_plugin(add_plugin):
    data = add_plugin("grades", DECLARED.format(task="ordinal", outputs=3, labels=()), distribution="aa")
    task = add_plugin("ordinal", PLUGIN.format(metric="zoo.Metric(name='accuracy', percent=True)"), distribution="zz")
    registry = with_plugins(data, task)
    assert registry.dataset("grades").task == "ordinal"
    assert not [plugin.errors for plugin in registry.plugins if plugin.errors]


def test_the_built_in_tasks_have_the_names_that_others_read(registry):
    """Those of the Hub's pipelines, and of the outputs of exported files: programs look for them."""
    found = {task.name: (dict(task.pipelines), task.outputs) for task in registry.tasks.values()}
    classes = {"image": "image-classification", "table": "tabular-classification"}
    assert found["classification"] == found["binary"] == (classes, ("logits", "probabilities"))
    numbers = {"image": "image-feature-extraction", "table": "tabular-regression"}
    assert found["regression"] == (numbers, ("prediction",))


def test_title_and_unit_of_a_metric_have_20_characters_at_most():
    assert Metric(name="far", title="x" * 20, unit="y" * 20).problem() == ""
    assert "at most 20" in Metric(name="far", unit="y" * 21).problem()
