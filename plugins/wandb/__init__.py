"""Weights & Biases: `zoo train NAME --log wandb`, and `zoo export RUN --onnx --log wandb` for the exported file.

It needs the extra: ``pip install 'pluggy-zoo[wandb]'``. It writes offline runs into ``RUN/wandb``. Nothing leaves the
machine before ``wandb sync``, unless ``WANDB_MODE=online`` is set. The project and the rest are those of the
environment variables of Weights & Biases, such as ``WANDB_PROJECT``.
"""

from __future__ import annotations

import zoo

_tracker = zoo.Tracker("wandb", "zoo.plugins.wandb.client:open_run")

train_started = _tracker.train_started
epoch_ended = _tracker.epoch_ended
train_ended = _tracker.train_ended
file_exported = _tracker.file_exported
