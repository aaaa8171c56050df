"""Signals and streams of the ``zoo`` command, in processes of its own: one line, the right exit code, nothing lost."""

import contextlib
import os
import signal
import subprocess
import sys
import threading

import pytest
from training_helpers import StopAt

import zoo
from zoo.process import SECONDS_TO_CLEAN_UP, Interrupted, StopSignals, stop_signals
from zoo.stop_requests import stop_requests

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and streams of POSIX")

TOO_LONG = 1_000
"""Seconds; a test may take 300."""
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
TRAIN = ["train", "lenet", "--dataset", "digits", "--device", "cpu", "--epochs", "200", "--checkpoint-steps", "1"]
PROGRAM = "import sys, cli; cli.main(sys.argv[1:])"
STOPS_ITSELF = """
import os, signal, sys
import cli
watched, number, limit = sys.argv[1], int(sys.argv[2]), [int(sys.argv[3])]
def stop(event, arguments):
    # the process signals itself where a file of the given name is opened: no test has to guess the time
    if event == "open" and watched in str(arguments[0]):
        limit[0] -= 1
        if limit[0] == 0:
            os.kill(os.getpid(), number)
sys.addaudithook(stop)
cli.main(sys.argv[4:])
"""


def environment(**changes):
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | changes


def start(*arguments, program=PROGRAM, **settings):
    command = [sys.executable, "-c", program, *map(str, arguments)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | settings
    return subprocess.Popen(command, env=environment(), start_new_session=True, **streams)


def run(*arguments, program=PROGRAM):
    """The exit code, standard output and standard error of a command."""
    process = start(*arguments, program=program)
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def test_ctrl_c_that_python_loses_during_the_first_imports_still_stops_the_command(tmp_path):
    """Python only prints an exception in a callback, such as those of its locks of imports, and goes on."""
    program = (
        """
import os, signal, sys, weakref
class Lock: pass
def interrupt(reference):
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000): pass  # the handler runs here
def watch(event, arguments):
    if event == "import" and arguments[0] == "click" and not watch.done:
        watch.done = True
        lock = Lock()
        watch.reference = weakref.ref(lock, interrupt)
watch.done = False
sys.addaudithook(watch)
"""
        + PROGRAM
    )
    code, out, err = run(*TRAIN, "--epochs", "1", "--runs-dir", tmp_path, program=program)
    assert (code, out, err) == (130, "", "Error: Interrupted.\n")


@pytest.mark.slow
def test_ctrl_c_that_a_library_swallows_still_stops_a_training(tmp_path):
    """As a library does that imports another one in a ``try`` with a bare ``except``."""
    program = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            try:
                os.kill(os.getpid(), signal.SIGINT)
                for _ in range(1000): pass  # the handler runs here
            except BaseException:
                pass
sys.meta_path.insert(0, Finder())
"""
    code, _, err = run(*TRAIN, "--runs-dir", tmp_path, program=program + PROGRAM)
    assert code == 130
    assert_one_line(err, "Stopped by SIGINT", "zoo train --resume")


def assert_one_line(err, *parts):
    lines = [line for line in err.splitlines() if not line.startswith(("Note: ", "epoch "))]
    assert lines[-1].startswith("Error: "), err
    assert all(part in lines[-1] for part in parts), err
    assert err.count("Error: ") == 1, err
    assert "Traceback" not in err
    assert "Exception ignored" not in err


def no_stray_files(folder):
    return not [path for path in folder.rglob("*") if path.name.endswith((".part", ".log"))]


slow = pytest.mark.campaign


@pytest.fixture(autouse=True)
def no_ignored_signals():
    """Signals have their usual effect, also if the tests run after ``nohup``, which ignores SIGHUP."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        signal.signal(number, signal.SIG_DFL if handler is signal.SIG_IGN else handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_library_stops_a_training_after_a_step(tiny_registry, tmp_path, number):
    tiny_registry.listen(StopAt(epoch=1, number=number))
    with pytest.raises(zoo.TrainingInterrupted) as stopped:
        zoo.train("tiny-cnn", registry=tiny_registry, runs_dir=tmp_path, epochs=3)
    assert stopped.value.signal_number == number
    (run,) = zoo.list_runs(tmp_path)
    assert run.status == "interrupted"
    assert len(run.metrics()) == 1


def test_a_second_signal_stops_a_training_at_once(tiny_registry, tmp_path):
    class Twice:
        left = 2

        @zoo.hookimpl
        def epoch_ended(self):
            while self.left:
                self.left -= 1
                os.kill(os.getpid(), signal.SIGTERM)

    tiny_registry.listen(Twice())
    with pytest.raises(zoo.TrainingInterrupted, match=r"SIGTERM at once.* zoo train --resume"):
        zoo.train("tiny-cnn", registry=tiny_registry, runs_dir=tmp_path, epochs=3)
    (run,) = zoo.list_runs(tmp_path)
    assert run.status == "interrupted"
    assert zoo.resume(str(run.folder), registry=tiny_registry).status == "finished"


def test_a_training_that_is_stopped_before_its_first_step_is_not_running(tiny_registry, tmp_path, monkeypatch):
    def stop(*arguments):
        raise Interrupted(signal.SIGHUP)

    monkeypatch.setattr("zoo.training.train.make_plan", stop)
    with pytest.raises(zoo.TrainingInterrupted, match="SIGHUP"):
        zoo.train("tiny-cnn", registry=tiny_registry, runs_dir=tmp_path, epochs=1)
    (run,) = zoo.list_runs(tmp_path)
    assert run.status == "interrupted"


@pytest.mark.parametrize("number", [pytest.param(n, marks=[] if n == signal.SIGTERM else slow) for n in SIGNALS])
def test_a_training_stops_with_the_resume_line(tmp_path, number):
    code, _, err = run("metrics.jsonl", int(number), 1, *TRAIN, "--runs-dir", tmp_path, program=STOPS_ITSELF)
    assert code == 128 + number
    (stopped,) = zoo.list_runs(tmp_path)
    assert_one_line(err, number.name, f"zoo train --resume {stopped.folder}")
    assert stopped.status == "interrupted"
    assert stopped.last.is_file()
    assert no_stray_files(tmp_path)


@pytest.mark.parametrize(
    "delays",
    [[0.2], [0.7, 0.1], *(pytest.param([k / 10], marks=slow) for k in range(1, 40))],
)
def test_ctrl_c_while_the_libraries_are_imported(tmp_path, delays):
    process = start(*TRAIN, "--runs-dir", tmp_path)
    for delay in delays:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(delay)
        process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=240)
    assert process.returncode in (130, -signal.SIGINT), err  # the latter: while Python ends
    assert_one_line(err)
    assert no_stray_files(tmp_path)


@pytest.mark.parametrize(
    ("command", "watched"),
    [
        (["datasets"], "table_datasets"),
        pytest.param(["predict", "linear-regression", "x=2"], "weights.safetensors", marks=slow),
        pytest.param(["compare", "linear-regression", "logistic-regression"], "results.json", marks=slow),
        (["export", "linear-regression", "--onnx", "-o", "net.onnx"], "net.onnx"),
        pytest.param(["report", "linear-regression", "-o", "report"], "safetensors", marks=slow),
        pytest.param(["reproduce", "linear-regression", "--trials", "1"], "checkpoint.safetensors", marks=slow),
        (["verify", "net.onnx"], "net.onnx"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_every_command_stops_with_one_line(tmp_path, monkeypatch, command, watched):
    (tmp_path / "net.onnx").write_bytes(b"not an ONNX file")
    before = sorted(tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    code, out, err = run(watched, int(signal.SIGTERM), 1, *command, program=STOPS_ITSELF)
    assert code == 143, out + err
    assert_one_line(err, "SIGTERM")
    assert no_stray_files(tmp_path)
    assert [path for path in sorted(tmp_path.iterdir()) if path.name not in ("runs", "report")] == before
    assert (tmp_path / "net.onnx").read_bytes() == b"not an ONNX file"


@pytest.mark.slow
def test_sighup_that_nohup_ignores_stays_ignored(tmp_path):
    program = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n{STOPS_ITSELF}"
    arguments = ["train", "linear-regression", "--epochs", "3", "--runs-dir", tmp_path]
    code, _, err = run("metrics.jsonl", int(signal.SIGHUP), 1, *arguments, program=program)
    assert code == 0, err


@pytest.mark.slow
def test_several_processes_stop_together(tmp_path):
    """The launcher passes the signal on, waits for its processes, and a second signal changes nothing."""
    process = start(*TRAIN, "--devices", "2", "--runs-dir", tmp_path)
    for line in process.stderr:
        if line.startswith("epoch"):  # the head of the table: the first epoch begins
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGINT)
            break
    rest = process.stderr.read()  # ends when no process holds the stream: they have sessions of their own
    assert process.wait(timeout=240) == 130
    (stopped,) = zoo.list_runs(tmp_path)
    assert_one_line(rest, "SIG", f"zoo train --resume {stopped.folder}")
    process.stdout.close()
    process.stderr.close()


def test_signals_after_the_first_wait_for_the_cleaning_up():
    stop = StopSignals()
    with pytest.raises(Interrupted):
        stop(signal.SIGTERM, None)
    stop(signal.SIGINT, None)
    assert stop.number == signal.SIGTERM
    stop._raised -= SECONDS_TO_CLEAN_UP
    with pytest.raises(Interrupted):
        stop(signal.SIGINT, None)


def test_a_signal_waits_until_torch_is_imported():
    """The C++ code of torch ends the process if a signal handler raises while it is imported."""
    seen = []

    def probe():
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(0.2)  # the signal comes again, and waits again
        seen.append("imported")

    with pytest.raises(Interrupted), stop_signals() as stop:
        exec("probe()", {"__name__": "torch.distributed", "probe": probe})
        seen.append("after it")
        threading.Event().wait(TOO_LONG)
    assert stop.number == signal.SIGTERM
    assert seen == ["imported", "after it"]


def test_a_signal_does_not_wait_for_an_import_that_hangs(monkeypatch):
    monkeypatch.setattr("zoo.process.IMPORT_SECONDS", 0.1)
    with pytest.raises(Interrupted), stop_signals():
        exec(f"kill(); wait({TOO_LONG})", {"__name__": "torch", "kill": stop_itself, "wait": threading.Event().wait})


def stop_itself():
    os.kill(os.getpid(), signal.SIGINT)


class Lost:
    """Loses an interruption: Python reports exceptions in destructors and goes on."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)


def test_an_interruption_that_is_lost_comes_again():
    with pytest.raises(Interrupted), stop_signals() as stop:
        Lost()
        threading.Event().wait(TOO_LONG)
    assert stop.number == signal.SIGTERM


def test_a_second_interruption_of_a_training_that_is_lost_comes_again():
    with pytest.raises(Interrupted), stop_signals(), stop_requests() as request:
        os.kill(os.getpid(), signal.SIGTERM)
        assert request.signal_number == signal.SIGTERM
        Lost()
        assert threading.Event().wait(60), "the interruption was lost"


class Fails:
    def __del__(self):
        raise ValueError


def test_an_interruption_that_comes_again_too_early_comes_once_more(monkeypatch):
    """The timer of the repetition can be over while the main thread still starts it."""
    start = threading.Timer.start

    def slow(timer):
        monkeypatch.undo()
        start(timer)
        ended.wait(1)  # the timer sends the signal in this time

    ended = threading.Event()
    monkeypatch.setattr(threading.Timer, "start", slow)
    with pytest.raises(Interrupted), stop_signals():
        Lost()
        assert ended.wait(60), "the interruption was lost"


def test_an_interruption_while_another_error_is_reported_comes_again(monkeypatch):
    reported = []

    def report(unraisable):
        os.kill(os.getpid(), signal.SIGTERM)
        reported.append(unraisable.exc_type)

    monkeypatch.setattr(sys, "unraisablehook", report)
    with pytest.raises(Interrupted), stop_signals():
        Fails()
        assert threading.Event().wait(60), "the interruption was lost"
    assert reported == [ValueError]


def test_handlers_are_restored_and_other_threads_get_none():
    before = [signal.getsignal(number) for number in SIGNALS]
    with stop_signals():
        assert all(isinstance(signal.getsignal(number), StopSignals) for number in SIGNALS)
    assert [signal.getsignal(number) for number in SIGNALS] == before
    found = []

    def work():
        with stop_signals():
            found.append([signal.getsignal(number) for number in SIGNALS])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [before]


def shell(line, folder):
    """The exit code and the output of a line of ``sh``, in which ``$ZOO`` is the command."""
    line = f'set -- "{sys.executable}" -c "{PROGRAM}"\n{line}'.replace("$ZOO", '"$@"')
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, env=environment(), cwd=folder)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("line", "code", "error"),
    [
        ("($ZOO list; echo code $? >&2) | head -1", 0, "code 0\n"),
        ("($ZOO info lenet --json; echo code $? >&2) | true", 0, "code 0\n"),
        ("$ZOO list >&-", 0, ""),
        ("$ZOO list <&- >&- 2>&-", 0, ""),
        ("$ZOO info nosuch 2>&-", 2, ""),
        ("$ZOO info nosuch 2>/dev/full", 2, ""),
        ("$ZOO list >/dev/full", 1, "Error: Cannot write to standard output: No space left on device.\n"),
        ("$ZOO --help >/dev/full", 1, "Error: Cannot write to standard output: No space left on device.\n"),
        ("$ZOO list --json >/dev/full 2>&1", 1, ""),
    ],
)
def test_streams_that_cannot_be_used(tmp_path, line, code, error):
    found = shell(line, tmp_path)
    assert (found[0], found[2]) == (code, error)


@pytest.mark.slow
def test_a_training_goes_on_without_its_streams(tmp_path):
    """Closed and full ones; nothing that is printed lands in a file of the run."""
    command = "$ZOO train linear-regression --epochs 2 --device cpu --runs-dir"
    assert shell(f"{command} closed <&- >&- 2>&-; {command} full 2>/dev/full >/dev/full", tmp_path)[0] == 1
    for name in ("closed", "full"):
        (trained,) = zoo.list_runs(tmp_path / name)
        assert trained.status == "finished"
        assert len(trained.metrics()) == 2
