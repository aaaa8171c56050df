"""An ONNX file that asks for the content of other files is refused, wherever it asks and whatever opens it."""

import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import zoo
from zoo import ZooError, read_onnx


def external(name="secret", location="/etc/passwd"):
    tensor = TensorProto(name=name, data_type=TensorProto.UINT8, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor


def model(nodes=(), weights=(), **more):
    x, y = (helper.make_tensor_value_info(name, TensorProto.UINT8, [4]) for name in "xy")
    nodes = [*nodes, helper.make_node("Identity", ["x"], ["y"])]
    graph = helper.make_graph(nodes, "g", [x], [y], initializer=weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10, **more)


def in_a_subgraph():
    body = helper.make_graph([], "body", [], [], initializer=[external()])
    return model([helper.make_node("If", ["x"], [], then_branch=body, else_branch=body)])


def in_a_sparse_tensor():
    made = model()
    made.graph.sparse_initializer.add().values.CopyFrom(external())
    return made


def in_a_function():
    constant = helper.make_node("Constant", [], ["c"], value=external())
    return model(functions=[helper.make_function("own", "F", [], ["c"], [constant], [helper.make_opsetid("", 18)])])


def without_the_flag():
    """Only the key is there; a reader may follow it nevertheless."""
    tensor = external()
    tensor.data_location = TensorProto.DEFAULT
    return model(weights=[tensor])


PLACES = {
    "weights": lambda: model(weights=[external()]),
    "attribute": lambda: model([helper.make_node("Constant", [], ["c"], value=external())]),
    "subgraph": in_a_subgraph,
    "sparse": in_a_sparse_tensor,
    "function": in_a_function,
    "key": without_the_flag,
    "neighbour": lambda: model(weights=[external(location="weights.bin")]),
}


@pytest.mark.parametrize("place", PLACES)
def test_weights_in_another_file_are_refused_wherever_they_are_named(place, tmp_path):
    path = tmp_path / "x.onnx"
    path.write_bytes(PLACES[place]().SerializeToString())
    with pytest.raises(ZooError, match="weights 'secret' are stored in another file"):
        read_onnx(path)


def test_a_sound_file_is_read_unchanged(tmp_path):
    path = tmp_path / "x.onnx"
    path.write_bytes(model(weights=[onnx.numpy_helper.from_array(np.ones(4, np.uint8), "w")]).SerializeToString())
    assert read_onnx(path) == path.read_bytes()


@pytest.mark.parametrize("content", [b"no protobuf", b"\x08", b"\0\0\0\0ORTM"])
def test_a_file_of_another_kind_is_refused(content, tmp_path):
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    with pytest.raises(ZooError, match="it is not an ONNX file"):
        read_onnx(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "x.onnx")
    with pytest.raises(ZooError, match="not a regular file"):
        read_onnx(tmp_path / "x.onnx")


@pytest.fixture(scope="module")
def stealing(tmp_path_factory, digits_file):
    """A real export whose first weights are read from a file of the user beside it."""
    folder = tmp_path_factory.mktemp("stealing")
    file = folder / "x.onnx"
    made = onnx.load(digits_file)
    tensor = made.graph.initializer[0]
    (folder / "private.bin").write_bytes(onnx.numpy_helper.to_array(tensor).tobytes())
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="private.bin")
    file.write_bytes(made.SerializeToString())
    return file


@pytest.mark.parametrize("command", ["predict", "eval", "bench", "demo"])
def test_every_command_refuses_it(command, stealing, zoo_command, monkeypatch):
    monkeypatch.chdir(stealing.parent)  # onnxruntime resolves names of a model in memory in the current folder
    more = {"predict": ["private.bin"], "demo": ["-o", "demo.html"]}.get(command, [])
    result = zoo_command(command, stealing, *more)
    assert result.code == 1
    assert "are stored in another file" in result.error


def test_verify_refuses_it(stealing):
    stealing.with_name("x.onnx.json").unlink(missing_ok=True)
    found = zoo.verify(stealing)
    assert [(check.gate, check.passed) for check in found.checks] == [("structure", False)]
    assert "are stored in another file" in found.checks[0].summary
