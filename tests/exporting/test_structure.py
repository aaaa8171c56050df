"""What an ONNX file may not hold, found without running it."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from zoo.exporters.onnx import quantise
from zoo.exporters.onnx.structure import inspect

from zoo import ExportError


def write(path, nodes, *, change=lambda model: None, constants=()):
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ("batch", 4)) for name in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y], initializer=constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    change(model)
    onnx.save(model, path)
    return path


def twice(model):
    for value in ("one", "two"):
        model.metadata_props.add(key="labels", value=value)


def sparse(model):
    values = onnx.numpy_helper.from_array(np.ones(1, np.float32), "s")
    places = onnx.numpy_helper.from_array(np.zeros(1, np.int64), "places")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [4]))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (twice, "its description has the entry 'labels' twice"),
        (sparse, "it has sparse weights, which runtimes treat differently"),
        (lambda model: model.training_info.add(), "it holds a program for training"),
        (lambda model: model.graph.node[0].attribute.append(helper.make_attribute("alpha", float("nan"))), "NaN"),
    ],
    ids=["twice", "sparse", "training", "setting"],
)
def test_what_the_checks_cannot_see_is_refused(change, problem, tmp_path):
    node = helper.make_node("LeakyRelu", ["x"], ["y"])
    assert inspect(write(tmp_path / "model.onnx", [node])).problem == ""
    assert problem in inspect(write(tmp_path / "model.onnx", [node], change=change)).problem


@pytest.mark.parametrize(
    ("switch", "problem"),
    [(True, "operator Dropout is in training mode, so it draws random numbers"), (False, "")],
)
def test_dropout_in_training_mode_is_refused_wherever_its_switch_is(switch, problem, tmp_path):
    ratio = helper.make_tensor("ratio", TensorProto.FLOAT, (), [0.5])
    training = helper.make_tensor("training", TensorProto.BOOL, (), [switch])
    dropout = helper.make_node("Dropout", ["x", "ratio", "training"], ["y"])
    constant = helper.make_node("Constant", [], ["training"], value=training)
    path = tmp_path / "model.onnx"
    assert inspect(write(path, [dropout], constants=[ratio, training])).problem == problem
    assert inspect(write(path, [constant, dropout], constants=[ratio])).problem == problem


class Source:
    name = "net"


@pytest.mark.parametrize(
    ("reduce", "tool", "text"),
    [("to_fp16", "convert_float_to_float16", "onnxruntime cannot convert net: two lines")],
)
def test_a_tool_that_fails_is_one_line(reduce, tool, text, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("two\nlines")

    path = write(tmp_path / "model.onnx", [helper.make_node("Relu", ["x"], ["y"])])
    monkeypatch.setattr(quantise, tool, fail)
    with pytest.raises(ExportError) as caught:
        getattr(quantise, reduce)(Source(), path, tmp_path / "smaller.onnx")
    assert str(caught.value) == text
