"""The training loop of common tutorials, which ``time_to_accuracy.py`` compares with the zoo.

    python benchmarks/tutorial_loop.py NAME FOLDER [EPOCHS]

It uses a DataLoader with transforms for each sample, batches of 64, and SGD with learning rate 0.01 and momentum 0.5.
It tests after each epoch and prints a line of JSON: epoch, test accuracy, seconds since the start of the process.
"""

from __future__ import annotations

import json
import sys
import time

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

import zoo

BATCH = 64


def train(model: nn.Module, loader: DataLoader, optimizer: torch.optim.Optimizer) -> None:
    """Train one epoch."""
    model.train()
    criterion = nn.CrossEntropyLoss()
    running = 0.0
    for step, (inputs, target) in enumerate(loader):
        optimizer.zero_grad()
        loss = criterion(model(inputs), target)
        loss.backward()
        optimizer.step()
        running += loss.item()
        if step % 300 == 299:
            print(f"{step + 1} loss: {running / 300:.3f}", file=sys.stderr)
            running = 0.0


def test(model: nn.Module, loader: DataLoader) -> float:
    """Accuracy on the test split."""
    model.eval()
    correct = total = 0
    with torch.no_grad():
        for images, labels in loader:
            predicted = model(images).argmax(dim=1)
            total += labels.size(0)
            correct += (predicted == labels).sum().item()
    return correct / total


def main() -> None:
    """Train and test."""
    name, folder = sys.argv[1:3]
    epochs = int(sys.argv[3]) if len(sys.argv) > 3 else 10
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    train_loader = DataLoader(datasets.MNIST(folder, train=True, transform=transform), batch_size=BATCH, shuffle=True)
    test_loader = DataLoader(datasets.MNIST(folder, train=False, transform=transform), batch_size=BATCH)
    torch.manual_seed(0)
    model = zoo.create_model(name)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.5)
    began = float(sys.argv[4]) if len(sys.argv) > 4 else time.time()
    for epoch in range(1, epochs + 1):
        train(model, train_loader, optimizer)
        accuracy = test(model, test_loader)
        print(json.dumps({"epoch": epoch, "accuracy": accuracy, "seconds": time.time() - began}), flush=True)


if __name__ == "__main__":
    main()
