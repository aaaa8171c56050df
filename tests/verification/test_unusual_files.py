"""Verification of files that are unusual: wrong, too slow, or without what a check needs."""

import contextlib
import io
import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from builtin_tasks import TASKS
from torch import nn

import zoo
from zoo import Runtime, RuntimeFailed, Runtimes, UsageError, ZooError
from zoo.exporting.certificate import Check
from zoo.exporting.reference_vectors import ReferenceVectors
from zoo.exporting.source import ExportSource
from zoo.files import sha256
from zoo.models.runtime import Inspection, TensorSpec
from zoo.verification import isolation, messages, repeating, verify, watch
from zoo.verification.binding import FileUnderTest
from zoo.verification.messages import Answer, Request, receive, send
from zoo.verification.probes import check_runs, why_no_random_input
from zoo.verification.watch import Limits, Watch

DIGEST = "0" * 64
INPUT = TensorSpec("x", "float32", ("batch", 4))


def file(*recorded, reduction="", certified=True):
    """A file, with the checks that its certificate records."""
    described = {"checkpoint_sha256": DIGEST} | ({"precision": reduction} if reduction else {})
    entries = SimpleNamespace(checks=recorded)
    return FileUnderTest(
        path=None,
        sha256=DIGEST,
        bytes=100,
        exporter=SimpleNamespace(name="onnx", reductions={"int8": "x:y"}),
        inspection=Inspection("", "valid", {}, described, (INPUT,)),
        certificate=SimpleNamespace(entries=entries, bound=None, vectors=None) if certified else None,
        max_drop=1.0,
    )


def entry(gate, summary="valid", **figures):
    return SimpleNamespace(gate=gate, figures=figures, summary=summary, passed=True)


# random inputs


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (("float32", ("batch", 4)), ""),
        (("float32", ()), "sizes other than the batch size are not fixed in its input x float32[]"),
        (("float32", ("batch", "T")), "sizes other than the batch size are not fixed in its input x float32[batch, T]"),
        (("int64", ("batch", 4)), "its input is of type int64"),
    ],
)
def test_random_inputs_need_an_input_of_known_size_and_type(spec, reason):
    assert why_no_random_input(Inspection("", "", inputs=(TensorSpec("x", *spec),)), None) == reason
    two = Inspection("", "", inputs=(INPUT, INPUT))
    assert why_no_random_input(two, None).startswith("the file takes 2 inputs")


@pytest.mark.parametrize(
    ("run", "problem"),
    [
        (lambda x: 2 * x, ""),
        (lambda x: x / (x - x[:, :1]), "give NaN or infinity on CPU as written"),
        (lambda x: x + x.sum(), "differ from those for single inputs on CPU as written"),
    ],
)
def test_random_inputs_give_finite_outputs_that_do_not_depend_on_the_batch(run, problem):
    runtimes = Runtimes((Runtime("CPU", "as written", lambda inputs: [run(inputs).numpy()]),))
    check = check_runs(Inspection("", "", inputs=(INPUT,)), runtimes, 0, None, alone=True)
    assert check.passed == (not problem)
    assert check.summary.endswith(problem or "on CPU as written")


# the gates again


def model_of(change=lambda outputs: outputs):
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 1)

        def forward(self, inputs):
            return change(self.linear(inputs))

    torch.manual_seed(0)
    model = nn.Sequential(Network(), TASKS["regression"].answers()).eval()
    test = zoo.Split(torch.rand(40, 4), torch.zeros(40, 1))
    return ExportSource("net", model, TASKS["regression"], test, None, {}, "made-up")


def test_no_gate_runs_after_a_failure(monkeypatch):
    source = model_of(lambda outputs: outputs + torch.rand(()))
    checks = list(repeating.repeat_checks(file(), source, Runtimes(()), 0, ()))
    assert [(check.gate, check.passed) for check in checks] == [("determinism", False)]
    ran = [Check("numerics", True, ""), Check("providers", False, "wrong"), Check("test split", True, "")]
    monkeypatch.setattr(repeating, "_of_the_file", lambda *_: iter(ran))
    checks = list(repeating.repeat_checks(file(), model_of(), Runtimes(()), 0, ()))
    assert [check.gate for check in checks] == ["determinism", "independence", "numerics", "providers"]


@pytest.mark.parametrize(
    ("recorded", "budget"),
    [((), 1.0), ((entry("int8 budget", max_drop=0.25),), 0.25), ((entry("int8 budget", max_drop=9.0),), 1.0)],
)
def test_the_budget_of_a_smaller_form_is_that_of_its_export_up_to_what_is_accepted(recorded, budget):
    assert repeating._budget(file(*recorded, reduction="int8")) == budget
    assert repeating._budget(file(reduction="int8", certified=False)) == 1.0


def test_recorded_outputs_of_another_shape_are_wrong():
    source, inputs = model_of(), np.zeros((2, 4), np.float32)
    with torch.no_grad():
        right = source.model(torch.from_numpy(inputs))[0].numpy()
    runtimes = Runtimes((Runtime("CPU", "as written", lambda inputs: [right]),))

    def check(outputs):
        vectors = ReferenceVectors(inputs, {"prediction": outputs}, (1e-6,))
        return repeating.check_vectors(file(), {"the certificate": vectors}, runtimes, source)

    assert check(right).passed
    wrong = check(np.repeat(right, 2, axis=1))
    assert (wrong.passed, wrong.summary) == (
        False,
        "the recorded outputs have other shapes than those of the checkpoint (the certificate)",
    )


# the whole verification


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_drop": -1.0}, r"^max_drop must be a number of at least 0, not -1\.$"),
        ({"max_drop": float("nan")}, "not nan"),
        ({"max_drop": float("inf")}, "not inf"),
        ({"seed": -1}, r"^seed must be from 0 to 4294967295, not -1\.$"),
        ({"seed": 2**32}, "not 4294967296"),
    ],
)
def test_an_argument_out_of_range_is_refused_before_the_file_is_read(arguments, message, tmp_path, registry):
    path = tmp_path / "net.onnx"
    path.write_text("no network")
    with pytest.raises(UsageError, match=message):
        zoo.verify(path, registry=registry, **arguments)


def test_a_provider_of_the_export_that_does_not_run_here_is_a_note(monkeypatch):
    given = file(entry("providers", ran={"CUDA optimised": {}, "NPU x": {}}))
    runtimes = Runtimes((Runtime("CPU", "as written", None),), {"CUDA": "no CUDA device"})
    result = verify.Verification(None)
    monkeypatch.setattr(verify, "why_no_random_input", lambda *_: "it is a test")
    monkeypatch.setattr(verify, "_find_source", lambda *_: None)
    monkeypatch.setattr(verify, "read_test_data", lambda path: {})
    opened = SimpleNamespace(runtimes=lambda: runtimes)
    verify._check_behaviour(result, given, opened, SimpleNamespace(providers=(), weights=None))
    assert sorted(result.notes) == [
        "the export was tested on CUDA too; not here: no CUDA device",
        "the export was tested on NPU too; not here: it does not run here",
    ]
    assert result.not_checked == {
        "runs": "it is a test",
        "reference vectors": "there are none, neither in a certificate nor in test_data_set_0",
    }


def test_a_file_that_cannot_be_written_again_is_not_checked_and_the_gates_run(monkeypatch):
    result = verify.Verification(None)
    monkeypatch.setattr(verify, "repeat_checks", lambda *_: [Check("numerics", True, "")])
    monkeypatch.setattr(verify, "check_rebuild", lambda *_: (None, "other versions wrote the file"))
    request = SimpleNamespace(providers=())
    verify._check_against(result, file(), Runtimes(()), None, request)
    assert (result.not_checked, [check.gate for check in result.checks]) == (
        {"rebuild": "other versions wrote the file"},
        ["numerics"],
    )
    monkeypatch.setattr(verify, "check_rebuild", lambda *_: (Check("rebuild", False, "other weights"), ""))
    result = verify.Verification(None)
    verify._check_against(result, file(), Runtimes(()), None, request)
    assert [check.gate for check in result.checks] == ["rebuild"]  # the gates would run a wrong file


# the process


def test_the_numbers_of_a_description_may_be_those_of_numpy():
    stream = io.BytesIO()
    figures = {"nodes": np.int64(3), "scale": np.float32(0.5), "finite": np.bool_(True)}
    send(stream, Answer(inspection=Inspection("", "valid", figures)))
    stream.seek(0)
    answer, _ = receive(stream, Answer)
    assert answer.inspection.figures == {"nodes": 3, "scale": 0.5, "finite": True}
    with pytest.raises(ZooError, match="a value of type complex is not a JSON value"):
        send(stream, Answer(inspection=Inspection("", "valid", {"nodes": 1j})))


def test_a_description_that_is_too_large_is_not_sent(monkeypatch):
    monkeypatch.setattr(messages, "LARGEST_JSON", 1_000)
    stream = io.BytesIO()
    with pytest.raises(ZooError, match="the description has more than 1,000 bytes"):
        send(stream, Answer(failed="x" * 1_000))
    assert stream.getvalue() == b""
    send(stream, Request(action="run"))


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("late", "reason"),
    [("_deadline", "took longer than 2 s"), ("_end", "came after the 5 s that the whole file may take")],
)
def test_a_process_that_exceeds_a_time_limit_is_killed(late, reason, monkeypatch):
    killed = []
    monkeypatch.setattr(watch, "_kill", killed.append)
    process = SimpleNamespace(pid=os.getpid())
    watched = Watch(process, Limits(2.0, 5.0, 2**40))
    watched._seconds, watched._deadline, watched._end = 2.0, float("inf"), float("inf")
    setattr(watched, late, 0.0)
    watched._watch()
    assert (watched.exceeded, killed) == (reason, [process])


def test_an_exporter_that_the_process_cannot_import_opens_the_file_here(tmp_path, registry, monkeypatch):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"no network")
    asked = []
    monkeypatch.setattr(isolation, "worker_process", lambda folder: contextlib.nullcontext(SimpleNamespace(pid=1)))
    monkeypatch.setattr(isolation, "Watch", lambda *_: contextlib.nullcontext(SimpleNamespace()))
    monkeypatch.setattr(isolation._IsolatedFile, "start", lambda self, job: asked.append(job.inspect))
    with isolation.isolated(registry.exporter("onnx"), path) as opened:
        assert isinstance(opened, isolation._HereFile)
        assert opened.sha256 == sha256(path)
        assert opened.inspection.problem.startswith("not an ONNX file")
        with pytest.raises(RuntimeFailed):
            opened.runtimes()
    assert len(asked) == 1
