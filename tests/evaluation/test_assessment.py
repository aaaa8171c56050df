"""``zoo eval``: the evaluation of a trained model, the same in torch and from the exported file."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

import zoo
from zoo.evaluation.assessment import Assessment
from zoo.evaluation.tables import assessment as assessment_lines
from zoo.models.description import ModelDescription


def made_up(task="classification", labels=("a", "b", "c"), outputs=(), targets=()):
    description = ModelDescription("net", task, (4,), labels, (), "data", "net/1", None, {})
    outputs = np.array(outputs, dtype=np.float32)
    inputs = np.zeros((len(outputs), 4), dtype=np.float32)
    return Assessment(description, "torch", "data", "test", inputs, outputs, np.array(targets))


def bundled():
    """The architectures that ship weights for bundled data."""
    registry = zoo.create_registry()
    everything = registry.architectures.values()
    return [spec.name for spec in everything if spec.shipped_weights and not registry.dataset(spec.dataset).files]


@pytest.mark.parametrize("name", bundled())
def test_torch_and_file_give_the_same_figures(name, registry, tmp_path):
    file = zoo.export(name, "onnx", tmp_path / "net.onnx", registry=registry).file
    compare(zoo.assess(name, registry=registry), zoo.assess(file, registry=registry))


@pytest.mark.slow
@pytest.mark.mnist
def test_torch_and_file_agree_on_ten_thousand_digits(registry, tmp_path, mnist_dir):
    file = zoo.export("cnn-mini", "onnx", tmp_path / "net.onnx", registry=registry, data_dir=mnist_dir).file
    own, exported = (zoo.assess(what, registry=registry, data_dir=mnist_dir) for what in ("cnn-mini", file))
    assert own.samples == 10_000
    compare(own, exported)


def test_a_run_and_its_file_agree_to_the_last_sample(digits_run, digits_file, registry):
    compare(zoo.assess(str(digits_run.folder), registry=registry), zoo.assess(digits_file, registry=registry))


def compare(own, exported):
    assert (own.engine, exported.engine) == ("torch", "onnxruntime")
    assert own.samples == exported.samples
    if own.model.decides:
        assert (own.decisions == exported.decisions).all()
        assert (own.confusion == exported.confusion).all()
        assert own.metrics["accuracy"] == exported.metrics["accuracy"]
    for name, interval in own.metrics.items():
        assert exported.metrics[name].value == pytest.approx(interval.value, rel=1e-4, abs=1e-5)


def test_the_metrics_equal_those_recorded_in_the_run(digits_run, registry):
    recorded = digits_run.config["results"]["test"]
    found = zoo.assess(str(digits_run.folder), registry=registry).metrics
    assert found["accuracy"].value == recorded["accuracy"]
    assert found["loss"].value == pytest.approx(recorded["loss"], rel=1e-5)
    assert found["accuracy"].low < recorded["accuracy"] < found["accuracy"].high


def test_results_of_classes_equal_those_of_scikit_learn():
    random = np.random.RandomState(0)
    outputs, targets = random.normal(size=(300, 3)), random.randint(0, 3, 300)
    found = made_up(outputs=outputs, targets=targets)
    predicted = outputs.astype(np.float32).argmax(1)
    assert (found.confusion == confusion_matrix(targets, predicted)).all()
    precision, recall, f1, support = precision_recall_fscore_support(targets, predicted)
    for place, score in enumerate(found.classes):
        wanted = (precision[place], recall[place], f1[place], support[place])
        assert (score.precision.value, score.recall.value, score.f1, score.support) == pytest.approx(wanted)


def test_a_class_that_is_never_predicted_has_no_precision():
    found = made_up(outputs=[[1, 0, 0], [1, 0, 0]], targets=[0, 1])
    assert np.isnan(found.classes[1].precision.value)
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["classes"][2]["f1"] is None


def test_calibration_by_hand():
    sure, unsure = np.log(0.95), np.log(0.65)
    rest = {0.95: np.log(0.05), 0.65: np.log(0.35)}
    outputs = [[sure, rest[0.95]]] * 4 + [[unsure, rest[0.65]]] * 4
    found = made_up(labels=("a", "b"), outputs=outputs, targets=[0, 0, 0, 1, 0, 0, 1, 1]).calibration
    assert found.counts.tolist() == [0, 0, 0, 0, 0, 0, 4, 0, 0, 4]
    assert found.accuracy[[6, 9]].tolist() == [0.5, 0.75]
    assert found.error == pytest.approx((abs(0.65 - 0.5) + abs(0.95 - 0.75)) / 2, abs=1e-6)


def test_the_worst_mistakes_come_first():
    found = made_up(outputs=[[5, 0, 0], [9, 0, 0], [0, 5, 0], [1, 0, 0]], targets=[1, 1, 1, 2])
    assert found.worst(10).tolist() == [1, 0, 3]
    errors = made_up("regression", ("y",), [[1.0], [5.0], [2.0]], [[1.5], [1.0], [2.0]])
    assert errors.worst(2).tolist() == [1, 0]


def test_binary_metrics_and_a_split_with_one_class():
    outputs = [[2.0], [-1.0], [0.5], [-3.0]]
    both = made_up("binary", ("no", "yes"), outputs, [1, 0, 0, 0])
    assert both.metrics["auc"].value == 1.0
    assert both.confusion.tolist() == [[2, 1], [0, 1]]
    assert both.probabilities[0, 1] == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert "auc" not in made_up("binary", ("no", "yes"), outputs, [0, 0, 0, 0]).metrics


def test_the_command_prints_and_draws(zoo_command, digits_run, digits_file, tmp_path):
    shown = zoo_command("eval", digits_run.folder, "-o", tmp_path / "own" / "pictures")
    assert shown.code == 0
    assert "95% CONFIDENCE" in shown.out
    assert "Confusion matrix (rows: true class, columns: predicted class)" in shown.out
    for name in ("confusion", "calibration", "mistakes"):
        with Image.open(tmp_path / "own" / "pictures" / f"{name}.png") as picture:
            assert min(picture.size) > 300
            assert len(picture.convert("L").getcolors() or range(300)) > 20  # something is drawn
    content = json.loads(zoo_command("eval", digits_file, "--json").out)
    assert content["engine"] == "onnxruntime"
    assert sum(map(sum, content["confusion"])) == content["samples"]
    assert len(content["mistakes"]) == round(content["samples"] * (1 - content["metrics"]["accuracy"]["value"]))


def test_a_regression_is_evaluated_by_its_residuals(zoo_command, tmp_path):
    shown = zoo_command("eval", "linear-regression", "-o", tmp_path)
    assert shown.code == 0, shown.err
    assert "MAE" in shown.out
    assert "Errors (predicted minus true)" in shown.out
    assert (tmp_path / "residuals.png").stat().st_size > 5_000


def test_labels_are_not_interpreted_as_markup(tmp_path):
    labels = (r"$\nonsense$", "a" * 200, "<b>&")
    found = made_up(labels=labels, outputs=[[1, 0, 0], [0, 1, 0], [0, 0, 1]], targets=[1, 1, 2])
    assert len(zoo.draw_assessment(found, tmp_path)) == 2
    from zoo.reports.plots import confusion_figure, svg

    text = svg(confusion_figure(found), "confusion")
    assert r"$\nonsense$" in text
    assert "<b>" not in text
    assert "a" * 30 not in text


@pytest.mark.parametrize("split", ["validation", "train"])
def test_other_splits(zoo_command, digits_file, split):
    content = json.loads(zoo_command("eval", digits_file, "--split", split, "--json").out)
    assert content["split"] == split


def test_a_file_is_evaluated_on_user_images(zoo_command, digits_file, tmp_path):
    for label in range(10):
        folder = tmp_path / "own" / str(label)
        folder.mkdir(parents=True)
        for k in range(3):
            Image.new("L", (28, 28), 20 * label + k).save(folder / f"{k}.png")
    content = json.loads(
        zoo_command("eval", digits_file, "--dataset", tmp_path / "own", "--split", "train", "--json").out
    )
    assert content["samples"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.onnx"], "no file missing.onnx"),
        (["text.onnx"], "not an ONNX file"),
        (["resnet-mini", "--dataset", "line"], "trained for classification"),
        (["resnet-mini", "--dataset", "cifar10"], "cifar10"),
        (["rsnet-mini"], "Did you mean"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line(zoo_command, tmp_path, monkeypatch, arguments, message, no_network):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.onnx").write_text("no model")
    done = zoo_command("eval", *arguments)
    assert done.code in (1, 2)
    assert message in done.error


def test_a_file_of_other_data_is_refused(zoo_command, digits_file, tmp_path):
    import onnx

    model = onnx.load(digits_file)
    for entry in model.metadata_props:
        if entry.key == "dataset_fingerprint":
            entry.value = "0" * 64
    onnx.save(model, tmp_path / "other.onnx")
    assert "not the digits" in zoo_command("eval", tmp_path / "other.onnx").error


def test_a_foreign_file_is_named_so(zoo_command, tmp_path):
    import onnx
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, tmp_path / "foreign.onnx")
    assert "was not written by `zoo export`" in zoo_command("eval", tmp_path / "foreign.onnx").error


def test_intervals_of_samples_in_groups_are_wider_for_every_metric():
    random = np.random.RandomState(1)
    right = np.repeat(random.rand(30) < 0.7, 20)  # the samples of a group are all right or all wrong
    targets = np.repeat(random.randint(0, 2, 30), 20)
    logits = np.where(right == (targets == 1), 2.0, -2.0)[:, None] + random.normal(0, 0.1, (600, 1))
    apart = made_up("binary", ("no", "yes"), logits, targets)
    grouped = dataclasses.replace(apart, groups=np.repeat(np.arange(30), 20))
    for name, interval in grouped.metrics.items():
        other = apart.metrics[name]
        assert interval.value == pytest.approx(other.value)
        assert interval.high - interval.low > 2 * (other.high - other.low), name
    for mine, other in zip(grouped.classes, apart.classes, strict=True):
        assert (mine.precision.value, mine.recall.value) == (other.precision.value, other.recall.value)
        assert mine.recall.high - mine.recall.low > 2 * (other.recall.high - other.recall.low)
    assert (grouped.to_dict()["groups"], apart.to_dict()["groups"]) == (30, None)
    assert "The samples are in 30 groups; the intervals resample whole groups." in assessment_lines(grouped)


@pytest.mark.mnist
def test_the_interval_of_the_rentals_resamples_days(mnist_dir, registry, no_network):
    if not (mnist_dir / "tabular" / "hour.csv").is_file():
        pytest.skip("needs tabular/hour.csv in $ZOO_DATA")
    found = zoo.assess("bike-mlp", registry=registry, data_dir=mnist_dir)
    apart = dataclasses.replace(found, groups=None)
    assert found.group_count == 21
    mine, other = found.metrics["mae"], apart.metrics["mae"]
    assert mine.high - mine.low > 1.5 * (other.high - other.low)
