"""MLflow: `zoo train NAME --log mlflow`, and `zoo export RUN --onnx --log mlflow` for the exported file.

It needs the extra: ``pip install 'pluggy-zoo[mlflow]'``. The server and the experiment are those of MLflow's own
environment variables, such as ``MLFLOW_TRACKING_URI`` and ``MLFLOW_EXPERIMENT_NAME``.
"""

from __future__ import annotations

import zoo

_tracker = zoo.Tracker("mlflow", "zoo.plugins.mlflow.client:open_run")

train_started = _tracker.train_started
epoch_ended = _tracker.epoch_ended
train_ended = _tracker.train_ended
file_exported = _tracker.file_exported
