"""Helpers of the training tests: train the tiny network, stop a training, compare two runs."""

import os
import signal

import pytest
import torch

import zoo
from zoo.files import sha256
from zoo.runs.checkpoint import load_tensors

devices = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])


def train(registry, runs_dir, device="cpu", **settings):
    """Train the tiny network of the test plugin."""
    return zoo.train("tiny-cnn", registry=registry, runs_dir=runs_dir, device=device, **settings)


def comparable(run):
    """What is equal in two runs of the same training: metrics and results without times, bytes of the weights."""
    timeless = [{k: v for k, v in entry.items() if not k.endswith("seconds")} for entry in run.metrics()]
    results = {key: value for key, value in run.config["results"].items() if key != "train_seconds"}
    return timeless, results, sha256(run.best)


def assert_same_tensors(first, second):
    """Two checkpoints have the same weights, optimiser state and totals; the training time may differ."""
    (tensors, position), (others, other) = load_tensors(first), load_tensors(second)
    assert tensors.keys() == others.keys()
    assert all(torch.equal(tensors[name], others[name]) for name in tensors)
    assert position | {"seconds": 0} == other | {"seconds": 0}


def tensors_of(path):
    """The tensors of a checkpoint by name."""
    return load_tensors(path)[0]


class StopAt:
    """Sends a signal to this process after the checkpoint of an epoch, or after a step."""

    def __init__(self, epoch=None, step=None, number=signal.SIGINT):
        self.epoch, self.step, self.number = epoch, step, number

    @zoo.hookimpl
    def epoch_ended(self, run, metrics):
        if self.step is None and metrics["epoch"] == self.epoch:
            os.kill(os.getpid(), self.number)

    @zoo.hookimpl
    def train_progressed(self, run, progress):
        if self.step is not None and (progress.epoch, progress.step) == (self.epoch, self.step):
            os.kill(os.getpid(), self.number)
