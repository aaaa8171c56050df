"""What the command does with its own process: signals in rare moments, and streams of the caller."""

import io
import os
import signal
import sys
import threading
from types import SimpleNamespace

import pytest

from zoo import process
from zoo.process import Interrupted, StopSignals, end_quietly, move_messages, stop_signals, take_streams
from zoo.stop_requests import stop_requests

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


@pytest.fixture(autouse=True)
def handlers():
    """The handlers of signals are those of before after the test."""
    before = {number: signal.getsignal(number) for number in process.SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number):
    """Send a signal to this process, and let Python handle it."""
    os.kill(os.getpid(), number)
    for _ in range(1_000):
        pass


def run_in_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def test_a_signal_is_not_repeated_when_nobody_handles_it_any_more(monkeypatch):
    """It would end the process without a word, after the command is over."""
    sent = []
    monkeypatch.setattr(signal, "pthread_kill", lambda thread, number: sent.append(number))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    process._signal_main_thread(signal.SIGTERM)
    assert sent == []
    signal.signal(signal.SIGTERM, StopSignals())
    process._signal_main_thread(signal.SIGTERM)
    assert sent == [signal.SIGTERM]


def test_other_exceptions_that_python_cannot_raise_are_reported_as_before(monkeypatch):
    reported, retried = [], []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    monkeypatch.setattr(StopSignals, "retry", lambda self, number: retried.append(number))
    with stop_signals():
        other = SimpleNamespace(exc_value=ValueError("in __del__"))
        sys.unraisablehook(other)
        sys.unraisablehook(SimpleNamespace(exc_value=Interrupted(signal.SIGHUP)))
    assert (reported, retried) == ([other], [signal.SIGHUP])
    assert sys.unraisablehook == reported.append


def test_at_the_end_a_signal_that_nohup_ignores_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, StopSignals())
    end_quietly()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_another_thread_leaves_the_handlers_as_they_are():
    before = [signal.getsignal(number) for number in process.SIGNALS]
    inside = []

    def work():
        with stop_signals(), stop_requests() as request:
            inside.extend([signal.getsignal(number) for number in process.SIGNALS])
        end_quietly()
        inside.append(request.signal_number)

    run_in_thread(work)
    assert inside == [*before, 0]
    assert [signal.getsignal(number) for number in process.SIGNALS] == before


@pytest.mark.parametrize("patient", [False, True])
def test_a_second_signal_stops_at_once_unless_the_caller_is_patient(patient):
    seen = []
    try:
        with stop_requests(patient=patient) as request:
            send(signal.SIGTERM)
            seen.append(request.signal_number)
            send(signal.SIGINT)
            seen.append("goes on")
    except Interrupted as error:
        seen.append(error.signal_number)
    assert seen == [signal.SIGTERM, "goes on" if patient else signal.SIGINT]
    assert request.signal_number == signal.SIGTERM


def test_a_third_signal_leaves_time_to_clean_up():
    seen = []
    with stop_requests():
        send(signal.SIGTERM)
        with pytest.raises(Interrupted):
            send(signal.SIGTERM)
        try:
            send(signal.SIGTERM)
            seen.append("cleaned up")
        except Interrupted:  # pytest would end
            seen.append("stopped again")
    assert seen == ["cleaned up"]


def test_streams_that_the_caller_replaced_stay(monkeypatch):
    streams = {"stdout": io.StringIO(), "stderr": io.StringIO()}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    why = take_streams()
    assert (sys.stdout, sys.stderr) == tuple(streams.values())
    assert why() is None


def test_a_stream_that_the_caller_replaced_is_not_moved(monkeypatch):
    stream = SimpleNamespace(buffer=SimpleNamespace())
    monkeypatch.setattr(sys, "stderr", stream)
    move_messages(1)
    assert sys.stderr is stream
    monkeypatch.setattr(sys, "__stderr__", stream)
    move_messages(1)
    assert sys.stderr is stream
