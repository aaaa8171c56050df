"""Training on small user folders of images, and recipes that are shortened.

    python benchmarks/small_data.py policies --seeds 3     # augmentation of user folders, chosen by validation
    python benchmarks/small_data.py folders --seeds 5      # the default command on folders of coloured shapes
    python benchmarks/small_data.py start --seeds 5        # grey images, from the shipped weights and from scratch
    python benchmarks/small_data.py digits --seeds 10      # every image recipe, shortened, on the digits

``policies`` trains on 60 images for each class and validates on many more: generated shapes, the bundled digits, and
MNIST and Fashion-MNIST if they are in ``$ZOO_DATA``. No test split takes part in the choice. All trainings run on one
thread. With ``--results FILE`` a benchmark that was stopped continues, and trains nothing twice.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

import zoo

Accuracies = dict[str, float] | None
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
    "shift, mixup": {"shift": 0.1, "mixup": 0.2},
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


@dataclass
class Trainings:
    """Trainings on one thread, and the results of those that were finished earlier.

    Args:
        place: a temporary folder.
        file: JSON lines with the results; None: they are not kept.
    """

    place: Path
    file: Path | None
    known: dict[str, Accuracies] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.file and self.file.exists():
            for line in self.file.read_text(encoding="utf-8").splitlines():
                self.known |= {json.loads(line)["training"]: json.loads(line)["result"]}

    def __call__(self, data: str, dataset: str | Path, name: str, seed: int, **settings: Any) -> Accuracies:
        """Best validation accuracy and test accuracy in percent of one training; None if it diverged.

        Args:
            data: name of the dataset, which does not depend on the temporary folder.
        """
        words = [data, name, f"seed {seed}", *(f"{key}={value}" for key, value in sorted(settings.items()))]
        training = ", ".join(words)
        if training not in self.known:
            self.known[training] = result = self._train(dataset, name, seed, settings)
            if self.file:
                with self.file.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"training": training, "result": result}) + "\n")
        return self.known[training]

    def _train(self, dataset: str | Path, name: str, seed: int, settings: dict[str, Any]) -> Accuracies:
        runs = self.place / "runs"
        try:
            run = zoo.train(
                name, dataset=dataset, seed=seed, runs_dir=runs, data_dir=self.place, device="cpu", **settings
            )
        except zoo.TrainingDiverged:
            return None
        finally:
            shutil.rmtree(runs)
        found = {"validation": run.config["best"]["validation"], "test": run.config["results"]["test"]}
        return {split: round(100 * metrics["accuracy"], 3) for split, metrics in found.items()}

    def several(
        self, data: str, dataset: str | Path, name: str, seeds: Sequence[int], split: str, **settings: Any
    ) -> list[float | None]:
        """The accuracy on ``split`` of a training for each seed."""
        results = [self(data, dataset, name, seed, **settings) for seed in seeds]
        return [result[split] if result else None for result in results]


def policy_folders(place: Path, names: Sequence[str], each: int = 60) -> dict[str, Path]:
    """Folders with ``train``, ``val`` and ``test``; the last is needed by the trainer and never looked at."""
    folders = {name: place / name for name in names}
    for name, folder in list(folders.items()):
        if name == "shapes":
            for seed, (split, count) in enumerate({"train": each, "val": 100, "test": 2}.items()):
                write_shapes(folder / split, SHAPES, count, seed)
        elif not write_folder(folder, name, {"train": (0, each), "val": (each, each + 60), "test": (120, 122)}):
            del folders[name]
    return folders


def write_folder(folder: Path, dataset: str, parts: dict[str, tuple[int, int]], classes: int = 10) -> bool:
    """A folder for each part with some images of each class, all from the training split; False if there is no data."""
    registry = zoo.create_registry()
    try:
        data = zoo.load_dataset(registry.dataset(dataset), zoo.data_folder(None), download=False)
    except zoo.DataUnavailable:
        return False
    for part, (start, stop) in parts.items():
        write_samples(folder / part, data.splits.train, data.spec.labels[:classes], start, stop)
    return True


def compare_policies(
    train: Trainings, seeds: Sequence[int], only: Sequence[str], networks: Sequence[str], data: Sequence[str]
) -> Iterator[str]:
    """A row for each policy and dataset: the best validation accuracy of each network, mean over the seeds."""
    for name, folder in policy_folders(train.place, data).items():
        side = 64 if name == "shapes" else 28
        for policy in only or POLICIES:
            settings = POLICIES[policy] | {"flip": False}  # set, so that the default of folders does not apply
            settings |= {"shift": round(settings["shift"] * side)} if "shift" in settings else {}
            means = []
            for network in networks:
                found = train.several(f"{name} of 60", folder, network, seeds, "validation", **settings)
                means.append(statistics.fmean(value or 0 for value in found))
            cells = " | ".join(f"{mean:.1f}" for mean in (*means, statistics.fmean(means)))
            yield f"| {name} | {policy} | {cells} |"


def default_on_folders(train: Trainings, seeds: Sequence[int], only: Sequence[str]) -> Iterator[str]:
    """A row for each folder and network: the test accuracy of the default command, for each seed."""
    for folder in (
        write_shapes(train.place / "three classes of 60", SHAPES[:3], 60, 0),
        write_shapes(train.place / "five classes of 40", SHAPES, 40, 0),
    ):
        for name in only or OWN:
            found = train.several(f"shapes, {folder.name}", folder, name, seeds, "test")
            yield f"| {folder.name} | {name} | {_list(found)} |"


def shipped_start(train: Trainings, seeds: Sequence[int], only: Sequence[str]) -> Iterator[str]:
    """A row for each network and start: the accuracies of the seeds on five kinds of clothes of 40 training images."""
    data = "five classes of 40"
    if not write_folder(train.place / data, "fashion-mnist", {"train": (0, 40), "test": (100, 300)}, classes=5):
        raise SystemExit("Fashion-MNIST is not there: zoo fetch fashion-mnist")
    for name in only or OWN:
        for start in (None, name):
            settings = {"init_from": start} if start else {}
            columns = []
            for split in ("validation", "test"):
                found = train.several(f"clothes, {data}", train.place / data, name, seeds, split, **settings)
                columns += [_list(found), f"{statistics.fmean(value or 0 for value in found):.1f}"]
            yield f"| {name} | {'shipped weights' if start else 'random'} | {' | '.join(columns)} |"


def shortened(train: Trainings, seeds: Sequence[int], only: Sequence[str], epochs: Sequence[int]) -> Iterator[str]:
    """A row for each network and length: the test accuracies on the digits; length 0 is that of the dataset."""
    for count in epochs:
        for name in only or IMAGE_NETWORKS:
            length = {"epochs": count} if count else {}
            columns = {}
            for split in ("validation", "test"):
                results = train.several("digits", "digits", name, seeds, split, **length)
                found = [value for value in results if value is not None]
                columns[split] = f"{min(found):.1f} | {statistics.median(found):.1f}" if found else "- | -"
            lost = f"{len(results) - len(found)} of {len(results)}"
            yield f"| {name} | {count or 'own'} | {columns['validation']} | {columns['test']} | {lost} |"


def _list(values: Sequence[float | None]) -> str:
    return ", ".join("diverged" if value is None else f"{value:.1f}" for value in values)


def main() -> None:
    """Print the rows of a table as they are measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("table", choices=("policies", "folders", "start", "digits"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=(), help="these policies or networks only")
    parser.add_argument("--networks", nargs="*", default=OWN, help="for the table policies")
    parser.add_argument("--data", nargs="*", default=("shapes", "digits", "mnist", "fashion-mnist"), help="likewise")
    parser.add_argument("--epochs", nargs="*", type=int, default=(3, 6, 12, 0))
    parser.add_argument("--results", type=Path, help="JSON lines with the result of each training")
    given = parser.parse_args()
    torch.set_num_threads(1)
    logging.getLogger("zoo").setLevel(logging.ERROR)
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    lengths = "validation, least | median | test, least | median"
    tables: dict[str, tuple[str, Callable[..., Iterator[str]]]] = {
        "policies": (
            f"| data | policy | {' | '.join(given.networks)} | mean |\n|---|---|{'--:|' * (len(given.networks) + 1)}",
            compare_policies,
        ),
        "folders": ("| folder | architecture | test accuracy of each seed |\n|---|---|---|", default_on_folders),
        "start": (f"| architecture | start | validation | mean | test | mean |\n|{'---|' * 6}", shipped_start),
        "digits": (f"| architecture | epochs | {lengths} | diverged |\n|---|{'--:|' * 6}", shortened),
    }
    head, rows = tables[given.table]
    more = {"digits": {"epochs": given.epochs}, "policies": {"networks": given.networks, "data": given.data}}
    print(head, flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for row in rows(Trainings(Path(scratch), given.results), seeds, given.only, **more.get(given.table, {})):
            print(row, flush=True)


if __name__ == "__main__":
    main()
