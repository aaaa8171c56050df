"""A third-party plugin for tests: 4x4 images of two classes, a network with dropout and batch norm."""

import torch
from torch import nn

import zoo


@zoo.hookimpl
def register_architectures(register):
    register(
        zoo.Architecture(
            name="tiny-cnn",
            summary="one convolution",
            task="classification",
            builder=build,
            dataset="bars",
            parameters=8 * 10 + 16 + 8 * 16 * 2 + 2,
            hyperparameters={"epochs": 3, "batch_size": 16, "lr": 0.1, "shift": 1},
            options=(
                zoo.Option(name="dropout", default=0.2, help="part of the features dropped", minimum=0, below=1),
                zoo.Option(name="bias", default=True, help="whether the last layer has a bias"),
            ),
        )
    )


@zoo.hookimpl
def register_datasets(register):
    register(
        zoo.Dataset(
            name="bars",
            summary="bars across or along",
            task="classification",
            loader=load,
            input_shape=(1, 4, 4),
            num_outputs=2,
            labels=("across", "along"),
            sizes={"train": 200, "test": 60},
        )
    )


def build(input_shape, num_outputs, dropout, bias):
    channels, height, width = input_shape
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Flatten(),
        nn.Linear(8 * height * width, num_outputs, bias=bias),
    )


def load(folder, download):
    random = torch.Generator().manual_seed(7)
    splits = []
    for size in (200, 60):
        images = torch.randint(0, 90, (size, 1, 4, 4), generator=random)
        targets = torch.randint(0, 2, (size,), generator=random)
        place = torch.randint(0, 4, (size,), generator=random)
        for image, target, where in zip(images[:, 0], targets, place, strict=True):
            (image if target == 0 else image.T)[where] += 140
        splits.append(zoo.Split(images.to(torch.uint8), targets))
    return zoo.Splits(*splits)
