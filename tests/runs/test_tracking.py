"""Trackers, with a service that is a list: what is sent, once and only once, and what a failure does."""

import json

import pytest
from training_helpers import StopAt, comparable, train

import zoo

SERVICE = {}
"""What the service has: for each run its parameters, points, status and files."""
BROKEN = set()
"""The methods of the service that fail."""


class FakeRun:
    def __init__(self, identity):
        self.identity = identity

    def send(self, points):
        fail("send")
        SERVICE[self.identity.id]["points"] += points

    def finish(self, run, results):
        fail("finish")
        SERVICE[self.identity.id] |= {"status": run.status, "results": dict(results)}

    def attach(self, run, certificate):
        fail("attach")
        SERVICE[self.identity.id]["file"] = certificate.file.name


def fail(method):
    if method in BROKEN:
        raise ConnectionError(f"the service does not\nanswer to {method}")


def open_run(run, parameters, known):
    fail("open")
    if known is None or known.id not in SERVICE:
        known = zoo.TrackedIdentity(f"run-{len(SERVICE)}", "here")
        SERVICE[known.id] = {"parameters": parameters, "points": []}
    SERVICE[known.id]["status"] = "open"
    return FakeRun(known)


class Plugin:
    """A plugin with a tracker, as a module would be."""

    def __init__(self):
        tracker = zoo.Tracker("fake", open_run)
        self.train_started, self.epoch_ended = tracker.train_started, tracker.epoch_ended
        self.train_ended, self.file_exported = tracker.train_ended, tracker.file_exported


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch):
    """Send each epoch at once, to a service that is empty."""
    SERVICE.clear()
    BROKEN.clear()
    monkeypatch.setattr("zoo.runs.tracking.SEND_SECONDS", 0.0)


@pytest.fixture
def tracked(tiny_registry):
    tiny_registry.add(zoo.Plugin("fake", "third-party", "1.0", "fake"), Plugin())
    return tiny_registry


def only_run():
    (found,) = SERVICE.values()
    return found


def assert_complete(run):
    """The service has each epoch of the run once, in order, and its status."""
    found = only_run()
    assert [epoch for epoch, _ in found["points"]] == [entry["epoch"] for entry in run.metrics()]
    for (_, metrics), entry in zip(found["points"], run.metrics(), strict=True):
        assert metrics["loss/train"] == entry["train"]["loss"]
        assert metrics["accuracy/validation"] == entry["validation"]["accuracy"]
        assert metrics["learning rate"] == entry["lr"]
    assert found["status"] == run.status


def test_a_tracker_gets_settings_metrics_and_results(tracked, runs_dir):
    run = train(tracked, runs_dir, epochs=3, seed=5, log=["fake"])
    assert_complete(run)
    found = only_run()
    assert found["results"] == {f"{name}/test": value for name, value in run.config["results"]["test"].items()}
    assert found["parameters"] | {"architecture": "tiny-cnn", "seed": 5, "epochs": 3} == found["parameters"]
    assert json.loads((run.folder / "fake.json").read_text()) == {"id": "run-0", "place": "here", "epochs": 3}


def test_short_epochs_are_sent_together(tracked, runs_dir, monkeypatch):
    monkeypatch.setattr("zoo.runs.tracking.SEND_SECONDS", 1000.0)
    sent = []
    monkeypatch.setattr(FakeRun, "send", lambda self, points: sent.append([epoch for epoch, _ in points]))
    train(tracked, runs_dir, epochs=3, log=["fake"])
    assert sent == [[1, 2, 3]]


def test_the_weights_do_not_depend_on_a_tracker(tracked, runs_dir):
    assert comparable(train(tracked, runs_dir, epochs=2)) == comparable(
        train(tracked, runs_dir, epochs=2, log=["fake"])
    )


def test_a_resumed_training_continues_the_run_of_the_service(tracked, runs_dir):
    tracked.listen(StopAt(epoch=2))
    with pytest.raises(zoo.TrainingInterrupted):
        train(tracked, runs_dir, epochs=4, log=["fake"])
    (run,) = zoo.list_runs(runs_dir)
    assert_complete(run)
    assert run.status == "interrupted"
    assert_complete(zoo.resume(str(run.folder), registry=tracked))


def test_epochs_that_are_trained_again_are_sent_once(tracked, runs_dir):
    """After a kill the service can have epochs that came after the checkpoint."""
    tracked.listen(StopAt(epoch=2))
    with pytest.raises(zoo.TrainingInterrupted):
        train(tracked, runs_dir, epochs=4, log=["fake"])
    (run,) = zoo.list_runs(runs_dir)
    only_run()["points"].append((3, {}))
    (run.folder / "fake.json").write_text('{"id": "run-0", "place": "here", "epochs": 3}')
    zoo.resume(str(run.folder), registry=tracked)
    assert [epoch for epoch, _ in only_run()["points"]] == [1, 2, 3, 4]


def test_a_service_that_fails_is_one_warning_and_catches_up_at_the_end(tracked, runs_dir, caplog):
    class Fails:
        @zoo.hookimpl(tryfirst=True)
        def epoch_ended(self, metrics):
            (BROKEN.add if metrics["epoch"] in (2, 3) else BROKEN.discard)("send")

    tracked.listen(Fails())
    run = train(tracked, runs_dir, epochs=5, log=["fake"])
    assert run.status == "finished"
    assert_complete(run)
    (warning,) = [record.getMessage() for record in caplog.records if "fake" in record.getMessage()]
    assert "ConnectionError: the service does not answer to send. The training continues" in warning
    assert f"zoo export {run.folder} --onnx --log fake" in warning


@pytest.mark.parametrize("method", ["open", "send", "finish"])
def test_a_service_that_never_works_costs_one_warning(method, tracked, runs_dir, caplog):
    BROKEN.add(method)
    plain = train(tracked, runs_dir, epochs=2)
    run = train(tracked, runs_dir, epochs=2, log=["fake"])
    assert comparable(run) == comparable(plain)
    assert len([record for record in caplog.records if "fake" in record.getMessage()]) == 1
    BROKEN.clear()
    run = zoo.resume(str(run.folder), epochs=3, registry=tracked)
    assert_complete(run)


def test_why_a_service_failed_again_at_the_end_is_in_the_log_of_details(tracked, runs_dir, caplog):
    BROKEN.add("open")
    with caplog.at_level("DEBUG", "zoo"):
        train(tracked, runs_dir, epochs=1, log=["fake"])
    assert "fake: the service does not\nanswer to open" in [record.getMessage() for record in caplog.records]


def test_a_failed_training_is_sent_as_failed(tracked, runs_dir):
    with pytest.raises(zoo.TrainingDiverged):
        train(tracked, runs_dir, epochs=5, lr=1e30, optimizer="sgd", log=["fake"])
    assert only_run()["status"] == "failed"


def test_a_dry_run_sends_nothing(tracked, runs_dir):
    train(tracked, runs_dir, log=["fake"], dry_run=True)
    assert not SERVICE


@pytest.mark.parametrize("content", ["[]", '{"id": "../x"}', '{"id": 1}', '{"id": "a", "epochs": -1}', "{"])
def test_a_damaged_identity_is_one_warning(content, tracked, runs_dir, caplog):
    run = train(tracked, runs_dir, epochs=1, log=["fake"])
    (run.folder / "fake.json").write_text(content)
    zoo.resume(str(run.folder), epochs=2, registry=tracked)
    (warning,) = [record.getMessage() for record in caplog.records if "fake" in record.getMessage()]
    assert "damaged" in warning


def test_an_export_is_added_to_the_run_of_the_service(tracked, runs_dir, tmp_path):
    run = train(tracked, runs_dir, epochs=2)
    export = {"output": tmp_path / "net.onnx", "registry": tracked}
    zoo.export(str(run.folder), "onnx", log=["fake"], **export)
    assert_complete(run)  # a run that was not logged before is sent as a whole
    assert only_run()["file"] == "net.onnx"
    BROKEN.add("attach")
    with pytest.raises(zoo.ZooError, match=r"net\.onnx is written and verified, but not logged.*answer to attach"):
        zoo.export(str(run.folder), "onnx", log=["fake"], **export)


def test_an_export_is_refused_if_there_is_no_run_or_no_such_tracker(tracked, runs_dir):
    with pytest.raises(zoo.UsageError, match="no run of linear-regression to log"):
        zoo.export("linear-regression", "onnx", log=["fake"], registry=tracked, runs_dir=runs_dir)
    with pytest.raises(zoo.UnknownName, match="Did you mean 'mlflow'"):
        zoo.export("linear-regression", "onnx", log=["mlflo"], registry=tracked, runs_dir=runs_dir)
