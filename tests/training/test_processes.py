"""The parts of a training in several processes, tried in one: devices, errors of others, signals, environment."""

import os
import signal
import sys
import threading
from types import SimpleNamespace

import pytest
import torch

from zoo import PeerFailed, UsageError
from zoo.training import distributed
from zoo.training.distributed import join, launched, own_device, peer_failure

CPU = torch.device("cpu")
LOST = RuntimeError("[gloo/transport/tcp/pair.cc:1] Connection closed by peer [127.0.0.1]:1")


@pytest.mark.parametrize("name", ["WORLD_SIZE", "RANK", "LOCAL_RANK"])
def test_a_variable_of_torchrun_that_is_no_number_is_named(name, monkeypatch):
    monkeypatch.setenv(name, "two")
    with pytest.raises(UsageError, match=rf"\${name} must be a whole number, as torchrun sets it, not 'two'\."):
        launched()


def test_each_process_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert own_device("auto") == own_device("cuda") == "cuda:1"
    assert own_device("cpu") == "cpu"
    with pytest.raises(UsageError, match="--device cuda:0 names one device for several processes"):
        own_device("cuda:0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert own_device("auto") == "auto"


@pytest.fixture
def group(monkeypatch):
    """The variables that torchrun sets for a group of processes; it has this one only."""
    for name, value in {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 0, "WORLD_SIZE": 1, "RANK": 0}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(distributed, "launched", lambda: True)


def test_an_error_of_this_process_is_kept_for_the_others(group):
    with pytest.raises(ValueError, match="first"), join(CPU) as world:
        store = distributed._store()
        assert (world.rank, world.size) == (0, 1)
        raise ValueError("first\nline")
    assert store.get("zoo/reason") == b"process 0: first line"
    assert not torch.distributed.is_initialized()


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("process 1: no space left", "Another process of this training failed (process 1: no space left)."),
        (None, "Another process of this training failed (it ended without an error message; it may have been killed)."),
    ],
)
def test_an_error_of_another_process_is_one_line_with_its_reason(reason, text, group):
    with pytest.raises(PeerFailed) as caught, join(CPU):
        if reason:
            distributed._store().set("zoo/reason", reason)
        raise LOST
    assert str(caught.value) == text
    assert caught.value.__cause__ is LOST


def test_an_error_that_is_already_explained_stays(group):
    explained = PeerFailed("explained")
    with pytest.raises(PeerFailed) as caught, join(CPU):
        store = distributed._store()
        raise explained
    assert caught.value is explained
    assert not store.check(["zoo/reason"])


def test_the_advice_is_the_end_of_the_line(group):
    with join(CPU):
        assert str(peer_failure(LOST, "Resume it.")).endswith("killed). Resume it.")
        assert peer_failure(RuntimeError("another error")) is None
        assert peer_failure(ValueError(str(LOST))) is None


class Stopped(Exception):
    pass


def test_only_the_first_signal_counts_and_the_handlers_come_back():
    before = {number: signal.getsignal(number) for number in distributed.SIGNALS}
    with distributed._first_signal_raises(Stopped):
        with pytest.raises(Stopped, match="signal 15"):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    assert {number: signal.getsignal(number) for number in distributed.SIGNALS} == before


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with distributed._first_signal_raises(Stopped):
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_thread_leaves_the_handlers_alone():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work():
        with distributed._first_signal_raises(Stopped):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has ended")
@pytest.mark.parametrize(
    ("launcher", "sent"),
    [
        ("", []),
        (str(os.getppid()), [("prctl", signal.SIGTERM)]),
        ("0", [("prctl", signal.SIGTERM), ("kill", os.getpid(), signal.SIGTERM)]),
    ],
    ids=["none", "alive", "gone"],
)
def test_a_process_ends_with_its_launcher(launcher, sent, monkeypatch):
    events = []
    library = SimpleNamespace(prctl=lambda option, number, *_: events.append(("prctl", number)))
    monkeypatch.setattr("ctypes.CDLL", lambda name: library)
    monkeypatch.setattr(os, "kill", lambda process, number: events.append(("kill", process, number)))
    monkeypatch.setenv("ZOO_LAUNCHER", launcher)
    distributed.end_with_launcher()
    assert events == sent


def test_the_environment_of_the_processes_is_not_that_of_this_one(monkeypatch):
    monkeypatch.setenv("OURS", "before")
    with distributed._environment({"OURS": "inside", "NEW": "inside"}):
        assert (os.environ["OURS"], os.environ["NEW"]) == ("inside", "inside")
    assert os.environ["OURS"] == "before"
    assert "NEW" not in os.environ


def test_the_processes_know_their_launcher_and_leave_signals_to_it():
    variables = distributed._for_processes()
    assert variables["ZOO_LAUNCHER"] == str(os.getpid())
    assert variables["TORCHELASTIC_SIGNALS_TO_HANDLE"] == ""


def test_the_parts_of_different_length_are_joined_in_the_order_of_the_processes(monkeypatch):
    parts = [torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[4.0]])]

    def all_gather(found, own):
        for place, one in enumerate(found):
            if own.dtype == torch.int64:
                one.fill_(len(parts[place]))
            else:
                one.zero_()
                one[: len(parts[place])] = parts[place]

    monkeypatch.setattr(torch.distributed, "all_gather", all_gather)
    for rank in range(2):
        assert distributed.World(rank, 2).gather(parts[rank]).flatten().tolist() == [1.0, 2.0, 3.0, 4.0]


def failed(code):
    """What torch raises if a process of the training failed."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

    return ChildFailedError("zoo", {1: ProcessFailure(local_rank=1, pid=1, exitcode=code, error_file="")})


def launched_with(monkeypatch, error=None):
    """The exit code of two processes that end with ``error``, and what was started."""
    started = []

    def elastic_launch(config, executable):
        def run(*options):
            started.append((config.nproc_per_node, executable, options, os.environ["ZOO_LAUNCHER"]))
            if error is not None:
                raise error

        return run

    monkeypatch.setattr("torch.distributed.launcher.api.elastic_launch", elastic_launch)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return distributed.launch(2, ["train", "lenet"]), started


def test_the_processes_are_those_of_the_command(monkeypatch):
    code, ((count, executable, options, launcher),) = launched_with(monkeypatch)
    assert (code, count, executable, launcher) == (0, 2, sys.executable, str(os.getpid()))
    assert options[-4:] == ("-m", "zoo", "train", "lenet")
    assert "ZOO_LAUNCHER" not in os.environ


def test_the_exit_code_is_that_of_the_first_process_that_failed(monkeypatch):
    from torch.distributed.elastic.multiprocessing import SignalException

    assert launched_with(monkeypatch, failed(3))[0] == 3
    assert launched_with(monkeypatch, SignalException("stop", signal.SIGINT))[0] == 130
    with pytest.raises(
        PeerFailed, match=r"^Process 1 of 2 was ended by SIGKILL\. `zoo runs` shows the runs that can be"
    ):
        launched_with(monkeypatch, failed(-9))
