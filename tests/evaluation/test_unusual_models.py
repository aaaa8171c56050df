"""Models whose outputs or data are unusual: no labels, NaN, no column names, another kind of input, no record."""

import io
import json
import logging
import platform
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from PIL import Image, ImageDraw
from torch import nn

import zoo
from zoo import environment
from zoo.evaluation import assess, contenders, image_preparation, seeds, tables
from zoo.evaluation.assessment import Assessment
from zoo.evaluation.compare import Candidate
from zoo.evaluation.image_preparation import NO_DIGIT, ImagePreparation, image_sources, prepare_image
from zoo.evaluation.measurement import random_batch
from zoo.evaluation.reproduce import Reproduction
from zoo.evaluation.shown_inputs import _caption as caption
from zoo.models.description import ModelDescription


def described(shape, task="regression", labels=(), columns=(), **content):
    return ModelDescription("net", task, shape, labels, columns, "data", "net/1", None, content)


def write(path, operator="Relu", **entries):
    """A file for two numbers, which applies an operator to each of them."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ("batch", 2)) for name in "xy")
    graph = helper.make_graph([helper.make_node(operator, ["x"], ["y"])], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    usual = {"architecture": "net", "task": "regression", "input_shape": [2], "labels": [], "dataset": "d"}
    for key, value in (usual | {"checkpoint_sha256": "0" * 64} | entries).items():
        model.metadata_props.add(key=key, value=value if isinstance(value, str) else json.dumps(value))
    onnx.save(model, path)
    return path


# predictions


def test_numbers_without_names_are_predictions_by_their_place(tmp_path):
    path = write(tmp_path / "net.onnx")
    (found,) = zoo.predict(path, "3,-4")
    assert found.values == {"prediction 0": 3.0, "prediction 1": 0.0}
    named = write(tmp_path / "named.onnx", labels=["a", "b"])
    (found,) = zoo.predict(named, "3,-4")
    assert found.values == {"a": 3.0, "b": 0.0}


def test_an_output_that_is_not_finite_is_an_error_of_its_sample_alone(tmp_path):
    path = write(tmp_path / "net.onnx", "Log", labels=["a", "b"])
    good, negative, zero = zoo.predict(path, ["1,1", "1,-1", "0,1"])
    assert good.values == {"a": 0.0, "b": 0.0}
    assert (good.error, good.values is None) == ("", False)
    for bad in (negative, zero):
        assert (bad.error, bad.values) == ("the output of the model is NaN or infinite", None)


def test_the_caption_of_a_shown_regression_has_its_numbers():
    answer = zoo.Prediction("a.png", values={"height": 3.14159265, "width": 20.0})
    assert caption(answer) == "height: 3.14159, width: 20"
    assert caption(zoo.Prediction("a.png", "three", {"three": 0.75}, unsure=True)) == "three  75.0%  unsure"


# comparisons and evaluations


def test_files_are_compared_by_the_test_metrics_in_them(tmp_path):
    paths = [write(tmp_path / f"{mae}.onnx", test={"mae": mae, "r2": 0.5}) for mae in (3.0, 1.0)]
    found = zoo.compare(list(map(str, paths)))
    assert [(one.name, one.values) for one in found.candidates] == [(str(paths[1]), (1.0,)), (str(paths[0]), (3.0,))]
    assert found.candidates[0].costs == {"bytes": paths[1].stat().st_size}


def test_a_run_that_was_stopped_before_its_test_cannot_be_compared(tiny_registry, runs_dir):
    run = zoo.train("tiny-cnn", registry=tiny_registry, runs_dir=runs_dir, epochs=1, device="cpu")
    record = json.loads((run.folder / "run.json").read_text())
    (run.folder / "run.json").write_text(json.dumps(record | {"results": None, "status": "interrupted"}))
    with pytest.raises(zoo.RunNotFound, match=r"has no test results: it is interrupted\. Run `zoo train --resume "):
        zoo.compare([str(run.folder), "lenet"], registry=tiny_registry, runs_dir=runs_dir)


def test_a_cost_that_is_not_known_is_a_dash():
    known = Candidate("a", "data", "accuracy", (0.5,), "file", {"bytes": 2_000, "parameters": 1_234})
    assert tables._cost_text("latency", known) == "-"
    assert tables._cost_text("parameters", known) == "1,234"
    assert "kB" in tables._cost_text("bytes", known)


def test_a_regression_has_no_table_of_classes_in_a_notebook():
    inputs, outputs = np.zeros((3, 4), np.float32), np.array([[1.0], [2.0], [3.0]], np.float32)
    numbers = Assessment(described((4,)), "torch", "data", "test", inputs, outputs, outputs + 1)
    assert "predicted" not in numbers._repr_html_()
    assert "MAE" in numbers._repr_html_()
    chosen = described((4,), "classification", ("a", "b"))
    classes = Assessment(chosen, "torch", "data", "test", inputs, np.eye(3, 2, dtype=np.float32), np.array([0, 1, 1]))
    assert "predicted a" in classes._repr_html_()


@pytest.mark.parametrize(("metric", "first"), [("mae", 2), ("accuracy", 0)])
def test_the_worst_samples_of_an_unusual_task_have_the_worst_main_metric(metric, first, monkeypatch):
    monkeypatch.setattr("zoo.evaluation.intervals.main_values", lambda *_: np.array([0.1, 0.5, 0.9]))
    values = np.zeros((3, 1), np.float32)
    methods = SimpleNamespace(metric=metric)
    model = described((4,), "masks", predicts="discrete")
    found = Assessment(model, "torch", "data", "test", values, values, values, None, methods)
    assert found.worst(2).tolist() == [first, 1]


def test_a_table_with_other_columns_than_those_of_the_model_is_refused(registry, tmp_path):
    spec = registry.dataset("iris")
    same = described(spec.input_shape, "classification", spec.labels, spec.columns, architecture="net")
    assert str(assess._other_data(same, registry, tmp_path, "iris", {})).startswith("iris")
    other = described(spec.input_shape, "classification", spec.labels, spec.columns[::-1], architecture="net")
    with pytest.raises(zoo.DataError, match=r"^iris.* has other columns, or other categories, than net was trained on"):
        assess._other_data(other, registry, tmp_path, "iris", {})


def test_a_result_without_a_record_is_not_reproduced():
    metrics = {"accuracy": {"mean": 0.9, "std": 0.01}}
    trials = [{"seed": 0, "checkpoint_sha256": "a", "test": {"accuracy": 0.9}}]
    record = {"metrics": metrics, "trials": trials, "test_samples": 100}
    alone = Reproduction(record, None, ())
    assert (alone.difference, alone.allowed, alone.reproduced, alone.identical) == (None, 0.0, False, 0)
    same = Reproduction(record, record, ())
    assert (same.difference, same.reproduced, same.identical) == (0.0, True, 1)


def test_a_missing_dataset_is_downloaded_once_for_all_processes(registry, tmp_path, monkeypatch):
    asked = []

    def read(spec, *_, options):
        asked.append((spec.name, options))
        raise zoo.DataUnavailable("no network")  # each process says so itself

    monkeypatch.setattr(seeds, "read_dataset", read)
    job = {"architecture": "lenet", "data_dir": tmp_path, "dataset": None}
    seeds._fetch(job | {"data_options": {"subset": 1}}, registry)
    seeds._fetch(job | {"dataset": "digits"}, registry)  # bundled
    seeds._fetch(job | {"dataset": "table.csv"}, registry)
    assert asked == [("mnist", {"subset": 1})]


# timing


def test_random_bytes_of_another_kind_have_all_values():
    batch = random_batch(described((50,), input={"kind": "bytes", "type": "uint8"}), 20)
    assert (batch.dtype, batch.shape) == (np.uint8, (20, 50))
    assert batch.max() > 250
    words = random_batch(described((50,), input={"kind": "tokens", "type": "int64"}), 20)
    assert set(words.ravel().tolist()) == {0, 1}  # no vocabulary is named


def test_torch_uses_other_threads_for_a_while_only_if_asked():
    before = torch.get_num_threads()
    with contenders.torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    for threads in (0, before):
        with contenders.torch_threads(threads):
            assert torch.get_num_threads() == before
    assert torch.get_num_threads() == before


def timed(monkeypatch, compile):
    """The contenders of a compiled model in torch, where ``torch.compile`` is ``compile``."""
    module = nn.Sequential(nn.Linear(2, 1), nn.Unflatten(1, (1, 1)))
    model = SimpleNamespace(module=module, description=described((2,)))
    monkeypatch.setattr(contenders, "open_model", lambda *_, **__: model)
    monkeypatch.setattr(contenders, "measure_memory", lambda *_: 7)
    monkeypatch.setattr("torch.compile", compile)
    settings = SimpleNamespace(runs_dir=None, registry=None, largest=3, threads=1, compiled=True)
    return list(contenders._in_torch("net", settings, "cpu", "net "))


def test_a_model_is_timed_in_torch_compile_only_if_that_works(monkeypatch, caplog):
    def fail(module, dynamic):
        def run(*_):
            raise RuntimeError("no C++\ncompiler")

        return run

    plain, compiled = timed(monkeypatch, lambda module, dynamic: module)
    assert (plain.name, plain.bytes_added, compiled.name) == ("net torch", 7, "net torch compiled")
    assert len(compiled.run(np.zeros((3, 2), np.float32))) == 3
    with caplog.at_level(logging.WARNING):
        assert [one.name for one in timed(monkeypatch, fail)] == ["net torch"]
    assert "torch.compile does not work here: no C++ compiler" in caplog.text


def test_every_form_of_a_network_is_timed_under_its_name(tmp_path, monkeypatch):
    made = []

    def export(reference, name, output, reduction="", **_):
        made.append((reference, reduction))
        return SimpleNamespace(file=output)

    monkeypatch.setattr("zoo.exporting.export.export", export)
    monkeypatch.setattr(contenders, "_in_torch", lambda reference, settings, device, prefix: [f"{prefix}torch"])
    monkeypatch.setattr(contenders, "_of_file", lambda path, settings, name: (path.name, [name]))
    folders = {"data_dir": None, "runs_dir": None, "registry": None}
    settings = SimpleNamespace(several=True, device="cpu", reductions=("int8", "fp16"), **folders)
    description, names = contenders._of_checkpoint("lenet", settings, tmp_path / "files")
    assert description == "files"
    assert names == ["lenet torch", "lenet onnxruntime", "lenet onnxruntime int8", "lenet onnxruntime fp16"]
    assert made == [("lenet", ""), ("lenet", "int8"), ("lenet", "fp16")]


@pytest.mark.parametrize(("system", "content"), [("linux", "BogoMIPS: 50\n"), ("darwin", "model name: x")])
def test_a_processor_without_a_model_name_has_that_of_the_platform(system, content, monkeypatch):
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr("pathlib.Path.read_text", lambda *_, **__: content)
    monkeypatch.setattr(platform, "processor", lambda: "aarch64")
    assert environment.processor() == "aarch64"


# images


def test_a_choice_that_there_is_not_is_refused():
    with pytest.raises(zoo.InvalidValue, match=r"frame 'maybe' is not one of auto, yes, no\."):
        ImagePreparation(frame="maybe")
    with pytest.raises(zoo.InvalidValue, match=r"fit 'zoom' is not one of crop, pad, stretch\."):
        ImagePreparation(fit="zoom")


def png(picture):
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def test_an_image_is_inverted_only_if_the_brightness_of_the_training_images_is_known():
    light = png(Image.new("L", (8, 8), 250))
    array, steps = prepare_image(light, described((1, 8, 8), "classification"), ImagePreparation())
    assert (steps, array.min()) == ((), 250)
    dark = described((1, 8, 8), "classification", normalisation={"mean": [80.0]})
    array, steps = prepare_image(light, dark, ImagePreparation())
    assert (steps, array.max()) == (("inverted",), 5)


def test_a_ruled_line_alone_is_no_digit():
    digits = described((1, 28, 28), "classification", normalisation={"mean": [33.0]})
    picture = Image.new("L", (300, 200), 255)
    ImageDraw.Draw(picture).line([(20, 100), (280, 100)], fill=0, width=6)
    with pytest.raises(ValueError, match=NO_DIGIT):
        prepare_image(png(picture), digits, ImagePreparation())
    ImageDraw.Draw(picture).line([(150, 20), (140, 180)], fill=0, width=10)
    assert prepare_image(png(picture), digits, ImagePreparation())[1] == ("inverted", "framed")


def test_a_folder_that_cannot_be_read_is_an_error_and_the_others_are_read(tmp_path, monkeypatch):
    scan = image_preparation.os.scandir
    for name in ("closed", "open"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").touch()

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr("os.scandir", refuse)
    found = list(image_sources([tmp_path]))
    assert found == [
        (str(tmp_path / "open" / "a.png"), tmp_path / "open" / "a.png"),
        (str(tmp_path / "closed"), "Permission denied"),
    ]


def test_empty_lines_in_a_list_of_names_are_no_names(tmp_path, monkeypatch):
    for name in "ab":
        (tmp_path / f"{name}.png").touch()
    names = f"{tmp_path}/a.png\n\n  \n{tmp_path}/b.png\n"
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(names.encode())))
    assert [name for name, _ in image_sources(["-"])] == [f"{tmp_path}/a.png", f"{tmp_path}/b.png"]


# contenders of a benchmark


def bench_settings(registry, device="cpu", reductions=()):
    return contenders.Settings(device, False, reductions, 1, 1, False, None, None, registry)


def test_a_quantised_file_is_timed_whatever_accuracy_it_loses(registry, tmp_path, monkeypatch):
    given = []

    def export(reference, exporter, output, reduction="", max_drop=0.5, **_):
        given.append((reference, exporter, output, reduction, max_drop))
        return SimpleNamespace(file=write(tmp_path / "net.onnx"))

    monkeypatch.setattr("zoo.exporting.export.export", export)
    monkeypatch.setattr(contenders, "_in_torch", lambda *_: iter(()))
    monkeypatch.setattr(contenders, "measure_memory", lambda *_: 0)
    folder = tmp_path / "files"
    _, found = contenders._of_checkpoint("net", bench_settings(registry, reductions=("int8",)), folder)
    assert [each.name for each in found] == ["onnxruntime", "onnxruntime int8"]
    assert given == [("net", "onnx", folder, "", 0.5), ("net", "onnx", folder / "int8.onnx", "int8", 100.0)]


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a CUDA device")
def test_a_checkpoint_is_not_exported_for_a_device_that_is_not_there(registry, tmp_path):
    with pytest.raises(zoo.DeviceUnavailable, match="torch finds no CUDA device on this machine"):
        contenders._of_checkpoint("net", bench_settings(registry, "cuda"), tmp_path / "files")
    assert not (tmp_path / "files").exists()
