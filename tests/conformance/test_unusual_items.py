"""Single checks of `zoo check` with unusual networks, tasks, datasets and plugins."""

import importlib
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from builtin_tasks import TASKS
from torch import nn

import zoo
from zoo import DataError, DataUnavailable, UnknownName, ZooError
from zoo.conformance import (
    architecture,
    check,
    dataset,
    exporter,
    global_state,
    isolation,
    methods,
    new_package,
    training,
)
from zoo.conformance.check import CheckedItem, NotChecked, Problem
from zoo.conformance.fixtures import DATA, add_dataset, learnable_batch, random_network_inputs
from zoo.conformance.recipe_parts import _known
from zoo.errors import MethodError
from zoo.inputs.methods import load_input
from zoo.registry.entry_points import EntryPoint

EXAMPLES = Path(__file__).parents[2] / "examples"


def workspace(registry=None, name="mine", **fields):
    return SimpleNamespace(registry=registry, item=CheckedItem("plugin", name, None), cache={}, **fields)


# networks


class Computes(nn.Module):
    def __init__(self, function, inputs, outputs):
        super().__init__()
        self.linear, self.function = nn.Linear(inputs, outputs), function

    def forward(self, inputs):
        return self.function(self.linear(inputs.flatten(1)))


def of_network(registry, function=lambda outputs: outputs, *, only=None, freeze=False):
    """A workspace for a network that is a function of a linear layer, and refuses other shapes than ``only``."""

    def build(input_shape, num_outputs):
        if only not in (None, input_shape):
            raise ValueError("too small")
        network = Computes(function, torch.Size(input_shape).numel(), num_outputs)
        network.linear.bias.requires_grad_(not freeze)
        return network

    spec = zoo.Architecture(
        name="net", summary="s", task="classification", builder=build, dataset="digits", parameters=7850
    )
    digits = registry.dataset("digits")
    return workspace(registry, architecture=spec, dataset=digits, large=False, skip_if_large=lambda: None)


def test_a_network_for_one_shape_only_is_named_with_its_reason(registry):
    assert architecture.shapes(of_network(registry)).endswith(" input shapes, 2 output counts")
    with pytest.raises(Problem, match=r"it builds for input shape \(1, 28, 28\) only; \(.*\): too small") as caught:
        architecture.shapes(of_network(registry, only=(1, 28, 28)))
    assert "instead of hard-coding them" in caught.value.remedy


def test_gradients_are_there_and_finite_for_what_is_trained(registry):
    assert architecture.gradients(of_network(registry)) == "2 tensors"
    assert architecture.gradients(of_network(registry, freeze=True)) == "2 tensors"
    with pytest.raises(Problem, match=r"linear\.weight gets no gradient"):
        architecture.gradients(of_network(registry, lambda outputs: outputs.detach().requires_grad_()))
    with pytest.raises(Problem, match=r"the gradient of linear\.weight is not finite") as caught:
        architecture.gradients(of_network(registry, lambda outputs: (outputs * 0).sqrt()))
    assert "a square root of zero" in caught.value.remedy


def test_logits_are_not_judged_if_no_weights_give_finite_outputs(registry):
    assert architecture.logits(of_network(registry)).startswith("from ")
    with pytest.raises(NotChecked, match="the outputs are not finite with random weights of any size"):
        architecture.logits(of_network(registry, lambda outputs: outputs / 0))
    with pytest.raises(Problem, match="the outputs are probabilities: the network ends with a softmax"):
        architecture.logits(of_network(registry, lambda outputs: outputs.softmax(1)))


# what a network learns in a check


def tokens(registry):
    return load_input(registry.input("tokens"), (40,), {"vocabulary": tuple("abcdefgh")})


def test_samples_of_a_class_are_alike_for_every_kind_of_input(registry):
    images = load_input(registry.input("image"), (1, 8, 8), {})
    for kind in (images, tokens(registry)):
        inputs, targets = learnable_batch(TASKS["classification"], kind, 3, 12)
        assert inputs.dtype == random_network_inputs(kind, 1, torch.Generator()).dtype
        assert targets.tolist() == [0, 1, 2] * 4
        flat = inputs.flatten(1).double()
        same = (flat[0] - flat[3]).abs().mean()
        assert same < 0.7 * min((flat[0] - flat[1]).abs().mean(), (flat[0] - flat[2]).abs().mean())


def test_numbers_are_a_function_of_the_samples_for_every_kind_of_input(registry):
    inputs, targets = learnable_batch(TASKS["regression"], tokens(registry), 1, 12)
    assert inputs.dtype == torch.int64
    sums = inputs.sum(dim=1).double()
    assert torch.corrcoef(torch.stack([sums, targets[:, 0].double()]))[0, 1] > 0.999


@pytest.fixture
def segmentation(registry, monkeypatch):
    """The registry with a task that predicts a mask, an architecture and a dataset for it."""
    monkeypatch.syspath_prepend(EXAMPLES / "zoo-segmentation")
    module = importlib.import_module("zoo_segmentation")
    registry.add(zoo.Plugin("zoo-segmentation", "third-party", "1.0", "zoo_segmentation"), module)
    return registry


def test_an_unusual_task_is_tried_with_the_outputs_of_its_network(segmentation):
    (task,) = (spec for spec in segmentation.tasks.values() if spec.predicts not in ("class", "numbers"))
    found, outputs, targets = methods._example(workspace(segmentation, task.name))
    assert found.name == task.name
    assert len(outputs) == len(targets)
    assert found.measure(outputs, targets)
    with pytest.raises(NotChecked, match=f"{task.name} has outputs of its own; an architecture for it checks the loss"):
        _known(workspace(segmentation), task.name)
    data = next(spec for spec in segmentation.datasets.values() if spec.task == task.name)
    inputs, wanted = learnable_batch(
        found, load_input(segmentation.input("image"), data.input_shape, {}), data.num_outputs, 4
    )
    assert found.target_problem(wanted, data.num_outputs) == ""
    assert len(inputs) == len(wanted) == 4


# datasets


def offline(error, files, registry, tmp_path, monkeypatch):
    def read(*_, **__):
        if error is not None:
            raise error

    monkeypatch.setattr(dataset, "read_dataset", read)
    return dataset.offline(workspace(registry, scratch=tmp_path, dataset=SimpleNamespace(files=files)))


@pytest.mark.parametrize(
    ("error", "files", "found"),
    [
        (DataUnavailable("it is not here."), ("a.zip",), "it raises zoo.DataUnavailable"),
        (DataUnavailable("it is not here."), (), "it declares no files, so it must be bundled, but: it is not here."),
        (None, (), "bundled"),
        (None, ("a.zip",), "it declares files, but loads from an empty folder"),
        (dataset._Connected(), (), "network"),
        (DataError("it is damaged."), (), "it cannot be loaded; the check `loads` says why"),
    ],
)
def test_a_dataset_that_is_not_here_says_so_without_the_network(error, files, found, registry, tmp_path, monkeypatch):
    try:
        result = offline(error, files, registry, tmp_path, monkeypatch)
    except (Problem, NotChecked) as problem:
        result = str(problem)
    assert found in result


# exports and trainings


def test_an_export_is_made_once_for_all_checks(monkeypatch):
    made = []
    monkeypatch.setattr(exporter, "_source", lambda workspace: None)
    monkeypatch.setattr(exporter, "_request", lambda workspace, name: name)
    monkeypatch.setattr(exporter, "write_verified", lambda source, request: made.append(request) or "certificate")
    found = workspace()
    assert [exporter._exported(found) for _ in range(2)] == ["certificate"] * 2
    assert made == ["correct"]


def trained(registry, tmp_path, monkeypatch, *results):
    """A workspace whose trainings give these results, and the number of trainings."""
    left = list(results)

    def train(*_, **__):
        result = left.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(training, "train", train)
    found = workspace(registry, scratch=tmp_path, dataset=registry.dataset("digits"), skip_if_large=lambda: None)
    found.architecture = registry.architecture("lenet")
    return found, left


def test_a_training_runs_once_for_all_checks(registry, tmp_path, monkeypatch):
    added = []
    monkeypatch.setattr(training, "add_dataset", lambda *given: added.append(given) or add_dataset(*given))
    found, left = trained(registry, tmp_path, monkeypatch, "run", "another run")
    assert [training._run(found) for _ in range(2)] == ["run", "run"]
    assert left == ["another run"]
    assert DATA in registry.datasets
    again, _ = trained(registry, tmp_path, monkeypatch, "run")  # another network, with the same dataset
    assert training._run(again) == "run"
    assert len(added) == 1


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (ZooError("the loss is NaN."), Problem, "the loss is NaN."),
        (MethodError("luck: measure failed.", "measure"), MethodError, "luck: measure failed."),
        (KeyError("layers"), KeyError, "KeyError: 'layers'"),
    ],
)
def test_a_training_that_failed_fails_one_check(error, kind, text, registry, tmp_path, monkeypatch):
    found, _ = trained(registry, tmp_path, monkeypatch, error)
    with pytest.raises(kind) as caught:
        training._run(found)
    assert type(caught.value) is kind
    with pytest.raises(NotChecked, match="it needs a trained network, and the training failed: ") as caught:
        training._run(found)
    assert str(caught.value).endswith(text)


def test_the_dataset_of_the_checks_is_registered_for_a_dataset(registry):
    add_dataset(registry, registry.dataset("digits"))
    assert registry.datasets[DATA].input_shape == (1, 28, 28)


# plugins


def test_a_plugin_that_imports_torch_is_loaded_again_with_torch_imported_before_it(monkeypatch):
    asked = []

    def process(point, seconds, first=""):
        asked.append(first)
        changed = ["replaces torch.nn.Linear.forward"] if first else []
        return "", {"modules": ["torch"], "changed": changed, "errors": ["it failed"], "adds": ["dataset bars"]}

    monkeypatch.setattr(isolation, "_process", process)
    point = EntryPoint("third-party", "1.0", "mine", "mine")
    assert isolation.load_alone(point) == (["it failed", "replaces torch.nn.Linear.forward"], ["dataset bars"])
    assert asked == ["", "torch"]
    monkeypatch.setattr(isolation, "_process", lambda *_: ("its import ends the process", {}))
    assert isolation.load_alone(point) == (["its import ends the process"], [])


def test_the_stages_of_a_process_are_read_up_to_where_it_ended(tmp_path):
    path = tmp_path / "stages"
    assert list(isolation._stages(path)) == []
    path.write_text(json.dumps({"stage": "import"}) + '\n{"stage": "ho')
    assert list(isolation._stages(path)) == [{"stage": "import"}]


def test_the_end_of_a_process_in_words():
    assert [isolation._how(code) for code in (3, -9, -1_000)] == ["exit code 3", "signal SIGKILL", "signal 1000"]


def test_functions_of_torch_are_compared_only_with_torch():
    without, found = (dict(global_state._replaceable(with_torch=choice)) for choice in (False, True))
    assert "torch.nn.Linear.forward" in found
    assert found["torch.nn.functional.relu"] is nn.functional.relu
    assert not any(name.startswith("torch.") for name in without)
    assert without.keys() <= found.keys()


def test_only_commands_of_plugins_are_checked(registry):
    owner = registry.plugins[0]
    registry.command_owner = {"theirs": owner}.get
    found = [str(item) for item in check._all_items(registry, ["train", "theirs"])]
    assert "command theirs" in found
    assert "command train" not in found


def test_a_package_of_an_unknown_kind_is_refused(tmp_path, registry):
    with pytest.raises(UnknownName, match=r"There are: architecture, "):
        new_package.new_package("my-net", kind="architectur", folder=tmp_path, registry=registry)
    assert list(tmp_path.glob("my-net")) == []


def test_missing_templates_are_one_line_and_nothing_is_written(tmp_path, registry, monkeypatch):
    monkeypatch.setattr(new_package, "_TEMPLATES", tmp_path / "no-templates")
    with pytest.raises(ZooError, match=r"The templates in .*common are missing; reinstall pluggy-zoo\."):
        new_package.new_package("my-net", kind="architecture", folder=tmp_path / "made", registry=registry)
    assert list((tmp_path / "made").iterdir()) == []
