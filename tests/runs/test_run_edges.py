"""Runs in unusual states: lost lines, too many of one second, a damaged identity, sizes on the hub."""

import datetime
import json
from types import SimpleNamespace

import pytest

from zoo import UsageError, ZooError
from zoo.runs import hub
from zoo.runs import run as run_module
from zoo.runs.run import Run, create_run
from zoo.runs.tracking import Tracker
from zoo.training import resuming

EPOCH = {
    "train": {"loss": 1.0, "accuracy": 0.5},
    "validation": {"loss": 1.0, "accuracy": 0.5},
    "lr": 0.1,
    "train_seconds": 1.0,
    "validation_seconds": 1.0,
}


def run_with(folder, *lines):
    (folder / "metrics.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return Run(folder, {"architecture": "net"})


def test_lines_that_are_lost_are_announced_and_later_ones_go(tmp_path, caplog):
    good = [json.dumps(EPOCH | {"epoch": epoch}) for epoch in (1, 2, 3)]
    run = run_with(tmp_path, good[0], "damaged", good[2])
    assert run.epochs_done() == 1
    run.keep_metrics(3)
    assert "This and later lines up to epoch 3 are lost." in caplog.text
    assert [entry["epoch"] for entry in run.metrics()] == [1]
    caplog.clear()
    run = run_with(tmp_path, *good[:2], "damaged")
    run.keep_metrics(2)  # the damaged line is of an epoch that is trained again
    assert caplog.text == ""
    assert [entry["epoch"] for entry in run.metrics()] == [1, 2]


def test_too_many_runs_of_one_second_are_an_error(tmp_path, monkeypatch):
    class Clock(datetime.datetime):
        @classmethod
        def now(cls):
            return cls(2026, 1, 1)

    monkeypatch.setattr("datetime.datetime", Clock)
    (tmp_path / "net" / "20260101-000000").mkdir(parents=True)
    assert create_run(tmp_path, "net", {}).folder.name == "20260101-000000-2"
    make = run_module.Path.mkdir
    monkeypatch.setattr(
        run_module.Path, "mkdir", lambda path, *_, **__: taken() if path.name[0] == "2" else make(path, *_, **__)
    )
    with pytest.raises(ZooError, match=r"net contains too many runs of this second; try again\."):
        create_run(tmp_path, "net", {})


def taken():
    raise FileExistsError


@pytest.mark.parametrize("content", [{"id": "../other"}, {"id": "a b"}, {"id": "abc", "epochs": -1}])
def test_a_damaged_identity_of_a_tracked_run_is_named(content, tmp_path):
    tracker = Tracker("fake", "no_module:f")
    run = Run(tmp_path, {"architecture": "net"})
    assert tracker._known(run) is None
    (tmp_path / "fake.json").write_text(json.dumps(content))
    with pytest.raises(ZooError, match=r"^The identity of the run at fake, .*fake\.json, is damaged; delete the file"):
        tracker._known(run)
    (tmp_path / "fake.json").write_text(json.dumps({"id": "abc", "epochs": 2}))
    assert tracker._known(run).epochs == 2


def listing(monkeypatch, sha, tmp_path, size=3, content=b"abc"):
    path = tmp_path / "got"
    path.write_bytes(content)
    files = [SimpleNamespace(rfilename="run.json", size=size), SimpleNamespace(rfilename="link", size=None)]
    api = SimpleNamespace(
        model_info=lambda *_, **__: SimpleNamespace(sha=sha, siblings=files), hf_hub_download=lambda *_, **__: path
    )
    monkeypatch.setattr(hub, "_api", lambda: api)
    return hub._listing("user/net", None)


@pytest.mark.parametrize("sha", [None, "main", "0" * 39])
def test_a_hub_without_a_commit_is_refused(sha, monkeypatch, tmp_path):
    assert listing(monkeypatch, "0" * 40, tmp_path) == ("0" * 40, {"run.json": 3})
    with pytest.raises(ZooError, match=r"^The hub names no commit of user/net\.$"):
        listing(monkeypatch, sha, tmp_path)


def test_a_file_of_another_size_than_the_hub_lists_is_refused(monkeypatch, tmp_path):
    listing(monkeypatch, "0" * 40, tmp_path)
    place = tmp_path / "place"
    place.mkdir()
    hub._download("user/net", "0" * 40, "run.json", 3, 10, place)
    assert (place / "run.json").read_bytes() == b"abc"
    with pytest.raises(ZooError, match="does not have the 4 bytes that the hub lists"):
        hub._download("user/net", "0" * 40, "run.json", 4, 10, place)
    with pytest.raises(ZooError, match="has 11 bytes, at most 10 are downloaded"):
        hub._download("user/net", "0" * 40, "run.json", 11, 10, place)


def resumed(monkeypatch, *, saved, epochs, done, **config):
    run = SimpleNamespace(name="net/1", config=config, epochs_done=lambda: done)
    world = SimpleNamespace(first=True, broadcast=lambda value: value)
    plan = SimpleNamespace(run=run, world=world)
    monkeypatch.setattr(resuming, "load_last", lambda *_: saved)
    resuming.return_to_last(plan, SimpleNamespace(epoch=done + 1), SimpleNamespace(epochs=epochs))


def test_a_run_is_not_resumed_to_fewer_epochs_or_without_its_weights(monkeypatch):
    with pytest.raises(UsageError, match=r"^net/1 has trained 3 epochs already; --epochs must be larger\.$"):
        resumed(monkeypatch, saved=True, epochs=2, done=3)
    with pytest.raises(UsageError, match=r"^net/1 stopped before it saved the weights of --init-from\."):
        resumed(monkeypatch, saved=False, epochs=None, done=0, init_from="other.safetensors")
