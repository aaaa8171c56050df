"""What an ONNX file may not hold, found without running it."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from zoo.exporters.onnx import quantise
from zoo.exporters.onnx.structure import inspect
from zoo.exporters.onnx.write import _forget_origin as forget_origin
from zoo.exporters.onnx.write import _name_the_batch as name_the_batch

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


def leaky(domain="own", alpha=0.1):
    """A change that adds a function for ``x``, with a setting that has a usual value."""

    def change(model):
        node = helper.make_node("LeakyRelu", ["x"], ["y"])
        node.attribute.add(name="alpha", ref_attr_name="alpha", type=onnx.AttributeProto.FLOAT)
        usual = [helper.make_attribute("alpha", alpha)]
        opsets = [helper.make_opsetid("", 18)]
        model.functions.append(helper.make_function(domain, "Leaky", ["x"], ["y"], [node], opsets, [], usual))
        model.opset_import.append(helper.make_opsetid("own", 1))

    return change


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (leaky(), ""),
        (leaky(domain="other"), "operator Leaky is of the domain 'own', not of standard ONNX"),
        (leaky(alpha=float("nan")), "an operator has NaN as a setting"),
    ],
    ids=["sound", "other domain", "setting"],
)
def test_a_function_of_the_file_itself_is_looked_into(change, problem, tmp_path):
    found = inspect(
        write(tmp_path / "model.onnx", [helper.make_node("Leaky", ["x"], ["y"], domain="own")], change=change)
    )
    assert found.problem == problem
    assert found.operators == {"own.Leaky": 1, "LeakyRelu": 1}


def test_weights_that_are_texts_are_compared_too(tmp_path):
    def weights_of(*texts):
        words = helper.make_tensor("words", TensorProto.STRING, [len(texts)], [text.encode() for text in texts])
        path = write(tmp_path / "model.onnx", [helper.make_node("Relu", ["x"], ["y"])], constants=[words])
        found = inspect(path)
        assert found.problem == ""
        return found.weights

    assert weights_of("a", "b") == weights_of("a", "b") != weights_of("a", "c")


def test_a_description_that_is_no_json_stays_text(tmp_path):
    def describe(model):
        for key, value in (("a", "[1, 2]"), ("b", "NaN"), ("c", "[" * 100_000), ("d", "some text")):
            model.metadata_props.add(key=key, value=value)

    found = inspect(write(tmp_path / "model.onnx", [helper.make_node("Relu", ["x"], ["y"])], change=describe))
    assert found.description == {"a": [1, 2], "b": "NaN", "c": "[" * 100_000, "d": "some text"}


def parts_of(message):
    """A protobuf message and all messages in it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for item in value if field.is_repeated else [value]:
                yield from parts_of(item)


def test_no_part_of_a_file_keeps_where_it_was_written(tmp_path):
    """Not in functions and branches either: paths of the machine would be published, and equal networks differ."""
    inside = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["z"])], "inside", [], [helper.make_tensor_value_info("z", 1, ["b"])]
    )
    branch = helper.make_node("If", ["c"], ["y"], then_branch=inside, else_branch=inside)
    model = onnx.load(write(tmp_path / "model.onnx", [branch], change=leaky()))
    for part in list(parts_of(model)):
        names = {field.name for field in part.DESCRIPTOR.fields}
        if "doc_string" in names:
            part.doc_string = "/home/me/net.py"
        if "metadata_props" in names:
            part.metadata_props.add(key="line", value="/home/me/net.py:3")
    forget_origin(model)
    assert model.producer_name == "pluggy-zoo"
    model.ClearField("metadata_props")  # the description of the model replaces them
    assert b"/home/me" not in model.SerializeToString()


@pytest.mark.parametrize(("given", "named"), [("s77", "batch"), ("batch", "batch"), (1, 1)])
def test_the_batch_size_is_named_wherever_it_is_used(given, named, tmp_path):
    model = onnx.load(write(tmp_path / "model.onnx", [helper.make_node("Relu", ["x"], ["y"])]))

    def shape(*sizes):
        return helper.make_tensor_value_info("v", TensorProto.FLOAT, sizes)

    model.graph.input[0].CopyFrom(shape(given, 4))
    model.graph.output[0].CopyFrom(shape(given, "features"))
    model.graph.value_info.append(shape(f"2*{given}", f"{given}1", "_d"))
    name_the_batch(model)

    def sizes(item):
        return [size.dim_param or size.dim_value for size in item.type.tensor_type.shape.dim]

    assert sizes(model.graph.input[0]) == [named, 4]
    assert sizes(model.graph.output[0]) == [named, "features"]
    assert sizes(model.graph.value_info[0]) == [f"2*{named}", f"{given}1", "_d"]


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
