import pytest
import torch
import zoo_segmentation_parts as parts

import zoo


@pytest.mark.zoo("zoo-segmentation")
def test_the_plugin_contract(zoo_check):
    zoo_check()


def test_the_metric_is_that_of_a_calculation_by_hand():
    made, true = torch.tensor([[[0, 0], [1, 1]]]), torch.tensor([[[0, 1], [1, 1]]])
    # class 0: one of two pixels, class 1: two of three; class 2 does not occur
    assert parts.intersection_over_union(made, true, 3).tolist() == pytest.approx([(1 / 2 + 2 / 3) / 2])


def test_masks_lie_on_the_drawn_shapes():
    split = parts.draw(20, seed=5)
    inside = split.targets > 0
    pixels = split.inputs[:, 0].float()
    assert float(pixels[inside].min()) >= 120
    assert float(pixels[~inside].max()) < 80


def test_targets_of_the_wrong_type_are_refused():
    methods = zoo.create_registry().task("segmentation").load()
    assert "not int64 [N, H, W]" in methods.target_problem(torch.zeros(2, 3), 4)
    assert "outside 0 … 3" in methods.target_problem(torch.full((2, 3, 3), 4), 4)
    assert methods.target_problem(torch.full((2, 3, 3), 3), 4) == ""


def test_a_training_is_evaluated_predicted_and_exported(tmp_path):
    run = zoo.train("segment-mini", epochs=2, runs_dir=tmp_path, data_dir=tmp_path)
    results = run.config["results"]
    assert results["test"]["iou"] > results["baseline"]["iou"]
    exported = zoo.export(str(run.folder), "onnx", tmp_path / "s.onnx", data_dir=tmp_path)
    found = zoo.assess(exported.file, data_dir=tmp_path)
    assert found.metrics["iou"].value == pytest.approx(results["test"]["iou"], abs=1e-3)
    image = tmp_path / "image.png"
    from PIL import Image

    Image.fromarray(parts.draw(1, seed=9).inputs[0, 0].numpy()).save(image)
    (prediction,) = zoo.predict(exported.file, image)
    assert sum(prediction.values.values()) == pytest.approx(1)
