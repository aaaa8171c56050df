"""Predict made-up phone photos of handwritten digits with a network that was trained on MNIST.

    python benchmarks/digit_photos.py                                # 500 photos of test digits, by resnet-mini
    python benchmarks/digit_photos.py --split train --seed 1         # for development: other digits, other photos
    python benchmarks/digit_photos.py --save FOLDER                  # writes the photos and what the network was given

A photo shows one digit of MNIST ($ZOO_DATA), drawn again with a pen of 1 to 4 pixels, on paper with a brightness of 110
to 230: rotated by up to 15 degrees, off-centre, 200 to 600 pixels, with a shadow, ruled lines, blur, sensor noise and
JPEG artefacts. Half of the pens have 1 to 4 pixels of the photo (a ballpoint pen), half have 1 to 4 pixels of a
28 x 28 image (a felt pen). The table counts right answers, and how many answers are marked as unsure.
"""

from __future__ import annotations

import argparse
import collections
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

import zoo

DRAW = 8
"""A digit is drawn on a grid of this many points for each pixel of MNIST."""
Pixels = NDArray[Any]


def skeleton(mask: Pixels) -> Pixels:
    """The centre lines of a shape, one pixel wide (Zhang and Suen, 1984)."""
    image = np.pad(mask, 1).astype(np.uint8)
    offsets = [(-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)]
    while True:
        before = image.sum()
        for first in (True, False):
            p = [np.roll(image, (-y, -x), (0, 1)) for y, x in offsets]
            around = sum(q.astype(int) for q in p)
            turns = sum(((a == 0) & (b == 1)).astype(int) for a, b in zip(p, [*p[1:], p[0]], strict=True))
            n, e, s, w = p[0], p[2], p[4], p[6]
            sides = (n * e * s == 0) & (e * s * w == 0) if first else (n * e * w == 0) & (n * s * w == 0)
            image[(image == 1) & (around >= 2) & (around <= 6) & (turns == 1) & sides] = 0
        if image.sum() == before:
            return image[1:-1, 1:-1].astype(bool)


def strokes(digit: Pixels) -> Pixels:
    """The distance from the centre line of a digit, in pixels of MNIST, on a fine grid."""
    large = np.asarray(Image.fromarray(digit).resize((28 * DRAW, 28 * DRAW), Image.Resampling.BICUBIC))
    line = skeleton(ndimage.gaussian_filter(large.astype(float), DRAW / 4) > 110)
    return np.asarray(ndimage.distance_transform_edt(~np.pad(line, 6 * DRAW)) / DRAW)


def photo(digit: Pixels, random: np.random.Generator) -> tuple[bytes, dict[str, float]]:
    """A photo of ``digit``, uint8 ``[28, 28]``, as a JPEG file, and how it was made."""
    width, height = (int(side) for side in random.integers(200, 601, 2))
    tall = random.uniform(0.3, 0.65) * min(width, height)  # of the box of 20 pixels that MNIST scales a digit to
    unit, felt = tall / 20, random.random() < 0.5
    pen = random.uniform(1, 4) * (unit if felt else 1)
    angle = np.deg2rad(random.uniform(-15, 15))
    reach = 0.55 * tall
    centre = [random.uniform(reach, side - reach) for side in (height, width)]
    y, x = np.mgrid[:height, :width].astype(float)
    dy, dx = y - centre[0], x - centre[1]
    u, v = np.cos(angle) * dx + np.sin(angle) * dy, np.cos(angle) * dy - np.sin(angle) * dx
    middle = (14 + 6) * DRAW
    distance = ndimage.map_coordinates(
        strokes(digit), [middle + v / unit * DRAW, middle + u / unit * DRAW], order=1, cval=9.0
    )
    ink = (0.5 + pen / 2 - distance * unit).clip(0, 1) * bool(digit.any())
    paper = np.full((height, width), random.uniform(110, 230))
    ruled = random.random() < 0.6
    if ruled:
        gap, thick = random.uniform(0.35, 1.0) * tall, random.uniform(1, 2.5)
        lines = np.abs((v - random.uniform(0, gap)) % gap - gap / 2)
        paper *= 1 - random.uniform(0.1, 0.35) * (0.5 + thick / 2 - lines).clip(0, 1)
    light, shadow = np.ones_like(paper), random.random() < 0.7
    turn = random.uniform(0, 2 * np.pi)
    along = (np.cos(turn) * (x - width / 2) + np.sin(turn) * (y - height / 2)) / max(width, height)
    light *= 1 + random.uniform(0, 0.5) * along  # a lamp on one side
    if shadow:
        edge = ((along - random.uniform(-0.3, 0.3)) / random.uniform(0.01, 0.2)).clip(-1, 1)
        light *= 1 - random.uniform(0.15, 0.5) * (edge + 1) / 2
    picture = paper * light * (1 - ink * random.uniform(0.5, 0.85))
    picture = ndimage.gaussian_filter(picture, random.uniform(0.3, 1.2)) + random.normal(
        0, random.uniform(2, 10), paper.shape
    )
    file = io.BytesIO()
    Image.fromarray(picture.clip(0, 255).round().astype(np.uint8)).save(
        file, "JPEG", quality=int(random.integers(60, 96))
    )
    return file.getvalue(), {"felt": felt, "ruled": ruled, "shadow": shadow, "pen": pen}


def blank(random: np.random.Generator) -> bytes:
    """A photo of paper without a digit."""
    return photo(np.zeros((28, 28), dtype=np.uint8), random)[0]


def digits(split: str, count: int, random: np.random.Generator) -> tuple[Pixels, Pixels]:
    """``count`` random digits of a split of MNIST, and their labels."""
    folder = zoo.data_folder()
    found = getattr(zoo.load_dataset(zoo.create_registry().dataset("mnist"), folder).splits, split)
    chosen = random.permutation(len(found))[:count]
    return found.inputs.numpy()[chosen, 0], found.targets.numpy()[chosen]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="resnet-mini", help="an architecture, a run, or an exported file")
    parser.add_argument("--split", default="test", choices=["train", "test"])
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--save", type=Path, help="a new folder for the photos and what the network was given")
    given = parser.parse_args()
    random = np.random.default_rng(given.seed)
    images, labels = digits(given.split, given.count, random)
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.save or Path(scratch)
        (folder / "photos").mkdir(parents=True)
        made = []
        for place, image in enumerate(images):
            content, how = photo(image, random)
            (folder / "photos" / f"{place:04}-{labels[place]}.jpg").write_bytes(content)
            made.append(how)
        (folder / "blank").mkdir()
        for place in range(given.count // 5):
            (folder / "blank" / f"{place:04}.jpg").write_bytes(blank(random))
        model = zoo.open_model(given.model)
        answers = list(zoo.predict(model, folder / "photos"))
        if given.save:
            shown = zoo.ShownInputs(folder / "given")
            for answer in answers:
                shown.save(answer)
        empty = [answer for answer in zoo.predict(model, folder / "blank") if answer.error.startswith("no digit")]
    _report(answers, labels, made)
    print(f"{'blank paper':<24}{len(empty)} of {given.count // 5} have no answer")


def _report(answers: list[zoo.Prediction], labels: Pixels, made: list[dict[str, float]]) -> None:
    right = [answer.label == str(label) for answer, label in zip(answers, labels, strict=True)]
    groups: dict[str, list[bool]] = collections.defaultdict(list)
    for good, how in zip(right, made, strict=True):
        groups["all photos"].append(good)
        groups["felt pen" if how["felt"] else "ballpoint pen"].append(good)
        groups["ruled paper" if how["ruled"] else "plain paper"].append(good)
        groups["with a shadow" if how["shadow"] else "without a shadow"].append(good)
    for name, goods in groups.items():
        print(f"{name:<24}{sum(goods)} of {len(goods)} right, {sum(goods) / len(goods):.1%}")
    wrong = [answer for answer, good in zip(answers, right, strict=True) if not good]
    correct = [answer for answer, good in zip(answers, right, strict=True) if good]
    caught = sum(bool(answer.unsure or answer.error) for answer in wrong)
    print(f"{'wrong answers':<24}{caught} of {len(wrong)} marked as unsure, or without an answer")
    marked = sum(bool(answer.unsure) for answer in correct)
    print(f"{'right answers':<24}{marked} of {len(correct)} marked as unsure, {marked / len(correct):.1%}")


if __name__ == "__main__":
    main()
