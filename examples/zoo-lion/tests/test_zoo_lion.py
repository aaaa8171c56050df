import pytest
import torch
import zoo_lion_parts

import zoo


@pytest.mark.zoo("zoo-lion")
def test_the_plugin_contract(zoo_check):
    zoo_check()


def test_a_step_of_lion_moves_each_weight_by_the_learning_rate():
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
    optimizer = zoo_lion_parts.lion([weight], lr=0.1, momentum=0.9, weight_decay=0.5, betas=(0.9, 0.99))
    weight.grad = torch.tensor([4.0, -5.0, 0.0])
    optimizer.step()
    assert weight.tolist() == pytest.approx([0.95 - 0.1, -1.9 + 0.1, 2.85])
    assert optimizer.state[weight]["average"].tolist() == pytest.approx([0.04, -0.05, 0])


def test_the_schedule_falls_to_zero():
    assert [zoo_lion_parts.polynomial(progress, 2.0) for progress in (0, 0.5, 1)] == [1, 0.25, 0]


def test_salt_changes_the_given_fraction_of_the_pixels_to_black_and_white():
    images = torch.full((50, 3, 20, 20), 100, dtype=torch.uint8)
    drawn = zoo_lion_parts.draw_salt(images.shape, torch.Generator().manual_seed(0), 0.2)
    noisy = zoo_lion_parts.apply_salt(images, drawn, 0.2)
    assert noisy.dtype == torch.uint8
    assert noisy.unique().tolist() == [0, 100, 255]
    for value in (0, 255):
        assert float((noisy == value).float().mean()) == pytest.approx(0.1, abs=0.01)


def test_the_focal_loss_without_gamma_is_cross_entropy():
    outputs, targets = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), torch.arange(6) % 4
    plain = torch.nn.functional.cross_entropy(outputs, targets)
    assert zoo_lion_parts.focal(outputs, targets, 0.0) == pytest.approx(plain.item())
    assert zoo_lion_parts.focal(outputs, targets, 2.0) < plain


def test_a_training_uses_all_four_and_exports(tmp_path):
    settings = {"optimizer": "lion", "schedule": "polynomial", "augment": "salt", "loss": "focal", "lr": 1e-3}
    run = zoo.train("cnn-mini", dataset="digits", epochs=4, runs_dir=tmp_path, data_dir=tmp_path, gamma=1.0, **settings)
    assert run.config["hyperparameters"]["betas"] == (0.9, 0.99)
    assert run.config["results"]["test"]["accuracy"] > 0.8
    zoo.export(str(run.folder), "onnx", tmp_path / "lion.onnx", data_dir=tmp_path)
