"""A foreign file runs in another process: crashes, endless loops and greed end that process and are one line."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import onnx
import psutil
import pytest
import torch
from onnx import TensorProto, helper

from zoo import Inspection, Runtime, RuntimeFailed, Runtimes, ZooError
from zoo.files import sha256
from zoo.interpreter import import_path, python_command, python_environment
from zoo.verification import isolation
from zoo.verification.isolation import isolated
from zoo.verification.messages import LARGEST_ARRAYS, Answer, ArrayHeader, Closed, Job, Request, receive, send

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")


def write(path, *nodes, constants=()):
    """An ONNX file with one input ``x`` and one output ``y``, ``[batch, 4]`` each."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ("batch", 4)) for name in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y], initializer=constants)
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(onnx.shape_inference.infer_shapes(helper.make_model(graph, opset_imports=opsets, ir_version=8)), path)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


@pytest.fixture
def exporter(registry):
    return registry.exporter("onnx")


def endless_loop(path):
    body = helper.make_graph(
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
    often = [
        helper.make_tensor("n", TensorProto.INT64, (), [2**62]),
        helper.make_tensor("t", TensorProto.BOOL, (), [1]),
    ]
    write(path, helper.make_node("Loop", ["n", "t", "x"], ["y"], body=body), constants=often)


def test_results_are_those_of_the_same_process(path, exporter):
    write(path, helper.make_node("Sin", ["x"], ["y"]))
    inputs = torch.randn(3, 4)
    with isolated(exporter, path) as opened:
        assert opened.sha256 == sha256(path)
        path.write_bytes(b"changed after it was hashed")
        assert opened.inspection.problem == ""
        assert [str(item) for item in opened.inspection.inputs] == ["x float32[batch, 4]"]
        runtimes = opened.runtimes()
        for runtime in runtimes.all:
            (output,) = runtime.run(inputs)
            np.testing.assert_allclose(output, inputs.sin(), rtol=1e-5)
        with pytest.raises(RuntimeFailed, match="batch size 3"):  # an error of the runtime ends nothing
            runtimes.literal.run(torch.randn(3, 5))
        assert len(runtimes.usual.run(inputs)) == 1


def test_a_crash_of_the_runtime_is_one_line(path, exporter, capfd):
    write(path, helper.make_node("RandomNormalLike", ["x"], ["y"], scale=0.0))  # an assertion in onnxruntime fails
    with isolated(exporter, path) as opened:
        runtimes = opened.runtimes()
        with pytest.raises(RuntimeFailed) as first:
            runtimes.literal.run(torch.zeros(2, 4))
        with pytest.raises(RuntimeFailed) as second:
            runtimes.usual.run(torch.zeros(2, 4))
    assert str(first.value).startswith(
        "running a batch of 2 (CPU as written) crashed the process that runs the file (SIG"
    )
    assert str(second.value) == str(first.value)
    assert "\n" not in str(first.value)
    assert capfd.readouterr() == ("", "")


def test_an_endless_loop_ends_at_the_time_limit(path, exporter):
    endless_loop(path)
    with isolated(exporter, path, seconds=1) as opened:
        runtime = opened.runtimes().literal
        with pytest.raises(RuntimeFailed, match=r"^running a batch of 1 \(CPU as written\) took longer than 1 s$"):
            runtime.run(torch.zeros(1, 4))


def test_too_much_memory_ends_at_the_limit(path, exporter):
    size = helper.make_tensor("s", TensorProto.INT64, (1,), [4 * 10**9])
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["z"]),
        helper.make_node("ReduceSum", ["z"], ["r"]),
        helper.make_node("Add", ["x", "r"], ["y"]),
    ]
    write(path, *nodes, constants=[size])
    with isolated(exporter, path, memory=2**28) as opened:
        runtime = opened.runtimes().literal
        with pytest.raises(RuntimeFailed, match=r"needed more than 0\.25 GiB of memory|[Aa]lloc"):
            runtime.run(torch.zeros(1, 4))


def test_the_process_has_its_own_folder_session_and_environment(path, exporter, add_plugin, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONSTARTUP", "startup.py")
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    module = add_plugin(
        "spy",
        textwrap.dedent("""
            import os, resource, sys
            from pathlib import Path
            print("printed while it is imported")
            def inspect(path):
                print("printed while it reads")
                files = os.listdir()
                try:
                    Path("new").write_bytes(bytes(2**16 + 1))
                    written = ""
                except OSError as error:
                    written = error.strerror
                return zoo.Inspection("", "", {
                    "folder": os.getcwd(), "files": files, "path": sys.path, "written": written,
                    "variables": [name for name in os.environ if name.startswith("PYTHON")],
                    "session": os.getsid(0) == os.getpid(), "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
                })
            def open(path):
                os._exit(7)
        """),
    ).value
    spy = replace(exporter, inspect=f"{module}:inspect", open=f"{module}:open")
    write(path, helper.make_node("Sin", ["x"], ["y"]))
    with isolated(spy, path) as opened:
        seen = opened.inspection.figures
        with pytest.raises(
            RuntimeFailed, match=r"^opening the file crashed the process that runs the file \(exit code 7"
        ):
            opened.runtimes()
    assert seen["files"] == ["file.onnx"]
    assert seen["folder"] not in (str(tmp_path), str(tmp_path / "work"))
    assert "" not in seen["path"]
    assert str(tmp_path / "work") not in seen["path"]
    assert seen["session"]
    assert (seen["written"], seen["core"]) == ("File too large", 0)
    assert set(seen["variables"]) <= {"PYTHONPATH", "PYTHONSAFEPATH", "PYTHONHOME", "PYTHONUTF8", "PYTHONPYCACHEPREFIX"}


def test_functions_that_exist_only_here_run_here(path, exporter):
    path.write_bytes(b"anything")
    local = replace(
        exporter,
        inspect=lambda file: Inspection("", file.read_text()),
        open=lambda file: Runtimes((Runtime("CPU", "here", lambda inputs: [inputs.numpy() + 1]),)),
    )
    with isolated(local, path) as opened:
        assert (opened.inspection.summary, opened.sha256) == ("anything", sha256(path))
        assert opened.runtimes().usual.run(torch.ones(1))[0] == 2


def test_functions_are_sent_by_name(exporter):
    assert isolation._import_string(exporter.open) == exporter.open
    assert isolation._import_string(sha256) == "zoo.files:sha256"
    assert isolation._import_string(lambda path: path) == ""
    assert isolation._import_string(io.StringIO().read) == ""


def piped(content):
    return io.BytesIO(len(content).to_bytes(4, "big") + content)


def test_messages_arrive_as_sent():
    stream = io.BytesIO()
    arrays = [np.arange(6, dtype=np.float16).reshape(2, 3), np.array(True), np.empty((0, 4), np.int64)]
    send(stream, Request(action="run", runtime=1), arrays)
    stream.seek(0)
    request, received = receive(stream, Request)
    assert (request.action, request.runtime) == ("run", 1)
    for sent, got in zip(arrays, received, strict=True):
        np.testing.assert_array_equal(got, sent, strict=True)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[" * 10**5,
        b'{"arrays": [{"type": "object", "shape": [1]}]}',
        b'{"arrays": [{"type": "float32", "shape": [-1]}]}',
        b'{"arrays": [{"type": "float32", "shape": [1099511627776, 1099511627776]}]}',
        b'{"arrays": [{"type": "float32", "shape": [%s]}]}' % b",".join([b"1"] * 100),
        b'{"failed": 1}',
        b'{"absent": {"CUDA": null}}',
    ],
)
def test_a_hostile_message_is_refused(content):
    with pytest.raises(ZooError):
        receive(piped(content), Answer)


def test_a_message_that_is_too_large_or_cut_is_refused():
    with pytest.raises(ZooError, match="too large"):
        receive(io.BytesIO(b"\xff" * 100), Answer)
    with pytest.raises(Closed):
        receive(io.BytesIO(b"\0\0\0\x09{}"), Answer)
    assert ArrayHeader("float64", (2**20, 2**20)).bytes > LARGEST_ARRAYS
    with pytest.raises(ZooError, match="of type str"):
        send(io.BytesIO(), Answer(), [np.array(["text"])])


@pytest.mark.campaign
def test_the_process_ends_with_the_one_that_started_it(path):
    endless_loop(path)
    script = (
        "import sys, torch, zoo; from pathlib import Path; from zoo.verification.isolation import isolated\n"
        "with isolated(zoo.create_registry().exporter('onnx'), Path(sys.argv[1])) as opened:\n"
        "    runtime = opened.runtimes().literal\n    print(opened.process.pid, flush=True)\n"
        "    runtime.run(torch.zeros(1, 4))"
    )
    with subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE, text=True) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
    child.wait(timeout=120)


def test_verify_reports_a_crash_as_a_failed_check(path, zoo_command):
    write(path, helper.make_node("RandomNormalLike", ["x"], ["y"], scale=0.0))
    result = zoo_command("verify", path)
    assert result.code == 1
    assert "failed a check" in result.error


def test_the_process_that_runs_an_onnx_file_does_without_torch(path, exporter, monkeypatch):
    """The import of torch takes most of the time of such a process."""
    write(path, helper.make_node("Sin", ["x"], ["y"]))
    script = (
        "import sys; from pathlib import Path\n"
        "import zoo.verification.worker, zoo.exporters.onnx.sessions as sessions, zoo.exporters.onnx.structure as s\n"
        "import numpy as np; sessions._has_cuda_driver = lambda: False; path = Path(sys.argv[1])\n"
        "assert not s.inspect(path).problem\n"
        "assert sessions.open_sessions(path).usual.run_array(np.zeros((2, 4), np.float32))[0].shape == (2, 4)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run(python_command("-c", script, str(path)), env=python_environment(), check=True)


def test_a_runtime_that_needs_torch_runs_on_tensors(path, exporter, tmp_path, monkeypatch):
    write(path, helper.make_node("Sin", ["x"], ["y"]))
    (tmp_path / "torch_runtime.py").write_text(
        "from zoo import Runtime, Runtimes\n"
        "def open_it(path):\n    return Runtimes((Runtime('CPU', 'eager', lambda inputs: [inputs.sin().numpy()]),))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with isolated(replace(exporter, open="torch_runtime:open_it"), path) as opened:
        (output,) = opened.runtimes().usual.run(torch.ones(2, 4))
    np.testing.assert_allclose(output, np.sin(np.ones((2, 4))), rtol=1e-6)


SERVE = "from zoo.verification import worker; worker.LARGEST_WRITTEN_FILE = 2**24; worker.serve()"
"""The process of ``zoo verify``, with room for the data of ``nox -s coverage``, which it writes at its end."""


@contextlib.contextmanager
def worker(folder, **environment):
    """The process that runs a file, and a function that sends it a message and returns its answer."""
    command = python_command("-c", SERVE)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=folder, env=python_environment(**environment), **pipes) as process:

        def ask(message, *arrays):
            send(process.stdin, message, arrays)
            return receive(process.stdout, Answer)

        yield process, ask


def test_the_process_answers_each_request_and_ends_as_soon_as_its_input_is_closed(path, exporter):
    write(path, helper.make_node("Sin", ["x"], ["y"]))
    job = Job(file=path.name, inspect=exporter.inspect, open=exporter.open, threads=1, seconds=600)
    x = np.ones((2, 4), np.float32)
    with worker(path.parent) as (process, ask):
        assert ask(job)[0] == Answer()
        assert ask(Request(action="inspect"))[0].inspection.problem == ""
        early, _ = ask(Request(action="run"), x)
        assert early.failed == "IndexError: tuple index out of range"
        assert {(name.provider, name.mode) for name in ask(Request(action="open"))[0].runtimes} >= {
            ("CPU", "as written")
        }
        _, (output,) = ask(Request(action="run"), x)
        np.testing.assert_allclose(output, np.sin(x), rtol=1e-5)
        wrong, outputs = ask(Request(action="run"), np.ones((2, 5), np.float32))
        assert "batch size 2" in wrong.failed
        assert not outputs
        process.stdin.close()
        assert process.wait(60) == 1


def test_the_process_limits_the_threads_of_torch_and_names_the_errors_of_an_exporter(path, tmp_path):
    (tmp_path / "own_runtime.py").write_text(
        "import torch\n"
        "from zoo import Runtime, Runtimes, ZooError\n"
        "def inspect(path):\n    raise ZooError('two\\nlines')\n"
        "def threads(inputs):\n    return [inputs.numpy() * 0 + torch.get_num_threads()]\n"
        "def open_it(path):\n    return Runtimes((Runtime('CPU', 'threads', threads),))\n"
    )
    job = Job(file=path.name, inspect="own_runtime:inspect", open="own_runtime:open_it", threads=3, seconds=600)
    with worker(tmp_path, PYTHONPATH=os.pathsep.join([str(tmp_path), *import_path()])) as (process, ask):
        assert ask(job)[0] == Answer()
        assert ask(Request(action="inspect"))[0].failed == "two lines"
        ask(Request(action="open"))
        assert ask(Request(action="run"), np.ones(2))[1][0].tolist() == [3, 3]
        process.stdin.close()
        assert process.wait(60) == 1


def test_the_process_says_that_it_cannot_import_an_exporter(path):
    job = Job(file=path.name, inspect="no_such_module:f", open="no_such_module:f", threads=0, seconds=600)
    with worker(path.parent) as (process, ask):
        answer, _ = ask(job)
        assert not answer.importable
        assert "no_such_module" in answer.failed
        assert process.wait(60) == 0


class Trickle(io.RawIOBase):
    """A pipe that has seven bytes at a time, whatever is asked for."""

    def __init__(self, content):
        self.rest = io.BytesIO(content)

    def read(self, count):
        return self.rest.read(min(count, 7))


def test_a_message_that_arrives_in_pieces_ends_where_the_next_one_begins():
    stream = io.BytesIO()
    for number in (1, 2):
        send(stream, Request(action="run", runtime=number), [np.arange(5 * number, dtype=np.int16)])
    pipe = Trickle(stream.getvalue())
    for number in (1, 2):
        request, (array,) = receive(pipe, Request)
        assert (request.runtime, array.tolist()) == (number, list(range(5 * number)))
