"""Several workers at one study: who is killed loses only its trial, in a journal file and in PostgreSQL."""

import subprocess
import sys

import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool
from waiting import wait_for

import zoo
from zoo.tuning import storage

COMMAND = (sys.executable, "-P", "-m", "zoo", "tune")
START = ("tiny-cnn", "--trials", "3", "--seeds", "0", "--epochs", "1", "--device", "cpu", "--study", "shared")


def start(*arguments):
    return subprocess.Popen([*COMMAND, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def check(found):
    """One trial was killed and tried again with the same settings; the study has as many trials as wanted."""
    assert found.counted == 3
    killed = [trial for trial in found.trials if trial.outcome == "stopped"]
    assert [trial.reason for trial in killed] == ["its worker was killed"]
    again = [t for t in found.trials if t.outcome == "finished" and t.settings == killed[0].settings]
    assert len(again) == 1


def test_a_worker_that_is_killed_loses_only_its_trial(tiny_file):
    first = start(*START)
    try:
        wait_for(tiny_file.exists)
        done = []

        def kill(found):
            done.append(found.counted)
            if found.counted == 2:  # all that is left is the trial of the first worker
                first.kill()

        found = zoo.join_study("shared", device="cpu", watch=kill)
    finally:
        first.kill()
        first.wait()
    assert done == [1, 2, 3]
    check(found)


def test_a_worker_on_another_machine_is_known_by_its_sign_of_life(tmp_path, monkeypatch):
    folder = tmp_path / "workers"
    storage.write_beat(folder, 7)
    assert not storage.is_stale(folder, 7, 5.0)
    monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
    assert not storage.is_stale(folder, 7, 5.0)
    monkeypatch.setattr(storage, "GRACE_SECONDS", -1)
    assert storage.is_stale(folder, 7, 5.0)
    assert storage.is_stale(folder, 8, 5.0)  # killed before its first sign of life
    monkeypatch.setattr(storage, "GRACE_SECONDS", 60)
    assert not storage.is_stale(folder, 8, 5.0)


def test_a_number_of_a_process_that_is_used_again_is_not_taken_for_the_worker(tmp_path, monkeypatch):
    storage.write_beat(tmp_path / "workers", 1)
    monkeypatch.setattr(storage, "_started", lambda pid: 1.0)
    assert storage.is_stale(tmp_path / "workers", 1, 5.0)


def test_a_line_that_a_killed_worker_cut_off_does_not_damage_the_journal(finished_study, tmp_path):
    (tmp_path / storage.JOURNAL).write_bytes(
        (finished_study.folder / storage.JOURNAL).read_bytes() + b'{"op_code": 5, "wor'
    )
    opened = storage.open_storage(tmp_path, None)
    assert len(opened.get_all_trials(0)) == 5
    opened.set_study_user_attr(0, "one", "more")
    assert storage.open_storage(tmp_path, None).get_study_user_attrs(0)["one"] == "more"


def test_two_workers_begin_the_last_trial_at_once(finished_study):
    from zoo.tuning.work import trials_left

    assert not trials_left(finished_study.trials, 5)
    assert trials_left(finished_study.trials, 6)
    assert trials_left(finished_study.trials, None)


def test_connections_to_a_database_are_closed(tiny_registry, tmp_path):
    opened, closed = [], []
    event.listen(Pool, "connect", lambda connection, _: opened.append(connection))
    event.listen(Pool, "close", lambda connection, _: closed.append(connection))
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    start = {"trials": 1, "seeds": 0, "epochs": 1, "device": "cpu", "registry": tiny_registry, "storage": url}
    zoo.tune("tiny-cnn", study=tmp_path / "shared", **start)
    zoo.join_study(tmp_path / "shared", storage=url, registry=tiny_registry)
    zoo.continue_study(tmp_path / "shared", storage=url, seeds=0, registry=tiny_registry)
    with pytest.raises(zoo.UsageError, match="There is already a study shared"):
        zoo.tune("tiny-cnn", study=tmp_path / "elsewhere" / "shared", **start)
    with pytest.raises(zoo.ZooError, match="There is no study other"):
        zoo.join_study("other", storage=url, registry=tiny_registry)
    assert len(opened) >= 5
    assert {id(one) for one in opened} == {id(one) for one in closed}


def test_a_password_is_neither_shown_nor_stored():
    url = "postgresql://me:se:cret@host:5432/studies"
    assert storage.without_password(url) == "postgresql://me:***@host:5432/studies"
    assert storage.has_hidden_password(storage.without_password(url))
    assert not storage.has_hidden_password("postgresql://host/studies")


@pytest.mark.slow
def test_workers_share_a_study_in_postgresql(postgres, tiny_file, monkeypatch):
    first = start(*START, "--storage", postgres)
    try:
        wait_for(tiny_file.exists)
    finally:
        first.kill()
        first.wait()
    monkeypatch.setattr(storage, "GRACE_SECONDS", 2)
    found = zoo.join_study("shared", storage=postgres, device="cpu")
    check(found)
    record = (found.folder / "study.json").read_text()
    assert "secret" not in record
    with pytest.raises(zoo.UsageError, match=r"The password of .* is not stored. Give the whole URL again"):
        zoo.continue_study("shared")
    with pytest.raises(zoo.UsageError, match="There is already a study shared"):
        zoo.tune("tiny-cnn", trials=1, study="elsewhere/shared", storage=postgres, device="cpu")
    finished = zoo.continue_study("shared", storage=postgres, seeds=1, device="cpu")
    assert len(finished.finalists[0].seeds.runs) == 1
