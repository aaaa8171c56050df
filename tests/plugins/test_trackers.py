"""MLflow with a real store and a real server, and Weights & Biases in its offline mode."""

import json
import os
import signal
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from servers import start_server
from training_helpers import StopAt, comparable, train

import zoo

pytestmark = pytest.mark.filterwarnings("ignore")  # of the trackers themselves


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    """MLflow with a database in a temporary folder."""
    pytest.importorskip("mlflow", reason="needs pluggy-zoo[mlflow]")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "zoo tests")
    import mlflow

    yield mlflow
    mlflow.set_tracking_uri(None)


def only_mlflow_run(mlflow):
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("zoo tests")
    (found,) = client.search_runs([experiment.experiment_id])
    return client, found


def assert_curves(client, found, run):
    for split in ("train", "validation"):
        for name in ("loss", "accuracy"):
            history = client.get_metric_history(found.info.run_id, f"{name}/{split}")
            assert [(point.step, point.value) for point in history] == [
                (entry["epoch"], entry[split][name]) for entry in run.metrics()
            ]


def test_mlflow_has_the_run_its_curves_and_its_files(mlflow, tiny_registry, runs_dir, tmp_path):
    plain = train(tiny_registry, runs_dir, epochs=3)
    tiny_registry.listen(StopAt(epoch=2))
    with pytest.raises(zoo.TrainingInterrupted):
        train(tiny_registry, runs_dir, epochs=3, log=["mlflow"])
    run = next(found for found in zoo.list_runs(runs_dir) if found.status == "interrupted")
    client, found = only_mlflow_run(mlflow)
    assert found.info.status == "KILLED"
    run = zoo.resume(str(run.folder), registry=tiny_registry)
    assert comparable(run) == comparable(plain)

    client, found = only_mlflow_run(mlflow)
    assert found.info.status == "FINISHED"
    assert found.info.run_name == run.name
    assert_curves(client, found, run)
    assert found.data.metrics["accuracy/test"] == run.config["results"]["test"]["accuracy"]
    assert found.data.params["architecture"] == "tiny-cnn"
    assert found.data.params["epochs"] == "3"
    assert {file.path for file in client.list_artifacts(found.info.run_id)} == {
        *("run.json", "metrics.csv", "curves.png", "best.safetensors")
    }
    kept = mlflow.artifacts.download_artifacts(run_id=found.info.run_id, artifact_path="best.safetensors")
    assert Path(kept).read_bytes() == run.best.read_bytes()

    made = zoo.export(str(run.folder), "onnx", tmp_path / "net.onnx", log=["mlflow"], registry=tiny_registry)
    client, found = only_mlflow_run(mlflow)
    assert found.info.status == "FINISHED"
    assert {file.path for file in client.list_artifacts(found.info.run_id, "export")} == {
        *("export/net.onnx", "export/net.onnx.json")
    }
    (model,) = client.search_logged_models([found.info.experiment_id])
    loaded = mlflow.pyfunc.load_model(model.model_uri)
    (taken,) = loaded.metadata.signature.inputs.inputs
    assert (taken.name, str(taken.type), taken.shape) == ("input", "uint8", (-1, 1, 4, 4))
    assert [output.name for output in loaded.metadata.signature.outputs.inputs] == ["logits", "probabilities"]
    outputs = loaded.predict(made.vectors.inputs)
    for name, expected in made.vectors.outputs.items():
        assert outputs[name] == pytest.approx(expected, abs=1e-4)


def test_an_mlflow_run_that_was_deleted_there_is_made_anew(mlflow, tiny_registry, runs_dir):
    run = train(tiny_registry, runs_dir, epochs=1, log=["mlflow"])
    client, first = only_mlflow_run(mlflow)
    client.delete_run(first.info.run_id)
    run = zoo.resume(str(run.folder), epochs=2, registry=tiny_registry)
    client, second = only_mlflow_run(mlflow)
    assert second.info.run_id != first.info.run_id
    assert_curves(client, second, run)


def test_no_password_of_a_tracking_address_is_stored(mlflow):
    from zoo.plugins.mlflow.client import _without_password

    assert _without_password("https://me:secret@host:5000/x") == "https://host:5000/x"
    assert _without_password("sqlite:////tmp/m.db") == "sqlite:////tmp/m.db"


def is_healthy(port):
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
        return True
    except OSError:
        return False


@pytest.fixture
def server(mlflow, tmp_path, monkeypatch):
    """A tracking server on SQLite, as a process of its own."""
    store = ["--backend-store-uri", f"sqlite:///{tmp_path}/server.db", "--artifacts-destination", f"{tmp_path}/files"]
    command = [sys.executable, "-m", "mlflow", "server", *store, "--workers", "1"]
    with open(tmp_path / "server.log", "wb") as log:
        process, port = start_server(
            lambda port: [*command, "--port", str(port)], is_healthy, stdout=log, stderr=log, start_new_session=True
        )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")

    def stop():
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    yield stop
    stop()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the server is stopped by a signal to its process group")
def test_a_tracking_server_that_stops_does_not_stop_the_training(mlflow, server, tiny_registry, runs_dir, caplog):
    plain = train(tiny_registry, runs_dir, epochs=4)
    run = train(tiny_registry, runs_dir, epochs=4, log=["mlflow"])
    client, found = only_mlflow_run(mlflow)
    assert found.info.status == "FINISHED"
    assert_curves(client, found, run)
    assert client.list_artifacts(found.info.run_id)

    class Stops:
        @zoo.hookimpl(tryfirst=True)
        def epoch_ended(self, metrics):
            if metrics["epoch"] == 2:
                server()

    caplog.clear()
    tiny_registry.listen(Stops())
    began = time.monotonic()
    run = train(tiny_registry, runs_dir, epochs=4, log=["mlflow"])
    assert time.monotonic() - began < 60
    assert comparable(run) == comparable(plain)
    assert len([record for record in caplog.records if "Plugin mlflow" in record.getMessage()]) == 1


@pytest.fixture
def wandb(tmp_path, monkeypatch):
    """Weights & Biases, which keeps its own files in a temporary folder."""
    module = pytest.importorskip("wandb", reason="needs pluggy-zoo[wandb]")
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for name in ("WANDB_MODE", "WANDB_DIR", "WANDB_API_KEY", "WANDB_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    return module


def offline_records(file):
    """The records of an offline run: a log of LevelDB with a protocol buffer in each entry."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, place, entry = file.read_bytes(), 7, b""
    assert content[:4] == b":W&B"
    while place + 7 <= len(content):
        if 2**15 - place % 2**15 < 7:
            place += 2**15 - place % 2**15
        length, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        entry += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a whole entry, or its last part
            yield Record.FromString(entry)
            entry = b""


def test_wandb_has_the_run_offline_and_continues_it(wandb, tiny_registry, runs_dir, tmp_path):
    plain = train(tiny_registry, runs_dir, epochs=3)
    tiny_registry.listen(StopAt(epoch=2))
    with pytest.raises(zoo.TrainingInterrupted):
        train(tiny_registry, runs_dir, epochs=3, log=["wandb"])
    run = next(found for found in zoo.list_runs(runs_dir) if found.status == "interrupted")
    run = zoo.resume(str(run.folder), registry=tiny_registry)
    assert comparable(run) == comparable(plain)
    zoo.export(str(run.folder), "onnx", tmp_path / "net.onnx", log=["wandb"], registry=tiny_registry)

    files = sorted((run.folder / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 3
    for _ in range(100):  # its process writes the end a moment later
        sessions = [list(offline_records(file)) for file in files]
        if any(record.HasField("exit") for record in sessions[-1]):
            break
        time.sleep(0.1)
    assert len({r.run.run_id for records in sessions for r in records if r.HasField("run")}) == 1
    codes = [r.exit.exit_code for records in sessions for r in records if r.HasField("exit")]
    assert codes == [255, 0, 0]
    history = [
        {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
        for records in sessions
        for record in records
        if record.HasField("history")
    ]
    assert [(point["epoch"], point["loss/train"]) for point in history] == [
        (entry["epoch"], entry["train"]["loss"]) for entry in run.metrics()
    ]
    assert [point["_step"] for point in history] == [1, 2, 3]
    artifacts = [r.request.log_artifact.artifact for records in sessions for r in records if r.HasField("request")]
    artifacts += [r.artifact for records in sessions for r in records if r.HasField("artifact")]
    logged = {file.path for artifact in artifacts for file in artifact.manifest.contents}
    assert {"best.safetensors", "run.json", "net.onnx", "net.onnx.json"} <= logged
