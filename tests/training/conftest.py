"""Fixtures of the training tests."""

import pytest


@pytest.fixture
def every_step(monkeypatch):
    """``train_progressed`` is called after every step."""
    monkeypatch.setattr("zoo.training.loop.PROGRESS_SECONDS", 0)
