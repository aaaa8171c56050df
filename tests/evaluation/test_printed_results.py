"""What `zoo eval`, `zoo predict` and `zoo compare` print or refuse in unusual cases."""

import io
import json
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import zoo
from zoo import DataError, DataUnavailable, UsageError
from zoo.evaluation import assess, reproduce, tables
from zoo.evaluation.assessment import Assessment
from zoo.evaluation.image_preparation import LONGEST_NAME, image_sources
from zoo.evaluation.intervals import Interval
from zoo.evaluation.rows import LONGEST_ROW, parse_row
from zoo.evaluation.shown_inputs import ShownInputs
from zoo.models.description import ModelDescription


def description(**fields):
    usual = {"name": "net", "task": "classification", "input_shape": (4,), "labels": (), "content": {}}
    given = usual | fields
    names = ("name", "task", "input_shape", "labels")
    return ModelDescription(*(given[name] for name in names), (), "data", "net/1", None, given["content"])


def assessment(outputs, targets, **fields):
    outputs = np.asarray(outputs, np.float32)
    inputs = np.zeros((len(outputs), 4), np.float32)
    return Assessment(description(**fields), "torch", "data", "test", inputs, outputs, np.asarray(targets))


def test_many_classes_are_shown_by_the_pairs_that_are_confused():
    count = tables.MOST_CLASSES + 1
    outputs = np.eye(count)
    outputs[:2] = outputs[2]
    labels = tuple(f"class {number}" for number in range(count))
    text = "\n".join(tables.assessment(assessment(outputs, range(count), labels=labels)))
    assert "Confusion matrix" not in text
    lines = text[text.index("Most confused classes:") :].splitlines()
    assert [line.split() for line in lines[2:4]] == [
        ["1", "class", "1", "class", "2"],
        ["1", "class", "0", "class", "2"],
    ]
    assert "Worst 2 of 2 mistakes:" in text


def test_a_single_mistake_is_the_only_one_and_none_is_not_shown():
    outputs = np.eye(3)
    text = "\n".join(tables.assessment(assessment(outputs, [0, 1, 1], labels=("a", "b", "c"))))
    assert "The only mistake:" in text
    text = "\n".join(tables.assessment(assessment(outputs, [0, 1, 2], labels=("a", "b", "c"))))
    assert "mistake" not in text.lower()


def test_an_interval_that_is_not_there_is_not_printed():
    nan = float("nan")
    assert tables.interval_text("accuracy", Interval(nan, nan, nan)) == "-"
    assert tables.interval_text("accuracy", Interval(0.5, nan, nan)) == "50.00%"
    assert tables.interval_text("accuracy", Interval(0.5, 0.4, 0.6)) == "50.00% (40.00% to 60.00%)"


def test_a_row_that_is_too_long_is_an_error():
    row = parse_row("1," * LONGEST_ROW, description())
    assert row.error == f"a row of more than {LONGEST_ROW:,} characters; put it into a file"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b" \n", "no image and no file names: nothing to predict"),
        (b"a" * (LONGEST_NAME + 1), "neither an image nor a list of file names"),
        (b"some text, which is long enough for the first part; then a zero byte\0\n", "neither an image nor a list of"),
        (b"\x89PNG\r\n\x1a\n" + bytes(1_001), "more than 1,000 bytes"),
    ],
    ids=["nothing", "long name", "zero byte", "large"],
)
def test_standard_input_that_holds_no_image_is_an_error(content, found, monkeypatch):
    monkeypatch.setattr("zoo.evaluation.image_preparation.LARGEST_STDIN", 1_000)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    ((name, problem),) = image_sources(["-"])
    assert name == "-"
    assert problem.startswith(found)


def answer(pixels):
    return SimpleNamespace(pixels=pixels, source="a.png", label="three", probability=0.5, error="", values=None)


def test_a_file_of_shown_inputs_holds_one_image(tmp_path, monkeypatch):
    monkeypatch.setattr("zoo.evaluation.shown_inputs.picture", lambda answer: a_picture())
    shown = ShownInputs(tmp_path / "seen.png")
    shown.save(answer(None))
    assert not shown.path.exists()
    shown.save(answer(np.zeros((1, 4, 4), np.uint8)))
    assert shown.path.is_file()
    with pytest.raises(UsageError, match=r"seen\.png holds one image, but there are several\. Give a folder instead"):
        shown.save(answer(np.zeros((1, 4, 4), np.uint8)))
    late = ShownInputs(tmp_path / "late.png")
    late.path.touch()
    with pytest.raises(UsageError, match=r"--show cannot write .*late\.png: File exists"):
        late.save(answer(np.zeros((1, 4, 4), np.uint8)))


def a_picture():
    from PIL import Image

    return Image.new("L", (4, 4))


def test_a_comparison_needs_the_metrics_of_a_file(tmp_path, monkeypatch):
    path = tmp_path / "foreign.onnx"
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ("batch", 4)) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    described = {"architecture": "foreign", "task": "regression", "input_shape": [4], "labels": ["y"], "dataset": "d"}
    for key, value in (described | {"checkpoint_sha256": "0" * 64, "columns": []}).items():
        model.metadata_props.add(key=key, value=value if isinstance(value, str) else json.dumps(value))
    onnx.save(model, path)
    with pytest.raises(zoo.ZooError, match=r"contains no test metrics\. `zoo eval .*` computes them"):
        zoo.compare([str(path), "lenet"])


def test_results_without_an_export_have_no_latency(registry, monkeypatch, caplog):
    def fail(*_, **__):
        raise zoo.ExportError("it draws random numbers.")

    monkeypatch.setattr(reproduce, "export", fail)
    assert reproduce._latency(SimpleNamespace(folder="run"), registry) == {}
    assert "The results contain no latency: it draws random numbers." in caplog.text


def test_a_split_has_one_of_three_names():
    with pytest.raises(UsageError, match=r"Split 'tests' is not one of test, validation, train\."):
        zoo.assess("lenet", split="tests")


def test_the_dataset_of_a_model_may_be_missing(registry, tmp_path, monkeypatch):
    def recorded(dataset):
        model = description(content={"architecture": "net", "dataset_fingerprint": "0" * 64}, input_shape=(1, 28, 28))
        object.__setattr__(model, "dataset", dataset)
        return assess._recorded_data(model, registry, tmp_path, {})

    def missing(*_, **__):
        raise DataUnavailable("digits is not here.")

    with pytest.raises(DataError, match=r"This is not the digits dataset that net was trained on\."):
        recorded("digits")
    with pytest.raises(DataUnavailable, match=r"net needs the dataset 'nothing'.*or give --dataset PATH"):
        recorded("nothing")
    monkeypatch.setattr(assess, "read_dataset", missing)
    with pytest.raises(DataUnavailable, match=r"digits is not here\. Run `zoo fetch digits`, or choose another data"):
        recorded("digits")


def test_a_dataset_that_does_not_fit_the_model_is_refused(registry, tmp_path):
    right = {"input_shape": (1, 28, 28), "labels": tuple("0123456789"), "content": {"architecture": "net"}}

    def other(**fields):
        return assess._other_data(description(**(right | fields)), registry, tmp_path, "digits", {})

    assert str(other()).startswith("digits")
    with pytest.raises(
        DataError, match=r"takes samples of shape \(1, 9, 9\) and has 10 outputs; .* of shape \(1, 28, 28\)"
    ):
        other(input_shape=(1, 9, 9))
    with pytest.raises(DataError, match=r"takes samples of shape .* and has 3 outputs"):
        other(labels=("a", "b", "c"))
    with pytest.raises(DataError, match=r"was trained on the classes a, b, c, d, e …; .* has other classes"):
        other(labels=tuple("abcdefghij"))


def tokens(*vocabulary):
    entry = {"kind": "tokens", "options": {"vocabulary": list(vocabulary), "separator": "", "lower": False}}
    return {"architecture": "net", "input": entry}


def test_a_dataset_of_another_kind_or_with_other_options_is_refused(registry):
    class Data:
        def __init__(self, kind, shape, **options):
            self.spec = SimpleNamespace(input=kind, input_shape=shape, input_options=options)

        def __str__(self):
            return "words"

    words = Data("tokens", (4,), vocabulary=("a", "b"))
    assess._check_kind(description(content=tokens("a", "b")), registry, words)
    with pytest.raises(DataError, match=r"^words has another vocabulary than net was trained on\.$"):
        assess._check_kind(description(content=tokens("a", "c")), registry, words)
    with pytest.raises(DataError, match=r"^net takes tokens; words has samples of the kind signal\.$"):
        assess._check_kind(description(content=tokens("a", "b")), registry, Data("signal", (1, 4)))


def test_a_task_that_no_plugin_has_is_needed_for_unusual_predictions_only(registry):
    content = {"architecture": "net", "predicts": "class"}
    assert assess._methods(description(task="scene", content=content), registry) is None
    content["predicts"] = "discrete"
    with pytest.raises(zoo.PluginError, match=r"net needs the task 'scene', which no plugin registers here"):
        assess._methods(description(task="scene", content=content), registry)


def test_the_outputs_of_a_model_are_those_of_its_task_its_labels_or_the_usual_ones(registry):
    assert assess._outputs(description(task="binary"), registry, 5) == 1
    assert assess._outputs(description(labels=("a", "b", "c")), registry, 5) == 3
    assert assess._outputs(description(), registry, 5) == 5
