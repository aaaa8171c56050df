"""``--set augment=elastic``: smooth distortions of images."""

import importlib

import pytest
import torch

import zoo

elastic = importlib.import_module("zoo.plugins.recipe_parts.augmentations")


def generator():
    return torch.Generator().manual_seed(0)


def images(count=6, channels=1, height=28, width=20):
    return torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8, generator=generator())


def test_a_field_of_zeros_changes_nothing():
    x = images()
    same = elastic.apply_elastic(x, torch.zeros(6, 2, 5, 5), 0.0)
    torch.testing.assert_close(same, x.float(), atol=1e-3, rtol=0)


def test_a_constant_field_is_a_shift_of_its_fraction_of_the_side():
    x = images()
    field = torch.zeros(6, 2, 5, 5)
    field[:, 0], field[:, 1] = 2 / 28, -3 / 20  # each pixel comes from 2 rows below and 3 columns to the left
    moved = elastic.apply_elastic(x, field, 0.1)
    torch.testing.assert_close(moved[:, :, :-2, 3:], x[:, :, 2:, :-3].float(), atol=1e-2, rtol=0)


def test_images_keep_shape_and_range_and_differ_from_each_other():
    x = images(channels=3)[:1].expand(4, -1, -1, -1)
    moved = elastic.apply_elastic(x, elastic.draw_elastic(x.shape, generator(), 0.05), 0.05)
    assert moved.shape == x.shape
    assert moved.dtype == torch.float32
    assert 0 <= float(moved.min()) <= float(moved.max()) <= 255
    assert not torch.equal(moved[0], moved[1])


@pytest.mark.parametrize("distortion", [0.0, 0.02, 0.1])
def test_the_option_is_the_deviation_of_the_displacement(distortion):
    drawn = elastic.draw_elastic((2_000, 1, 28, 28), generator(), distortion)
    assert float(drawn.std()) == pytest.approx(distortion, rel=0.02)
    assert abs(float(drawn.mean())) <= 0.01 * max(distortion, 0.01)


def test_neighbouring_pixels_move_by_nearly_the_same():
    """The columns of an image whose grey is its column stay in order, so that no stroke is cut."""
    ramp = torch.arange(28.0).expand(50, 1, 28, 28) * 9
    moved = elastic.apply_elastic(ramp, elastic.draw_elastic(ramp.shape, generator(), 0.03), 0.03)
    steps = moved.diff(dim=3) / 9
    assert float(steps.min()) > -0.2
    assert float(steps.max()) < 2.5
    assert float((moved - ramp).std() / 9 / 28) == pytest.approx(0.03, rel=0.4)


@pytest.mark.parametrize("shape", [(4, 7), (4, 2, 30)], ids=["columns", "signals"])
def test_other_inputs_stay_as_they_are(shape):
    x = torch.randn(shape)
    assert torch.equal(elastic.apply_elastic(x, elastic.draw_elastic(shape, generator(), 0.04), 0.04), x)


def test_it_is_refused_for_data_that_are_no_images(registry):
    with pytest.raises(zoo.UsageError, match="augment=elastic changes nothing: it is for images"):
        zoo.train("linear-regression", augment="elastic", registry=registry, device="cpu")
    assert not zoo.list_runs()


def test_a_training_with_it_records_its_option_and_is_repeated_exactly(registry, runs_dir):
    runs = [
        zoo.train(
            "cnn-mini",
            dataset="digits",
            epochs=1,
            augment="elastic",
            distortion=0.02,
            registry=registry,
            runs_dir=runs_dir / place,
        )
        for place in ("first", "second")
    ]
    assert runs[0].config["hyperparameters"]["augment"] == "elastic"
    assert runs[0].config["hyperparameters"]["distortion"] == 0.02
    assert runs[0].config["results"]["test"] == runs[1].config["results"]["test"]
