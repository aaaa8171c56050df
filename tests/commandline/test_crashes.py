"""A file that crashes onnxruntime, or never ends there, is one line of the command that opens it."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper

from cli import cli
from zoo import crash_guard
from zoo.process import SECONDS_TO_CLEAN_UP

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

PROGRAM = "import sys, cli; cli.main(sys.argv[1:])"
DESCRIPTION = {
    "architecture": "foreign",
    "task": "regression",
    "input_shape": [2],
    "labels": ["y"],
    "dataset": "nothing",
    "columns": [{"name": name, "kind": "number", "values": [], "labels": []} for name in "ab"],
    "checkpoint_sha256": "0" * 64,
    "test": {"mae": 1.0, "rmse": 1.0, "r2": 0.5},
}
CRASH = helper.make_node("RandomNormalLike", ["x"], ["noise"], scale=0.0)
"""An assertion in onnxruntime fails."""


def write(path, nodes, constants=()):
    """A file for two columns, which predicts the sum of ``noise`` ``[batch, 2]``; the nodes make it of ``x``."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ("batch", 2))
    y = helper.make_tensor_value_info("prediction", TensorProto.FLOAT, ("batch", 1))
    axes = onnx.numpy_helper.from_array(np.array([1]), "axes")
    total = helper.make_node("ReduceSum", ["noise", "axes"], ["prediction"], keepdims=1)
    graph = helper.make_graph([*nodes, total], "g", [x], [y], initializer=[axes, *constants])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    for key, value in DESCRIPTION.items():
        model.metadata_props.add(key=key, value=value if isinstance(value, str) else json.dumps(value))
    onnx.save(model, path)
    return path


def body(node):
    """A branch with one node, whose output is that of the branch."""
    output = helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, None)
    return helper.make_graph([node], "branch", [], [output])


def crash_above(limit):
    """Nodes that crash if a value of the batch is above ``limit``; otherwise ``noise`` is ``x``."""
    harmless = helper.make_node("Identity", ["x"], ["branch_output"])
    harmful = helper.make_node("RandomNormalLike", ["x"], ["branch_output"], scale=0.0)
    return [
        helper.make_node("ReduceMax", ["x"], ["largest"], keepdims=0),
        helper.make_node("Greater", ["largest", "limit"], ["crashes"]),
        helper.make_node("If", ["crashes"], ["noise"], then_branch=body(harmful), else_branch=body(harmless)),
    ], [helper.make_tensor("limit", TensorProto.FLOAT, (), [limit])]


def endless():
    """Nodes that never end."""
    inner = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Abs", ["v"], ["w"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, ()),
            helper.make_tensor_value_info("c", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("d", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, None),
        ],
    )
    constants = [
        helper.make_tensor("n", TensorProto.INT64, (), [2**62]),
        helper.make_tensor("t", TensorProto.BOOL, (), [1]),
    ]
    return [helper.make_node("Loop", ["n", "t", "x"], ["noise"], body=inner)], constants


def start(*arguments, program=PROGRAM):
    command = [sys.executable, "-c", program, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, start_new_session=True, **streams)


def run(*arguments, program=PROGRAM):
    process = start(*arguments, program=program)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@pytest.fixture
def crashing(tmp_path):
    (tmp_path / "table.csv").write_text("a,b,y\n" + "".join(f"{n},{n * n},{n + 1}\n" for n in range(40)))
    return write(tmp_path / "foreign.onnx", [CRASH])


@pytest.mark.parametrize(
    "command",
    [
        ("predict", "{}", "1,2"),
        ("eval", "{}", "--dataset", "table.csv", "--target", "y"),
        ("bench", "{}"),
        ("compare", "{}", "{}", "--latency"),
    ],
    ids=lambda command: command[0],
)
def test_a_crash_of_onnxruntime_is_one_line(command, crashing, monkeypatch):
    monkeypatch.chdir(crashing.parent)
    code, out, err = run(*(part.format(crashing.name) for part in command))
    assert code == 1, (out, err)
    assert out == ""
    *notes, line = err.splitlines()
    assert line.startswith("Error: A library crashed (SIG")
    assert "`zoo verify foreign.onnx`" in line
    assert all(note.startswith("Note: ") for note in notes)


def certify(path):
    """A certificate with the hash of the file, as anybody can write it."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(f"{path.name}.json").write_text(json.dumps({"file": {"sha256": digest}}))


def test_a_crash_for_one_input_only_of_a_file_with_a_certificate_is_one_line_too(tmp_path):
    """No trial before the first use would find it, and whoever makes the file can make a certificate."""
    file = write(tmp_path / "sly.onnx", *crash_above(1000))
    certify(file)
    code, out, err = run("predict", file, "--json", "1,2")
    assert (code, json.loads(out)[0]["values"], err) == (0, {"y": 3.0}, "")
    code, out, err = run("predict", file, "1,2", "1,2000")
    assert (code, out) == (1, "")
    assert err.startswith("Error: A library crashed (SIGABRT: ")
    assert "Assertion" in err  # the last line that the library printed says why
    assert err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_file_that_never_ends(number, tmp_path):
    """Python's handler of a signal does not run while onnxruntime computes."""
    file = write(tmp_path / "endless.onnx", *endless())
    certify(file)
    with start("predict", file, "1,2") as process:
        (child,) = wait_for(lambda: psutil.Process(process.pid).children())
        wait_for(lambda: child.cpu_times().user > 1.5)  # it computes
        process.send_signal(number)
        time.sleep(SECONDS_TO_CLEAN_UP + 0.2)
        process.send_signal(number)  # the second one kills; without it the child has ten seconds
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (128 + number, "")
    assert err == {signal.SIGINT: "Error: Interrupted.\n", signal.SIGTERM: "Error: Stopped by SIGTERM.\n"}[number]
    assert not child.is_running()


def wait_for(condition):
    for _ in range(600):
        result = condition()
        if result:
            return result
        time.sleep(0.05)
    raise AssertionError("it did not happen")


GUARD = "import os, signal, sys; from zoo import crash_guard; from zoo.process import take_streams; take_streams()\n"


def guarded(body):
    """Run Python code as the guarded command; the exit code and the streams of the process."""
    lines = body.splitlines()
    program = f"{GUARD}def command():\n" + "".join(f"    {line}\n" for line in lines)
    program += (
        "try:\n    sys.exit(crash_guard.run_guarded(command, 'a file'))\n"
        "except crash_guard.LibraryCrashed as error:\n    print(error)\n"
    )
    return run(program=program)


@pytest.mark.parametrize("code", [0, 1, 3, 143])
def test_exit_codes_and_output_are_those_of_the_command(code):
    body = f"print('result'); print('note', file=sys.stderr); os.write(2, b'from a library'); return {code}"
    assert guarded(body) == (code, "result\n", "note\nfrom a library")


def test_without_another_process_the_command_works_in_this_one():
    program = (
        f"{GUARD}def fail():\n    raise BlockingIOError\nos.fork, here = fail, os.getpid()\n"
        "sys.exit(crash_guard.run_guarded(lambda: 3 if os.getpid() == here else 4, 'a file'))\n"
    )
    assert run(program=program) == (3, "", "")


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("os._exit(0)", "it ended the process with exit code 0"),
        ("os.write(2, b'why\\n\\x1b[31m\\n'); os._exit(7)", "it ended the process with exit code 7: [31m"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL, perhaps because there is not enough memory"),
    ],
)
def test_every_end_without_a_result_is_a_crash(body, cause):
    """Also an exit code 0: the results would be incomplete, and nobody would know."""
    assert guarded(body) == (0, f"A library crashed ({cause}) while it worked on a file.\n", "")


def test_a_crash_after_the_result_does_not_matter():
    """Some libraries crash when Python unloads them."""
    body = "import atexit; atexit.register(os.abort); print('result'); sys.stdout.flush(); return 0"
    assert guarded(body) == (0, "result\n", "")


@pytest.mark.slow
def test_the_child_ends_if_its_parent_is_killed(tmp_path):
    file = write(tmp_path / "endless.onnx", *endless())
    with start("predict", file, "1,2") as process:
        (child,) = wait_for(lambda: psutil.Process(process.pid).children())
        wait_for(lambda: child.cpu_times().user > 1.5)
        process.kill()
    child.wait(timeout=60)


def test_only_the_commands_that_run_files_have_a_child_process():
    files = ["x.onnx", "B.ONNX"]
    assert cli.files_to_run(["predict", "x.onnx", "image.png"]) == ["x.onnx"]
    assert cli.files_to_run(["--trace-plugins", "compare", *files, "--latency"]) == files
    assert cli.files_to_run(["predict", "lenet", "image.png"]) == []
    assert cli.files_to_run(["verify", "x.onnx"]) == []
    assert cli.files_to_run(["export", "lenet", "-o", "predict.onnx"]) == []


WAIT = "import time\nfor _ in range(6000): time.sleep(0.01)"
"""One long sleep would miss a signal that comes just before it."""
STOPPED = (
    "try:\n    sys.exit(crash_guard.run_guarded(command, 'a file'))\n"
    "except BaseException as error:\n    print(type(error).__name__, getattr(error, 'signal_number', ''))\n"
)


def stopped(body, before=""):
    """Run Python code as the guarded command, and print how the call in the parent ended."""
    command = "def command():\n" + "".join(f"    {line}\n" for line in body.splitlines())
    return run(program=f"{GUARD}{before}\n{command}{STOPPED}")


def test_a_signal_is_passed_on_to_the_child():
    body = (
        "signal.signal(signal.SIGTERM, lambda *_: (print('got it', flush=True), sys.exit(1)))\n"
        f"os.kill(os.getppid(), signal.SIGTERM)\n{WAIT}"
    )
    code, out, err = stopped(body)
    assert sorted(out.splitlines()) == ["Interrupted 15", "SystemExit ", "got it"]
    assert (code, err) == (0, "")


def test_a_child_that_ignores_a_signal_is_killed():
    before = "crash_guard.SECONDS_TO_STOP = 0.1"
    body = f"signal.signal(signal.SIGINT, signal.SIG_IGN)\nos.kill(os.getppid(), signal.SIGINT)\n{WAIT}"
    assert stopped(body, before) == (0, "Interrupted 2\n", "")


def test_a_signal_before_there_is_a_child_stops_both():
    """The child gets it twice: from itself and from its parent. Like the handler of the command, this one acts once."""
    before = (
        "real = os.fork\ndef fork():\n    os.kill(os.getpid(), signal.SIGTERM)\n    return real()\nos.fork = fork\n"
        "def once(*_):\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    sys.exit(1)\n"
        "signal.signal(signal.SIGTERM, once)"
    )
    code, out, err = stopped("print('it worked')\nreturn 0", before)
    assert (code, sorted(out.splitlines()), err) == (0, ["Interrupted 15", "SystemExit "], "")


def test_a_signal_that_is_ignored_stays_ignored_in_the_child():
    before = "signal.signal(signal.SIGHUP, signal.SIG_IGN)"  # as nohup does
    body = "os.kill(os.getppid(), signal.SIGHUP); os.kill(os.getpid(), signal.SIGHUP); print('goes on'); return 0"
    assert stopped(body, before) == (0, "goes on\nSystemExit \nSystemExit \n", "")


def test_a_child_without_its_parent_is_asked_to_end_and_then_killed(monkeypatch):
    sent = []
    monkeypatch.setattr(crash_guard.os, "kill", lambda process, number: sent.append((process, number)))
    monkeypatch.setattr(crash_guard, "SECONDS_TO_STOP", 0)
    end, lifeline = os.pipe()
    os.close(lifeline)
    crash_guard._stop_at_end_of(end)
    os.close(end)
    assert sent == [(os.getpid(), signal.SIGTERM), (os.getpid(), signal.SIGKILL)]


def test_the_child_stops_when_its_parent_is_killed():
    body = f"signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))\nos.kill(os.getppid(), signal.SIGKILL)\n{WAIT}"
    assert stopped(body) == (-signal.SIGKILL, "SystemExit \n", "")  # the streams end with the child


def test_a_signal_without_a_name_is_a_number():
    assert crash_guard._how(40) == "signal 40"
