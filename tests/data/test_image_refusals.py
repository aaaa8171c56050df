"""Folders of images whose classes are empty, and names and sources that are no images."""

import io

import numpy as np
import pytest
from PIL import Image

from zoo import DataError
from zoo.data import images
from zoo.data.image_folder import _refuse_useless
from zoo.data.images import open_image


def test_a_class_without_images_is_refused_where_it_is_needed(tmp_path):
    one, two = (tmp_path / "1.png", 0), (tmp_path / "2.png", 1)
    _refuse_useless(tmp_path, ["a", "b"], {"train": [one, two], "test": [one]})
    with pytest.raises(DataError, match=r"the class b has no images \(train\)\. Add images, or remove its folder"):
        _refuse_useless(tmp_path, ["a", "b"], {"train": [one], "test": [one, two]})
    with pytest.raises(DataError, match=r"the class a has no images \(test\)"):
        _refuse_useless(tmp_path, ["a", "b"], {"train": [one, two], "test": []})
    for labels, found in ((["a"], "only one, a"), ([], "none")):
        with pytest.raises(DataError, match=f"at least two classes; it has {found}"):
            _refuse_useless(tmp_path, labels, {})


def png(width, height, mode="L"):
    content = io.BytesIO()
    Image.new(mode, (width, height)).save(content, "PNG")
    return content.getvalue()


def test_an_image_that_is_too_large_or_empty_is_refused(monkeypatch):
    with open_image(png(4, 3)) as opened:
        assert opened.size == (4, 3)
    with pytest.raises(ValueError, match="empty file"), open_image(b""):
        pass
    monkeypatch.setattr(images, "LARGEST", 11)
    with pytest.raises(ValueError, match=r"^4 x 3 pixels, more than 11$"), open_image(png(4, 3)):
        pass

    def bomb(file):
        raise Image.DecompressionBombError

    monkeypatch.setattr(images, "_identify", bomb)
    with pytest.raises(ValueError, match=r"^more than 11 pixels$"), open_image(png(4, 3)):
        pass


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(2, "No such file or directory"), "No such file"),
        (OSError("cannot identify image file <x>"), "not an image"),
        (ValueError("two\nlines"), "two lines"),
        (ValueError(), "ValueError"),
    ],
)
def test_the_reason_is_a_few_words(error, text):
    assert images.reason(error).startswith(text)


@pytest.mark.parametrize(("fit", "corner"), [("crop", 200), ("pad", 0), ("stretch", 200)])
def test_an_image_of_another_shape_is_fitted(fit, corner):
    wide = Image.fromarray(np.full((4, 8), 200, np.uint8))
    fitted = images.as_array(images.fit_image(wide, (1, 4, 4), fit))
    assert fitted.shape == (1, 4, 4)
    assert fitted[0, 0, 0] == corner
    assert images.fit_image(wide, (1, 4, 8), fit) is wide
    assert images.as_array(Image.new("RGB", (2, 3))).shape == (3, 3, 2)
