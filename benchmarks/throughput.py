"""The zoo's training loop beside the barest one that does the same arithmetic.

    python benchmarks/throughput.py NAME [ROUNDS]

Same network, data on the device, batch, layout, optimiser and number of steps; the bare loop has no checkpoints,
metrics, progress, seeding or interrupts. Epochs of both alternate in one process; medians are compared.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time

import torch

import zoo


def bare_epoch(architecture: zoo.Architecture, train: zoo.Split, batch_size: int) -> float:
    """Seconds of one epoch of a hand-written loop."""
    torch.manual_seed(0)
    network = zoo.create_model(architecture.name)
    model = torch.nn.Sequential(zoo.Preprocess.fit(train.inputs), network).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4, fused=True)
    order = torch.randperm(len(train))
    began = time.perf_counter()
    for index in order.split(batch_size):
        loss = torch.nn.functional.cross_entropy(model(train.inputs[index]), train.targets[index])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return time.perf_counter() - began


def zoo_epoch(architecture: zoo.Architecture, batch_size: int) -> float:
    """Seconds that the zoo's own loop spends in the training part of one epoch, by its own record."""
    settings = {
        "epochs": 1,
        "batch_size": batch_size,
        "lr": 0.01,
        "optimizer": "sgd",
        "shift": 0,
        "label_smoothing": 0.0,
    }
    with tempfile.TemporaryDirectory() as scratch:
        run = zoo.train(architecture.name, dataset=architecture.dataset, runs_dir=scratch, device="cpu", **settings)
        return float(run.metrics()[0]["train_seconds"])


def main() -> None:
    """Print samples per second of both, and their ratio."""
    registry = zoo.create_registry()
    architecture = registry.architecture(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    batch_size = 128
    train = zoo.load_dataset(registry.dataset(architecture.dataset), zoo.data_folder()).splits.train
    times = [
        (zoo_epoch(architecture, batch_size), bare_epoch(architecture, train, batch_size)) for _ in range(rounds + 1)
    ]
    ours, bare = (len(train) / statistics.median(column) for column in zip(*times[1:], strict=True))
    print(f"{architecture.name}, batch {batch_size}, {torch.get_num_threads()} threads")
    print(f"zoo {ours:,.0f} samples/s, bare {bare:,.0f} samples/s, ratio {ours / bare:.3f}")


if __name__ == "__main__":
    main()
