"""Training on small user folders of images, and recipes that are shortened.

    python benchmarks/small_data.py policies --seeds 3     # augmentation of user folders, chosen by validation
    python benchmarks/small_data.py folders --seeds 5      # the default command on folders of coloured shapes
    python benchmarks/small_data.py digits --seeds 10      # every image recipe, shortened, on the digits

``policies`` trains on 60 images for each class and validates on many more: generated shapes, the bundled digits, and
Fashion-MNIST if it is in ``$ZOO_DATA``. No test split takes part in the choice. All trainings run on one thread.
"""

from __future__ import annotations

import argparse
import logging
import random
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

import zoo

SHAPES = ("circle", "square", "triangle", "cross", "ring")
MODES = ("RGB", "L", "P", "RGBA")
OWN = ("cnn-mini", "resnet-mini", "lenet")
IMAGE_NETWORKS = (
    *("alexnet-mini", "cnn-mini", "densenet-mini", "fashion-mlp", "googlenet-mini", "lenet", "mnist-mlp"),
    *("resnet-mini", "rnn-mini", "softmax-regression", "vgg-mini"),
)
MOVE: dict[str, Any] = {"rotate": 15.0, "zoom": 0.2}
POLICIES: dict[str, dict[str, Any]] = {
    "none": {"shift": 0},
    "the recipe's": {},
    "shift": {"shift": 0.1},
    "move": {"shift": 0.1, **MOVE},
    "move, crop": {"shift": 0.1, "crop": 0.3, **MOVE},
    "move, colour": {"shift": 0.1, "colour": 0.3, **MOVE},
    "move, erase": {"shift": 0.1, "erase": 0.25, **MOVE},
    "move, mixup": {"shift": 0.1, "mixup": 0.2, **MOVE},
}
"""Hyperparameters by name of the policy; ``shift`` as a fraction of the side of the images."""


def draw_shape(kind: str, rnd: random.Random) -> Image.Image:
    """A simple shape in a random colour, size and place, in an image of a random size."""
    width, height = rnd.randint(40, 200), rnd.randint(40, 200)
    back, front = (tuple(rnd.randint(*span) for _ in range(3)) for span in ((150, 255), (0, 120)))
    image = Image.new("RGB", (width, height), back)
    draw, side = ImageDraw.Draw(image), min(width, height)
    r = rnd.uniform(0.25, 0.4) * side
    x, y = (size / 2 + rnd.uniform(-0.1, 0.1) * size for size in (width, height))
    box = (x - r, y - r, x + r, y + r)
    if kind == "circle":
        draw.ellipse(box, fill=front)
    elif kind == "square":
        draw.rectangle(box, fill=front)
    elif kind == "triangle":
        draw.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill=front)
    elif kind == "cross":
        draw.rectangle((x - r, y - r / 4, x + r, y + r / 4), fill=front)
        draw.rectangle((x - r / 4, y - r, x + r / 4, y + r), fill=front)
    else:
        draw.ellipse(box, outline=front, width=max(2, int(r / 3)))
    return image


def write_shapes(folder: Path, kinds: Sequence[str], each: int, seed: int) -> Path:
    """``each`` images of every kind of shape, in mixed modes, sizes and formats."""
    rnd = random.Random(seed)
    for kind in kinds:
        (folder / kind).mkdir(parents=True)
        for number in range(each):
            image, mode = draw_shape(kind, rnd), rnd.choice(MODES)
            suffix = "png" if mode in ("P", "RGBA") else rnd.choice(("png", "jpg"))
            image.convert(mode).save(folder / kind / f"{number}.{suffix}")
    return folder


def write_samples(folder: Path, split: zoo.Split, labels: Sequence[str], start: int, stop: int) -> None:
    """The images ``start`` to ``stop`` of each class of a split, as files."""
    for target, label in enumerate(labels):
        name = label.replace("/", "-")
        (folder / name).mkdir(parents=True)
        chosen = torch.nonzero(split.targets == target)[start:stop, 0].tolist()
        for index in chosen:
            Image.fromarray(np.asarray(split.inputs[index, 0])).save(folder / name / f"{index}.png")


def policy_folders(place: Path, each: int = 60) -> dict[str, Path]:
    """Folders with ``train``, ``val`` and ``test``; the last is needed by the trainer and never looked at."""
    folders = {"shapes": place / "shapes"}
    for seed, (split, count) in enumerate({"train": each, "val": 100, "test": 2}.items()):
        write_shapes(folders["shapes"] / split, SHAPES, count, seed)
    registry = zoo.create_registry()
    for name in ("digits", "fashion-mnist"):
        try:
            data = zoo.load_dataset(registry.dataset(name), zoo.data_folder(None), download=False)
        except zoo.DataUnavailable:
            continue
        folders[name] = place / name
        for split, (start, stop) in {"train": (0, each), "val": (each, each + 60), "test": (120, 122)}.items():
            write_samples(folders[name] / split, data.splits.train, data.spec.labels, start, stop)
    return folders


def train(name: str, place: Path, **settings: Any) -> zoo.Run | None:
    """A training on one thread; None if it diverged."""
    try:
        return zoo.train(name, runs_dir=place / "runs", data_dir=place / "data", device="cpu", **settings)
    except zoo.TrainingDiverged:
        return None


def compare_policies(place: Path, seeds: Sequence[int], only: Sequence[str]) -> Iterator[str]:
    """A row for each policy and dataset: the best validation accuracy of each network, mean over the seeds."""
    for data, folder in policy_folders(place).items():
        side = 64 if data == "shapes" else 28
        for policy in only or POLICIES:
            settings = POLICIES[policy] | {"flip": False}  # set, so that the default of folders does not apply
            settings |= {"shift": round(settings["shift"] * side)} if "shift" in settings else {}
            means = []
            for name in OWN:
                runs = [train(name, place, dataset=folder, seed=seed, **settings) for seed in seeds]
                found = [run.config["best"]["validation"]["accuracy"] if run else 0.0 for run in runs]
                means.append(statistics.fmean(found))
            cells = " | ".join(f"{100 * mean:.1f}" for mean in (*means, statistics.fmean(means)))
            yield f"| {data} | {policy} | {cells} |"


def default_on_folders(place: Path, seeds: Sequence[int], only: Sequence[str]) -> Iterator[str]:
    """A row for each folder and network: the test accuracy of the default command, for each seed."""
    for folder in (
        write_shapes(place / "three classes of 60", SHAPES[:3], 60, 0),
        write_shapes(place / "five classes of 40", SHAPES, 40, 0),
    ):
        for name in only or OWN:
            runs = [train(name, place, dataset=folder, seed=seed) for seed in seeds]
            cells = ", ".join(f"{100 * run.config['results']['test']['accuracy']:.1f}" if run else "-" for run in runs)
            yield f"| {folder.name} | {name} | {cells} |"


def shortened(place: Path, seeds: Sequence[int], only: Sequence[str], epochs: Sequence[int]) -> Iterator[str]:
    """A row for each network and length: the test accuracies on the digits; length 0 is that of the dataset."""
    for name in only or IMAGE_NETWORKS:
        for count in epochs:
            length = {"epochs": count} if count else {}
            runs = [train(name, place, dataset="digits", seed=seed, **length) for seed in seeds]
            found = [100 * run.config["results"]["test"]["accuracy"] for run in runs if run]
            spread = f"{min(found):.1f} | {statistics.median(found):.1f}" if found else "- | -"
            yield f"| {name} | {count or 'own'} | {spread} | {len(runs) - len(found)} of {len(runs)} |"


def main() -> None:
    """Print the rows of a table as they are measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("table", choices=("policies", "folders", "digits"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=(), help="these policies or networks only")
    parser.add_argument("--epochs", nargs="*", type=int, default=(3, 6, 12, 0))
    given = parser.parse_args()
    torch.set_num_threads(1)
    logging.getLogger("zoo").setLevel(logging.ERROR)
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    tables: dict[str, tuple[str, Callable[..., Iterator[str]]]] = {
        "policies": (f"| data | policy | {' | '.join(OWN)} | mean |\n|---|---|{'--:|' * 4}", compare_policies),
        "folders": ("| folder | architecture | test accuracy of each seed |\n|---|---|---|", default_on_folders),
        "digits": ("| architecture | epochs | least | median | diverged |\n|---|--:|--:|--:|--:|", shortened),
    }
    head, rows = tables[given.table]
    more = {"epochs": given.epochs} if given.table == "digits" else {}
    print(head, flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for row in rows(Path(scratch), seeds, given.only, **more):
            print(row, flush=True)


if __name__ == "__main__":
    main()
