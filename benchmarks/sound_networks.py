"""Write networks of every architecture and their correct ONNX files, for `refusals.py`.

To write many files quickly, only the first file of an architecture and stage is exported. The others are copies of it
with other weights. The second file is exported as well, to check that the bytes are equal; if they differ, all files
are exported.
"""

from __future__ import annotations

import dataclasses
import functools
import pickle
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

import zoo
from zoo.data.loading import LoadedDataset
from zoo.exporting.source import ExportSource, make_source
from zoo.inputs.methods import input_of_dataset
from zoo.models.guarded_task import load_task
from zoo.models.trained import load_trained
from zoo.specs.hyperparameters import resolve
from zoo.specs.references import resolve_reference
from zoo.training.preparation import prepare_model

TABLES = {"linear-regression", "logistic-regression", "diabetes-mlp", "bike-mlp"}
QUICK = {*TABLES, "softmax-regression", "fashion-mlp", "mnist-mlp", "cnn-mini", "lenet"}
SLOW = {"densenet-mini"}
LARGE = ("alexnet", "vgg11", "vgg16", "googlenet", "resnet18", "resnet50", "resnet152", "densenet121")
LARGE_IMAGE = (1, 32, 32)
COUNTS = {"quick": (150, 60, 8), "usual": (30, 20, 4), "slow": (15, 8, 2), "large": (1, 0, 0)}
"""Number of seeds: untrained, after one epoch, fully trained."""
FEW_EPOCHS = 40
"""The largest number of epochs, for recipes with hundreds of epochs."""


def make_all(folder: Path, share: float) -> None:
    """Write every network and its file."""
    registry = zoo.create_registry()
    made = 0
    names = [name for name in registry.architectures if not name.startswith("torchvision/")]
    for name in [*names, *(f"torchvision/{large}" for large in LARGE)]:
        place = folder / name.replace("/", "-")
        place.mkdir(parents=True, exist_ok=True)
        # equal weights, such as biases before training, are stored once, so each stage has another graph
        writers: dict[str, Writer] = defaultdict(lambda: Writer(registry.exporter("onnx")))
        for stage, seed, source in networks(name, registry, share):
            stem = place / f"{stage}-{seed}"
            writers[stage](source, stem.with_suffix(".onnx"))
            small = dataclasses.replace(source, test=None, calibration=None)  # type: ignore[arg-type]
            stem.with_suffix(".source").write_bytes(pickle.dumps(small))
            made += 1
        exchanges = ", ".join(f"{stage} {writer.replaces}" for stage, writer in writers.items())
        print(f"{made:5d} files after {name}; weights replaced: {exchanges}", flush=True)


def kind_of(name: str) -> str:
    """The key of :data:`COUNTS` for an architecture."""
    if name.startswith("torchvision/"):
        return "large"
    return "quick" if name in QUICK else "slow" if name in SLOW else "usual"


def networks(name: str, registry: zoo.Registry, share: float) -> Iterator[tuple[str, int, ExportSource]]:
    """Stage, seed and source of each network of an architecture."""
    untrained, brief, full = (max(1, round(count * share)) if count else 0 for count in COUNTS[kind_of(name)])
    data = data_of(name, registry)
    for seed in range(untrained):
        yield "untrained", seed, untrained_source(name, registry, data, seed)
    with tempfile.TemporaryDirectory() as runs:
        for stage, count in (("one epoch", brief), ("trained", full)):
            for seed in range(count):
                yield stage, seed, trained_source(name, registry, data, seed, stage, Path(runs))


@functools.cache
def data_of(name: str, registry: zoo.Registry) -> LoadedDataset:
    """The table of the architecture; for images, the digits of scikit-learn, enlarged for torchvision."""
    dataset = registry.architecture(name).dataset if name in TABLES else "digits"
    data = zoo.load_dataset(registry.dataset(dataset), zoo.data_folder())
    if kind_of(name) != "large":
        return data
    enlarge = functools.partial(nn.functional.interpolate, size=LARGE_IMAGE[1:], mode="bilinear")
    splits = {
        part: dataclasses.replace(split, inputs=enlarge(split.inputs.float()).round().to(torch.uint8))
        for part, split in splits_of(data.splits)
    }
    spec = dataclasses.replace(data.spec, input_shape=LARGE_IMAGE)
    return dataclasses.replace(data, spec=spec, splits=dataclasses.replace(data.splits, **splits))


def splits_of(splits: zoo.Splits) -> Iterator[tuple[str, zoo.Split]]:
    """The splits by name."""
    for field in dataclasses.fields(splits):
        split = getattr(splits, field.name)
        if isinstance(split, zoo.Split):
            yield field.name, split


def untrained_source(name: str, registry: zoo.Registry, data: LoadedDataset, seed: int) -> ExportSource:
    """A network with initial weights."""
    architecture = registry.architecture(name)
    recipe = resolve(architecture.hyperparameters)
    task = load_task(registry.task(architecture.task)).fit(data.splits.train.targets, recipe)
    model = prepare_model(architecture, data, input_of_dataset(data.spec, registry), task, {}, recipe, seed)
    return ExportSource(
        name=name,
        model=nn.Sequential(model, task.answers()).eval(),
        task=task,
        test=data.splits.test,
        recorded=None,
        description={"architecture": name, "columns": [column.name for column in data.spec.columns]},
        evaluated_on=str(data),
    )


def trained_source(
    name: str, registry: zoo.Registry, data: LoadedDataset, seed: int, stage: str, runs: Path
) -> ExportSource:
    """The best checkpoint of a training."""
    usual = resolve(registry.architecture(name).hyperparameters | dict(data.spec.hyperparameters.get(name, {}))).epochs
    epochs = 1 if stage == "one epoch" else min(usual, FEW_EPOCHS)
    run = zoo.train(name, dataset=data.spec.name, seed=seed, epochs=epochs, runs_dir=runs, registry=registry)
    return make_source(load_trained(run, registry), data)


class Writer:
    """Writes files of one architecture: the exporter writes the first, the others are copies with other weights."""

    def __init__(self, exporter: zoo.Exporter) -> None:
        self.full = resolve_reference(exporter.write)
        self.first: onnx.ModelProto | None = None
        self.places: dict[str, str] = {}
        self.replaces: bool | None = None

    def __call__(self, source: ExportSource, path: Path) -> None:
        if self.replaces:
            path.write_bytes(self.with_weights_of(source))
            return
        self.full(source, path)
        if self.first is None:
            self.first = onnx.load(path)
            state = source.model.state_dict()
            self.places = {
                tensor.name: key for tensor in self.first.graph.initializer if (key := place_of(tensor.name, state))
            }
        elif self.replaces is None:
            self.replaces = self.with_weights_of(source) == stripped(onnx.load(path))

    def with_weights_of(self, source: ExportSource) -> bytes:
        """The first file with the weights of ``source``."""
        assert self.first is not None
        model, state = onnx.ModelProto(), source.model.state_dict()
        model.CopyFrom(self.first)
        for tensor in model.graph.initializer:
            if tensor.name in self.places:
                value = state[self.places[tensor.name]].numpy()
                tensor.raw_data = np.ascontiguousarray(value).tobytes()
        return stripped(model)


def place_of(name: str, state: dict) -> str:
    """The key of ``state`` for the initialiser ``name``; empty if none."""
    return next((key for key in state if key == name or name.endswith(f".{key}")), "")


def stripped(model: onnx.ModelProto) -> bytes:
    """The bytes of ``model`` without its description."""
    del model.metadata_props[:]
    return model.SerializeToString(deterministic=True)
