import pytest
import torch
import zoo_multilabel_parts as parts
from PIL import Image

import zoo


@pytest.mark.zoo("zoo-multilabel")
def test_the_plugin_contract(zoo_check):
    zoo_check()


def test_the_metrics_are_those_of_a_calculation_by_hand():
    methods = zoo.create_registry().task("multilabel").load()
    outputs, targets = torch.tensor([[1.0, -1.0], [1.0, 1.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    measured = methods.measure(outputs, targets)
    assert measured["exact_match"].tolist() == [1, 0]
    assert measured["label_accuracy"].tolist() == [1, 0.5]
    assert methods.summarise(outputs, targets)["macro_f1"] == pytest.approx((1 + 0) / 2)
    assert methods.baseline(targets, targets) == {"exact_match": 1.0}


def test_an_image_has_the_digits_of_its_labels():
    blank, bright = torch.zeros(8, 8, dtype=torch.uint8), torch.full((8, 8), 200, dtype=torch.uint8)
    split = parts.compose(torch.stack([blank, bright]), torch.tensor([3, 7]), 50, seed=0)
    shows_bright = (split.inputs > 0).flatten(1).any(dim=1)
    assert torch.equal(shows_bright, split.targets[:, 7] > 0)
    assert split.targets.sum(dim=1).min() >= 1


def test_targets_of_the_wrong_type_are_refused():
    methods = zoo.create_registry().task("multilabel").load()
    assert "not float32 [N, 4]" in methods.target_problem(torch.zeros(2, 3), 4)
    assert "neither 0 nor 1" in methods.target_problem(torch.full((2, 4), 0.5), 4)
    assert methods.target_problem(torch.ones(2, 4), 4) == ""


def test_a_training_is_evaluated_predicted_and_exported(tmp_path):
    run = zoo.train("multilabel-mini", epochs=4, runs_dir=tmp_path, data_dir=tmp_path)
    results = run.config["results"]
    assert results["test"]["exact_match"] > results["baseline"]["exact_match"] + 0.2
    exported = zoo.export(str(run.folder), "onnx", tmp_path / "m.onnx", data_dir=tmp_path)
    found = zoo.assess(exported.file, data_dir=tmp_path)
    assert found.metrics["macro_f1"].value == pytest.approx(results["test"]["macro_f1"], abs=1e-3)
    image = tmp_path / "image.png"
    Image.fromarray(parts.load_several_digits(tmp_path, False).test.inputs[0, 0].numpy()).save(image)
    (prediction,) = zoo.predict(exported.file, image)
    assert list(prediction.values) == list("0123456789")
