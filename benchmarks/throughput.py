"""Compare the speed of the zoo's training loop with other loops that compute the same.

    python benchmarks/throughput.py NAME [ROUNDS]

- bare: the shortest loop over tensors in memory, without metrics, checkpoints, seeding or handling of interrupts
- lightning, accelerate: Lightning's Trainer and Hugging Face's Accelerator with a DataLoader of the same tensors,
  without checkpoints and logs, if installed (`pip install lightning accelerate`)

Network, data, batch size, memory layout and optimiser are the same. One process runs an epoch of each alternately,
ROUNDS times (default 5), and prints medians.
"""

from __future__ import annotations

import importlib.util
import logging
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import zoo

BATCH = 128
Epoch = Callable[[zoo.Architecture, zoo.Split], float]


def make_model(architecture: zoo.Architecture, train: zoo.Split) -> nn.Sequential:
    """Normalisation and network, as in the zoo."""
    torch.manual_seed(0)
    model = nn.Sequential(zoo.Preprocess.fit(train.inputs), zoo.create_model(architecture.name))
    return model.to(memory_format=torch.channels_last)


def make_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """The same optimiser as in :func:`zoo_epoch`."""
    return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4, fused=True)


def bare_epoch(architecture: zoo.Architecture, train: zoo.Split) -> float:
    """Seconds of the bare loop."""
    model = make_model(architecture, train)
    optimizer = make_optimizer(model)
    order = torch.randperm(len(train))
    began = time.perf_counter()
    for index in order.split(BATCH):
        loss = nn.functional.cross_entropy(model(train.inputs[index]), train.targets[index])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return time.perf_counter() - began


def zoo_epoch(architecture: zoo.Architecture, train: zoo.Split) -> float:
    """Seconds of the training part of the zoo's second epoch, as recorded in the metrics of the run."""
    settings = {"epochs": 2, "batch_size": BATCH, "lr": 0.01, "optimizer": "sgd", "shift": 0, "label_smoothing": 0.0}
    with tempfile.TemporaryDirectory() as scratch:
        run = zoo.train(architecture.name, dataset=architecture.dataset, runs_dir=scratch, device="cpu", **settings)
        return float(run.metrics()[1]["train_seconds"])


def make_loader(train: zoo.Split) -> DataLoader:
    """The DataLoader for both frameworks."""
    return DataLoader(TensorDataset(train.inputs, train.targets), batch_size=BATCH, shuffle=True)


def accelerate_epoch(architecture: zoo.Architecture, train: zoo.Split) -> float:
    """Seconds of Hugging Face's loop, as in its documentation."""
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    model = make_model(architecture, train)
    model, optimizer, loader = accelerator.prepare(model, make_optimizer(model), make_loader(train))
    began = time.perf_counter()
    for inputs, targets in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), targets)
        accelerator.backward(loss)
        optimizer.step()
    return time.perf_counter() - began


def lightning_epoch(architecture: zoo.Architecture, train: zoo.Split) -> float:
    """Seconds of Lightning's Trainer between the start and the end of its training epoch."""
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = make_model(architecture, train)
            self.seconds = 0.0

        def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
            inputs, targets = batch
            return nn.functional.cross_entropy(self.model(inputs), targets)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return make_optimizer(self.model)

        def on_train_epoch_start(self) -> None:
            self.began = time.perf_counter()

        def on_train_epoch_end(self) -> None:
            self.seconds = time.perf_counter() - self.began

    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    module = Module()
    lightning.Trainer(max_epochs=1, accelerator="cpu", **quiet).fit(module, make_loader(train))
    return module.seconds


def main() -> None:
    """Print the samples per second of each loop, and the ratio of the zoo to it."""
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    registry = zoo.create_registry()
    architecture = registry.architecture(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    train = zoo.load_dataset(registry.dataset(architecture.dataset), zoo.data_folder()).splits.train
    loops: dict[str, Epoch] = {"zoo": zoo_epoch, "bare": bare_epoch}
    loops |= {
        name: loop
        for name, loop in (("lightning", lightning_epoch), ("accelerate", accelerate_epoch))
        if importlib.util.find_spec(name)
    }
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(rounds + 1):
        for name, loop in loops.items():
            seconds[name].append(loop(architecture, train))
    speed = {name: len(train) / statistics.median(times[1:]) for name, times in seconds.items()}
    print(f"{architecture.name}, {len(train):,} samples in batches of {BATCH}, {torch.get_num_threads()} threads")
    for name, value in speed.items():
        print(f"{name:<12}{value:>10,.0f} samples/s   zoo is {speed['zoo'] / value:.3f} times as fast")


if __name__ == "__main__":
    main()
