"""Random augmentation of images: equal to torchvision's functions for each image, drawn once for a whole batch."""

import math

import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as vision

from zoo.data.augmentation import augment, change_colours, draw_augmentation, erase, move, shift, transform
from zoo.specs.hyperparameters import AUGMENTATION, Hyperparameters, resolve

CPU = torch.device("cpu")
ALL = {
    "shift": 2,
    "flip": True,
    "rotate": 20.0,
    "zoom": 0.2,
    "crop": 0.3,
    "colour": 0.4,
    "erase": 0.5,
    "mixup": 0.4,
}


def photos(count, channels=3, height=24, width=20, border=0):
    """Random images whose border of some pixels is black."""
    images = torch.zeros(count, channels, height, width, dtype=torch.uint8)
    inside = images[:, :, border : height - border, border : width - border]
    inside.copy_(torch.randint(0, 256, inside.shape, generator=torch.Generator().manual_seed(0)))
    return images


def drawn(count, **settings):
    torch.manual_seed(3)
    h = resolve(settings)
    return draw_augmentation(count, h, CPU), h


def test_every_augmentation_is_off_by_default():
    found, h = drawn(4)
    images = photos(4)
    assert not found.values
    assert augment(images, found, slice(None), h) is images
    assert {*ALL, "augment"} == set(AUGMENTATION)  # augment is that of plugins


def test_shift_moves_each_image_by_its_own_offset():
    images = torch.zeros(500, 2, 7, 9, dtype=torch.uint8)
    images[:, 0, 3, 4], images[:, 1, 3, 4] = 200, 100
    moved = shift(images, torch.randint(0, 5, (2, 500)), 2)
    assert moved.shape == images.shape
    assert moved.dtype == torch.uint8
    places = set()
    for image in moved:
        assert image.count_nonzero() == 2
        y, x = image[0].nonzero()[0].tolist()
        assert image[0, y, x] == 200
        assert image[1, y, x] == 100
        places.add((y - 3, x - 4))
    assert places == {(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)}


def test_rotation_and_zoom_are_those_of_torchvision():
    images = photos(5, border=6).float()  # nothing leaves the image
    angles, zooms = torch.tensor([[-30.0, -7.0, 0.0, 12.0, 30.0]]), torch.tensor([[0.8, 0.9, 1.0, 1.1, 1.2]])
    found = move(images, {"rotate": angles.deg2rad(), "zoom": zooms}, 0.0)
    for image, angle, zoom, mine in zip(images, angles[0].tolist(), zooms[0].tolist(), found, strict=True):
        theirs = vision.affine(
            image, angle, [0, 0], zoom, [0.0, 0.0], interpolation=InterpolationMode.BILINEAR, fill=[0.0]
        )
        torch.testing.assert_close(mine, theirs, atol=0.02, rtol=1e-3)


def test_a_crop_is_that_of_torchvision():
    images = photos(3, height=20, width=20).float()
    cut, area = 0.36, torch.ones(3)  # 16 of 20 pixels each way
    place = torch.tensor([0.0, 0.5, 1.0])
    found = move(images, {"crop": torch.stack((area, area / 2, place, place))}, cut)
    for image, start, mine in zip(images, (0, 2, 4), found, strict=True):
        theirs = vision.resized_crop(image, start, start, 16, 16, [20, 20], antialias=False)
        torch.testing.assert_close(mine[:, 2:-2, 2:-2], theirs[:, 2:-2, 2:-2], atol=0.02, rtol=1e-3)


@pytest.mark.parametrize("channels", [1, 3])
def test_colours_are_those_of_torchvision(channels):
    images = photos(4, channels).float() / 255
    factors = torch.tensor([[0.6, 0.9, 1.2, 1.4], [1.3, 0.7, 1.0, 0.5], [0.5, 1.5, 1.0, 0.8]])
    found = change_colours(images * 255, factors) / 255
    for image, (brightness, contrast, saturation), mine in zip(images, factors.T.tolist(), found, strict=True):
        theirs = vision.adjust_contrast(vision.adjust_brightness(image, brightness), contrast)
        theirs = vision.adjust_saturation(theirs, saturation) if channels == 3 else theirs
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)


def test_about_the_given_part_of_the_images_is_erased_in_one_rectangle():
    torch.manual_seed(0)
    images = torch.full((400, 1, 30, 30), 200.0)
    images[:, :, :, :15] = 0
    hidden = erase(images, torch.rand(5, 400), 0.25) != images
    areas = hidden[:, 0].float().mean((1, 2))
    chosen = areas > 0
    assert chosen.float().mean().item() == pytest.approx(0.25, abs=0.07)
    assert 0.0 < areas[chosen].min() < 0.1 < areas[chosen].max() < 0.4
    for image in hidden[chosen][:, 0]:
        rows, columns = image.any(1).nonzero()[:, 0], image.any(0).nonzero()[:, 0]
        assert image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()


def test_the_draws_stay_in_their_ranges():
    found, _ = drawn(2_000, **ALL)
    limits = {"rotate": (-math.radians(20), math.radians(20)), "zoom": (0.8, 1.2), "colour": (0.6, 1.4)}
    for name, (low, high) in limits.items():
        values = found.values[name]
        assert low <= values.min() < low + 0.01 * abs(low) + 0.01
        assert high - 0.02 < values.max() <= high
    assert 0 <= found.mixup <= 1


def test_the_parts_of_a_batch_are_augmented_like_the_whole():
    images = photos(11)
    found, h = drawn(11, **ALL)
    partners = images.roll(-1, 0)
    whole = augment(torch.cat([images, partners]), found, slice(0, 11), h)
    parts = [slice(0, 4), slice(4, 11)]
    cut = [augment(torch.cat([images[part], partners[part]]), found, part, h) for part in parts]
    assert torch.equal(torch.cat(cut), whole)
    single = transform(images, found, h).float()
    assert torch.allclose(whole, found.mixup * single + (1 - found.mixup) * single.roll(-1, 0), atol=1e-3)
    assert whole.min() >= 0
    assert whole.max() <= 255


def test_new_augmentations_do_not_change_the_draws_of_shift_and_flip():
    plain, _ = drawn(20, shift=3, flip=True)
    more, _ = drawn(20, **(ALL | {"shift": 3}))
    assert torch.equal(plain.values["shift"], more.values["shift"])
    assert torch.equal(plain.values["flip"], more.values["flip"])


def test_shift_and_flip_are_the_recorded_draws():
    """The recorded results of the recipes depend on them."""
    found, h = drawn(4, shift=2, flip=True)
    torch.manual_seed(3)
    offsets = torch.randint(0, 5, (2, 4, 1))[..., 0]
    mirrored = torch.randint(0, 2, (4, 1, 1, 1), dtype=torch.bool)[:, 0, 0, 0]
    images = photos(4)
    expected = torch.where(mirrored[:, None, None, None], shift(images, offsets, 2).flip(3), shift(images, offsets, 2))
    result = augment(images, found, slice(0, 4), h)
    assert torch.equal(result, expected)
    assert result.dtype == torch.uint8


def test_tables_are_not_augmented():
    found, h = drawn(0, **ALL)
    rows = torch.rand(5, 3)
    assert augment(rows, found, slice(0, 5), h) is rows
    assert found.mixup is None


def test_the_names_are_hyperparameters():
    assert set(AUGMENTATION) <= Hyperparameters.__dataclass_fields__.keys()
