"""What is sent to MLflow: parameters, metrics, files of a run, and exported files as models with a signature."""

from __future__ import annotations

import contextlib
import io
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import zoo

_OURS = {
    # MLflow reports its use to its makers by default, and repeats a failed request for minutes
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}
"""Settings of MLflow, unless the user has set them. MLflow reads them from the environment only."""
_STATUS = {"finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}
_FILES = ("run.json", "metrics.csv", "curves.png")
_MOST_METRICS = 1000
"""In one request; a limit of MLflow."""


@contextlib.contextmanager
def _settings() -> Iterator[None]:
    """Context with the settings of :data:`_OURS` in the environment."""
    added = [name for name in _OURS if name not in os.environ]
    os.environ.update({name: _OURS[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def open_run(run: zoo.Run, parameters: Mapping[str, Any], known: zoo.TrackedIdentity | None) -> MLflowRun:
    """Continue the MLflow run of ``run``, or create one."""
    with _settings():
        import mlflow

        uri = mlflow.get_tracking_uri()
        client, place = mlflow.MlflowClient(uri), _without_password(uri)
        if known is None or known.place != place or not _continue(client, known.id):
            known = zoo.TrackedIdentity(_create(client, run, parameters), place)
        return MLflowRun(client, known)


def _without_password(uri: str) -> str:
    return re.sub("//[^/@]*@", "//", uri)


def _continue(client: Any, run_id: str) -> bool:
    """Set the status to running; False if the run was deleted there."""
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_run(run_id).info
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    if found.lifecycle_stage != "active":
        return False
    client.update_run(run_id, status="RUNNING")
    return True


def _create(client: Any, run: zoo.Run, parameters: Mapping[str, Any]) -> str:
    """Create a run with its parameters and tags; its id."""
    from mlflow.entities import Param, RunTag

    config = run.config
    tags = {
        "mlflow.source.name": "zoo train",
        "mlflow.source.git.commit": config.get("git_commit"),
        "zoo.run": run.name,
        "zoo.data.fingerprint": config["data"]["fingerprint"],
    } | {f"zoo.versions.{name}": version for name, version in config.get("versions", {}).items()}
    created = client.create_run(_experiment(client), run_name=run.name)
    client.log_batch(
        created.info.run_id,
        params=[Param(name, str(value)) for name, value in parameters.items()],
        tags=[RunTag(name, str(value)) for name, value in tags.items() if value],
    )
    return str(created.info.run_id)


def _experiment(client: Any) -> str:
    """The id of the experiment of the environment variables; created if it does not exist."""
    from mlflow.exceptions import MlflowException

    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "")
    if not name:
        return os.environ.get("MLFLOW_EXPERIMENT_ID") or "0"
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:  # another training created it just now
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)


class MLflowRun:
    """A :class:`zoo.TrackedRun` at MLflow."""

    def __init__(self, client: Any, identity: zoo.TrackedIdentity) -> None:
        self._client, self.identity = client, identity

    def send(self, points: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """Send the metrics of some epochs; the step is the epoch."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for step, values in points for name, value in values.items()]
        with _settings():
            for first in range(0, len(metrics), _MOST_METRICS):
                self._client.log_batch(self.identity.id, metrics=metrics[first : first + _MOST_METRICS])

    def finish(self, run: zoo.Run, results: Mapping[str, float]) -> None:
        """Send results and files, and set the status."""
        if results:
            self.send([(run.config["results"]["epoch"], results)])
        with _settings():
            for path in (*(run.folder / name for name in _FILES), *([run.best] if results else [])):
                if path.is_file():
                    self._client.log_artifact(self.identity.id, str(path))
            self._client.set_terminated(self.identity.id, _STATUS.get(run.status, "FINISHED"))

    def attach(self, run: zoo.Run, certificate: zoo.Certificate) -> None:
        """Add the file and its certificate as artifacts, and an ONNX file also as a model with a signature."""
        with _settings():
            for path in (certificate.file, certificate.path):
                self._client.log_artifact(self.identity.id, str(path), "export")
            if certificate.file.suffix == ".onnx":
                self._log_model(certificate)

    def _log_model(self, certificate: zoo.Certificate) -> None:
        import mlflow.onnx
        import onnx

        with contextlib.redirect_stdout(io.StringIO()):  # it prints addresses
            mlflow.start_run(run_id=self.identity.id)
            try:
                mlflow.onnx.log_model(
                    onnx.load(str(certificate.file)),
                    name="".join(c if c.isalnum() or c in "-_" else "-" for c in certificate.file.stem),
                    signature=_signature(certificate),
                    save_as_external_data=False,
                    pip_requirements=["mlflow", "numpy", "onnx", "onnxruntime"],
                    metadata={"sha256": certificate.sha256, "certificate": f"export/{certificate.path.name}"},
                )
            finally:
                mlflow.end_run("RUNNING")


def _signature(certificate: zoo.Certificate) -> Any:
    """Names, types and shapes of the inputs and outputs, with -1 for the batch."""
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    def schema(specs: Sequence[zoo.TensorSpec]) -> Schema:
        return Schema(
            [
                TensorSpec(np.dtype(spec.type), tuple(-1 if isinstance(n, str) else n for n in spec.shape), spec.name)
                for spec in specs
            ]
        )

    found = certificate.inspection
    return None if found is None else ModelSignature(schema(found.inputs), schema(found.outputs))
