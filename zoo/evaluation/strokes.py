"""Find the strokes of a digit in a photo or drawing, and redraw them like a digit of MNIST. Imports no torch.

The page of ``zoo demo`` does the same in JavaScript (``zoo/reports/templates/strokes.js``), the same to a pixel:
``tests/reports/test_demo_strokes.py`` compares both. So images hold whole numbers, and the few real numbers are
computed by single operations in the same order. The steps::

    working_size   about 160 to 320 pixels on the long side, in sixteenths of a grey level
    reflectance    the image divided by the paper, which is estimated locally: no shadows
    contrast       how much darker the strokes are than the paper and than straight lines across it: no ruled lines
    find_strokes   a threshold, and the connected parts that belong to the digit
    redraw         the pen widened or thinned, upright, in the box of MNIST, centred by mass

scipy.ndimage has what this needs (grey morphology, labels, distances), so scikit-image and OpenCV are not required.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Whole = NDArray[np.int64]
Mask = NDArray[np.bool_]

SETTINGS: dict[str, float] = {
    "long": 320,  # pixels of the long side of the working image, at most
    "short": 160,  # smaller images are enlarged
    "unit": 16,  # a grey level of the working image
    "full": 4096,  # the reflectance of the paper
    "paper": 4,  # shadows are wider than the short side, divided by this
    "flat": 14,  # the steepest ruled line, in fortieths: 19 degrees
    "step": 4,  # between the slopes of other lines, in fortieths
    "ruled": 45,  # the length of a ruled line in percent of the long side, at least
    "edge": 80,  # the same for other lines, such as the edge of a shadow
    "faintest": 257,  # contrast of the strokes
    "noise": 15,  # the same, in units of the noise
    "low": 38,  # a stroke has this percentage of the highest contrast,
    "high": 60,  # and this one somewhere
    "strong": 1400,  # contrast of a stroke that may touch the border of the image
    "box": 20 / 28,  # MNIST digits were resized to fit a box of 20 of the 28 pixels (LeCun et al. 1998)
    "thinnest": 2.0,  # pixels of the pen, for a network that takes 28 x 28 pixels
    "widest": 3.2,
    "slant": 0.6,  # columns a row that are straightened, at most
    "fine": 8,  # points in a pixel of the result, in each direction
}
"""The page of the demo gets the same."""


def _setting(name: str) -> int:
    return int(SETTINGS[name])


def find_digit(pixels: NDArray[np.uint8], height: int, width: int, dark: bool) -> NDArray[np.uint8] | None:
    """The digit in a grey image as light strokes on black, uint8 ``[height, width]``; None if there are no strokes.

    Args:
        pixels: the image, uint8 ``[H, W]``, of any size.
        dark: whether the strokes are darker than the paper.
    """
    image = smooth(working_size(pixels))
    if not dark:
        image = 255 * _setting("unit") - image
    flat = reflectance(image)
    noise = _noise(flat)
    mask = find_strokes(contrast(flat), noise)
    if mask is None and noise == 0:  # a drawing: its strokes may cross the whole image
        mask = find_strokes(_setting("full") - flat, noise)
    return None if mask is None else redraw(mask, height, width)


def has_dark_strokes(pixels: NDArray[np.uint8]) -> bool:
    """Whether what stands out from its surroundings in an image, uint8 ``[H, W]``, is dark rather than light."""
    image = smooth(working_size(pixels))
    size = (min(image.shape) // 4) | 1
    sums = np.pad(np.pad(image, size // 2, "edge").cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    mean = (sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]) // (size * size)
    return int((((image - mean) // _setting("unit")) ** 3).sum()) < 0


def working_size(pixels: NDArray[np.uint8]) -> Whole:
    """An image of 160 to 320 pixels on the long side, in sixteenths: means of squares, or enlarged linearly."""
    image, long, unit = pixels.astype(np.int64), max(pixels.shape), _setting("unit")
    if long > _setting("long"):
        part = -(-long // _setting("long"))
        image = np.pad(image, [(0, -side % part) for side in image.shape], "edge")
        height, width = (side // part for side in image.shape)
        sums = image.reshape(height, part, width, part).sum((1, 3))
        return np.asarray((sums * unit + part * part // 2) // (part * part))
    if long < _setting("short"):
        times = _setting("long") // long
        image = _enlarge(_enlarge(image, times).T, times).T
        return np.asarray((image * unit + 2 * times * times) // (4 * times * times))
    return image * unit


def _enlarge(image: Whole, times: int) -> Whole:
    """Rows between the rows; the result is larger by the factor ``2 * times``."""
    place = 2 * np.arange(len(image) * times) + 1 - times
    first, rest = place // (2 * times), (place % (2 * times))[:, None]
    last = len(image) - 1
    return np.asarray(image[first.clip(0, last)] * (2 * times - rest) + image[(first + 1).clip(0, last)] * rest)


def smooth(image: Whole) -> Whole:
    """Means over 3 x 3 pixels with weights 1, 2, 1 in each direction."""
    across = np.pad(image, ((0, 0), (1, 1)), "edge")
    image = across[:, :-2] + 2 * across[:, 1:-1] + across[:, 2:]
    down = np.pad(image, ((1, 1), (0, 0)), "edge")
    return np.asarray((down[:-2] + 2 * down[1:-1] + down[2:] + 8) >> 4)


def reflectance(image: Whole) -> Whole:
    """The image divided by the paper around each pixel, 0 to 4096. Strokes are narrower than shadows."""
    size = (min(image.shape) // _setting("paper")) | 1
    paper = ndimage.minimum_filter(ndimage.maximum_filter(image, size, mode="nearest"), size, mode="nearest")
    full = _setting("full")
    return np.asarray(np.minimum(image * full // np.maximum(paper, 16 * _setting("unit")), full))


def contrast(flat: Whole) -> Whole:
    """How much darker each pixel is than the straight lines through it, 0 to 4096.

    Along a ruled line, or the edge of a shadow, an image is dark for a long way, so that nothing remains of it.
    """
    height, width = flat.shape
    low = np.pad(flat, ((0, height % 2), (0, width % 2)), "edge")
    low = low.reshape(low.shape[0] // 2, 2, low.shape[1] // 2, 2).min((1, 3))
    steepest, all_slopes = _setting("flat"), range(-40, 41, _setting("step"))
    lines = np.minimum(
        _darkest_line(low, range(-steepest, steepest + 1), _setting("ruled")),
        _darkest_line(low, [slope for slope in all_slopes if abs(slope) > steepest], _setting("edge")),
    )
    lines = np.minimum(lines, _darkest_line(low.T, all_slopes, _setting("edge")).T)
    return np.maximum(lines.repeat(2, 0).repeat(2, 1)[:height, :width] - flat, 0)


def _darkest_line(image: Whole, slopes: Iterable[int], percent: int) -> Whole:
    """The least closing of an image along lines of these slopes, in fortieths of a row for each column."""
    height, width = image.shape
    length = (max(height, width) * percent // 100) | 1
    thick = ndimage.minimum_filter1d(image, 3, 0, mode="nearest")
    best = np.full_like(image, _setting("full"))
    columns = np.arange(width)
    for slope in slopes:
        move = (2 * slope * (columns - width // 2) + 40) // 80
        reach = int(np.abs(move).max())
        rows = np.arange(height + 2 * reach)[:, None] - reach + move
        level = thick[rows.clip(0, height - 1), columns]  # the lines are rows
        level = ndimage.maximum_filter1d(level, length, 1, mode="nearest")
        level = ndimage.minimum_filter1d(level, length, 1, mode="nearest")
        best = np.minimum(best, level[np.arange(height)[:, None] + reach - move, columns])
    return best


def _noise(flat: Whole) -> int:
    """The median difference of neighbours in a row."""
    steps = np.abs(np.diff(flat, axis=1)).ravel()
    return int(np.sort(steps)[steps.size // 2]) if steps.size else 0


def find_strokes(depth: Whole, noise: int) -> Mask | None:
    """Where the strokes of the digit are, from their contrast; None if there are none."""
    rank = max(12, depth.size // 1500)
    top = int(np.sort(depth.ravel())[-rank]) if depth.size >= rank else 0
    if top < max(_setting("faintest"), _setting("noise") * noise):
        return None
    labels, count = ndimage.label(depth * 100 >= _setting("low") * top, np.ones((3, 3)))
    parts = [_Part(depth, labels, index + 1, place) for index, place in enumerate(ndimage.find_objects(labels, count))]
    parts = [part for part in parts if part.peak * 100 >= _setting("high") * top]
    main = max((part for part in parts if part.can_be_digit), key=lambda part: part.mass, default=None)
    if main is None or main.size * 20 < min(depth.shape):
        return None
    kept = [part.label for part in parts if part is main or part.belongs_to(main)]
    return np.isin(labels, kept)


class _Part:
    """A connected part of the strokes."""

    def __init__(self, depth: Whole, labels: Any, label: int, place: tuple[slice, slice]) -> None:
        own = depth[place][labels[place] == label]
        self.label, self.area, self.mass, self.peak = label, int(own.size), int(own.sum()), int(own.max())
        self.top, self.bottom = int(place[0].start), int(place[0].stop)
        self.left, self.right = int(place[1].start), int(place[1].stop)
        height, width = self.bottom - self.top, self.right - self.left
        self.size, self.flat = max(height, width), width > 3 * height
        inside = self.top > 0 and self.left > 0 and self.bottom < depth.shape[0] and self.right < depth.shape[1]
        self.can_be_digit = not self.flat and (inside or self.peak >= _setting("strong"))

    def belongs_to(self, main: _Part) -> bool:
        """Whether it is large and near enough. A flat part that is not above or below is a rest of a ruled line."""
        down, across = max(self.top - main.bottom, main.top - self.bottom), self.gap_across(main)
        if self.flat and 2 * (min(self.right, main.right) - max(self.left, main.left)) < self.right - self.left:
            return False
        return self.area * 25 >= main.area and max(down, across) * 3 <= main.size

    def gap_across(self, main: _Part) -> int:
        """The columns between both."""
        return max(self.left - main.right, main.left - self.right)


def redraw(mask: Mask, height: int, width: int) -> NDArray[np.uint8]:
    """Strokes as a digit of MNIST, uint8 ``[height, width]``: pen, slant, size and place."""
    box = SETTINGS["box"] * min(height, width)
    mask = _with_pen(_cut(mask, 0), box, min(height, width) / 28)
    ys, xs = np.nonzero(mask)
    my, mx = int(ys.sum()) / len(ys), int(xs.sum()) / len(xs)
    tall = int((ys * ys).sum()) / len(ys) - my * my
    slant = (int((ys * xs).sum()) / len(ys) - my * mx) / tall if tall > 0 else 0.0
    slant = min(max(slant, -SETTINGS["slant"]), SETTINGS["slant"])
    upright = xs - slant * (ys - my)
    left, right = float(upright.min()), float(upright.max()) + 1
    top, bottom = int(ys.min()), int(ys.max()) + 1
    scale = box / max(right - left, bottom - top)
    x = min(max(width / 2, (mx + 0.5 - left) * scale), width - (right - mx - 0.5) * scale)
    y = min(max(height / 2, (my + 0.5 - top) * scale), height - (bottom - my - 0.5) * scale)
    fine = _setting("fine")
    v = ((np.arange(height * fine) + 0.5) / fine - y) / scale
    u = ((np.arange(width * fine) + 0.5) / fine - x) / scale
    rows = np.floor(v + (my + 0.5)).astype(np.int64)[:, None]
    columns = np.floor(u + slant * v[:, None] + (mx + 0.5)).astype(np.int64)
    inside = (rows >= 0) & (rows < mask.shape[0]) & (columns >= 0) & (columns < mask.shape[1])
    hit = inside & mask[rows.clip(0, mask.shape[0] - 1), columns.clip(0, mask.shape[1] - 1)]
    count = hit.reshape(height, fine, width, fine).sum((1, 3))
    return np.asarray((count * 510 + fine * fine) // (2 * fine * fine), dtype=np.uint8)


def _cut(mask: Mask, margin: int) -> Mask:
    """The strokes with a margin around them."""
    ys, xs = np.nonzero(mask)
    return np.pad(mask[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1], margin)


def _with_pen(mask: Mask, box: float, unit: float) -> Mask:
    """Strokes that are too thin or too wide for the network, drawn with another pen.

    Args:
        mask: the strokes, without a margin.
        box: the long side of the digit, in pixels of the result.
        unit: pixels of the result for each pixel of MNIST.
    """
    long, area = max(mask.shape), int(mask.sum())
    framed = np.pad(mask, 1)
    outline = int((framed[1:] != framed[:-1]).sum()) + int((framed[:, 1:] != framed[:, :-1]).sum())
    pen = 2.546 * area / outline  # twice the area, divided by the outline; its steps are longer than it by 4 / pi
    wanted = min(max(pen * box / long, SETTINGS["thinnest"] * unit), SETTINGS["widest"] * unit)
    # both the pen and the digit grow by 2 * reach
    reach = (wanted * long / box - pen) / (2 * (1 - wanted / box))
    margin = int(np.ceil(max(reach, 0.0))) + 1
    wide = np.pad(mask, margin)
    if reach > 0:
        return _cut(np.rint(ndimage.distance_transform_edt(~wide) ** 2) <= reach * reach, 0)
    thin = np.rint(ndimage.distance_transform_edt(wide) ** 2) > reach * reach
    return _cut(thin, 0) if int(thin.sum()) * 8 > area else mask
