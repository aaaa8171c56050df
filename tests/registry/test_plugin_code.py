"""Code of plugins that interrupts, prints, exits or takes long, and the trace of calls."""

import logging
import os
import signal
import threading
import time

import pytest

from zoo.process import Interrupted
from zoo.registry.hook_calls import ImportTimeout, PluginRaised, plugin_code, time_limit, traced


def test_an_interruption_that_a_plugin_raises_itself_is_its_error():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(PluginRaised, match="KeyboardInterrupt without a Ctrl-C"), plugin_code():
        raise KeyboardInterrupt
    assert signal.getsignal(signal.SIGINT) is before


def test_a_real_interruption_stays_one():
    with pytest.raises(KeyboardInterrupt), plugin_code():
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(Interrupted), plugin_code():
        raise Interrupted(signal.SIGTERM)


def test_a_handler_that_a_plugin_sets_stays():
    before = signal.getsignal(signal.SIGINT)
    try:
        with plugin_code():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        with pytest.raises(PluginRaised), plugin_code():  # no Ctrl-C can come
            raise KeyboardInterrupt
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_a_thread_nobody_knows_where_an_interruption_came_from():
    raised = []

    def work():
        try:
            with plugin_code():
                raise KeyboardInterrupt
        except BaseException as error:
            raised.append(type(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert raised == [KeyboardInterrupt]


def test_what_a_plugin_prints_is_no_result_and_an_exit_is_an_error(capsys):
    real = os._exit
    with pytest.raises(PluginRaised, match=r"it calls os\._exit\(3\), which ends the whole command"), plugin_code():
        print("loaded")
        os._exit(3)
    assert os._exit is real
    assert capsys.readouterr() == ("", "loaded\n")


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Windows has no timer signals")
def test_an_import_is_stopped_when_its_time_is_over():
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(ImportTimeout, match=r"takes more than 0\.01 s \(ZOO_PLUGIN_TIMEOUT\)"), time_limit(0.01):
        for _ in range(6_000):
            time.sleep(0.01)
    assert signal.getsignal(signal.SIGALRM) is before
    with time_limit(None):
        assert signal.getsignal(signal.SIGALRM) is before


def test_a_trace_has_time_what_who_and_the_error(monkeypatch, caplog):
    def fail():
        raise ValueError("no such net")

    with caplog.at_level(logging.WARNING, "zoo.trace"):
        assert traced("import", "plugin", lambda: 3) == 3
        assert caplog.text == ""
        monkeypatch.setenv("ZOO_TRACE_PLUGINS", "1")
        assert traced("import", "their plugin", lambda: 3) == 3
        with pytest.raises(ValueError, match="no such net"):
            traced("find_architecture", "their plugin", fail)
    good, bad = [record.getMessage() for record in caplog.records]
    assert good.split() == [good.split()[0], "ms", "import", "their", "plugin"]
    assert bad.endswith("their plugin  ValueError: no such net")
