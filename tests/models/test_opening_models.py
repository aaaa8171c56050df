"""What is said when a model, its task, its weights or its provider cannot be used."""

from types import SimpleNamespace

import onnx
import onnxruntime
import pytest
import torch
from builtin_tasks import TASKS
from onnx import TensorProto, helper
from torch import nn
from zoo.exporters.onnx import sessions

import zoo
from zoo import DeviceUnavailable, PluginError, RunNotFound, UnknownName, ZooError
from zoo.models.guarded_task import load_task
from zoo.models.onnx_model import OnnxModel, open_session
from zoo.models.scores import evaluate
from zoo.models.trained import load_shipped

CUDA = "CUDAExecutionProvider"


def write(path, operator):
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ("batch", 2)) for name in "xy")
    graph = helper.make_graph([helper.make_node(operator, ["x"], ["y"])], "g", [x], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
    return path


def test_a_file_that_onnxruntime_cannot_load_is_named(tmp_path):
    path = write(tmp_path / "net.onnx", "NoSuchOperator")
    with pytest.raises(ZooError, match=r"net\.onnx is not an ONNX file that onnxruntime can load: .*NoSuchOperator"):
        open_session(path)


def test_a_file_of_another_tool_was_not_written_by_an_export(tmp_path):
    path = write(tmp_path / "net.onnx", "Relu")
    with pytest.raises(ZooError, match=r"net\.onnx was not written by `zoo export`: .*architecture"):
        OnnxModel(path)


@pytest.mark.parametrize(
    ("failure", "error", "message"),
    [
        (
            RuntimeError("the provider\nhas no device"),
            DeviceUnavailable,
            f"{CUDA} does not run here: the provider has no",
        ),
        (RuntimeError("a broken node"), ZooError, "is not an ONNX file that onnxruntime can load: a broken node"),
        (None, DeviceUnavailable, rf"{CUDA} does not run here\. Use --device cpu\."),
    ],
    ids=["no device", "broken file", "another provider"],
)
def test_a_provider_that_does_not_run_is_no_fault_of_the_file(failure, error, message, tmp_path, monkeypatch):
    def session(*_, providers, **__):
        assert providers == [CUDA, "CPUExecutionProvider"]
        if failure is not None:
            raise failure
        return SimpleNamespace(get_providers=lambda: ["CPUExecutionProvider"])

    path = write(tmp_path / "net.onnx", "Relu")
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    with pytest.raises(error, match=message) as caught:
        open_session(path, CUDA)
    assert type(caught.value) is error


def test_a_provider_that_onnxruntime_leaves_silently_has_no_runtime(monkeypatch):
    """Otherwise the processor would be tested in the name of the GPU."""
    used = ["CPUExecutionProvider"]
    fake = SimpleNamespace(get_providers=lambda: used)
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *_, **__: fake)
    assert sessions._sessions(b"", CUDA) == []
    used[0] = CUDA
    assert [(one.provider, one.mode) for one in sessions._sessions(b"", CUDA)] == [
        ("CUDA", "as written"),
        ("CUDA", "optimised"),
    ]


def test_an_architecture_without_weights_has_to_be_trained(tiny_registry):
    with pytest.raises(RunNotFound, match=r"^tiny-cnn ships no weights\. Run `zoo train tiny-cnn` first\.$"):
        load_shipped("tiny-cnn", tiny_registry)
    with pytest.raises(UnknownName):
        load_shipped("tiny-cn", tiny_registry)


class NoMethods:
    def __init__(self, spec):
        self.spec = spec


def refuses(spec):
    raise PluginError("luck: no dice.")


def fails(spec):
    raise KeyError("two\nlines")


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        (NoMethods, r"methods must be a subclass of zoo\.TaskMethods, not NoMethods\."),
        (refuses, r"^luck: no dice\.$"),
        (fails, r"methods failed: KeyError: 'two\\nlines'\."),
    ],
)
def test_methods_of_a_task_that_are_none_are_a_fault_of_the_plugin(methods, message):
    metrics = (zoo.Metric(name="accuracy", percent=True),)
    fields = {"name": "luck", "summary": "lucky or not", "predicts": "class", "outputs": ("logits",)}
    task = zoo.Task(methods=methods, metrics=metrics, **fields)
    with pytest.raises(PluginError, match=message):
        load_task(task)


def test_a_split_with_fewer_samples_than_processes_is_evaluated_by_each_of_them():
    network = nn.Linear(4, 3)
    split = zoo.Split(torch.randn(2, 4), torch.tensor([0, 2]))
    alone = evaluate(network, split, TASKS["classification"])
    assert evaluate(network, split, TASKS["classification"], world=SimpleNamespace(size=3)) == alone
