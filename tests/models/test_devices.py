"""Devices by name, with CUDA devices that are made up, and what other processes answer."""

import io
import json
import logging
from types import SimpleNamespace

import onnxruntime
import pytest
import torch
from zoo.exporters.onnx import sessions

from zoo import DeviceUnavailable, InvalidValue, UsageError, ZooError
from zoo.evaluation import contenders, seeds
from zoo.models.devices import arithmetic, choose_device, describe_device, exact


def cuda(monkeypatch, count):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(count))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))


def mps(monkeypatch, there):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: there)


def test_the_best_device_is_chosen(monkeypatch):
    cuda(monkeypatch, 0)
    mps(monkeypatch, False)
    assert choose_device().type == "cpu"
    mps(monkeypatch, True)
    assert choose_device().type == choose_device("mps").type == "mps"
    cuda(monkeypatch, 2)
    assert choose_device().type == "cuda"
    assert choose_device("cuda:1").index == 1


@pytest.mark.parametrize(
    ("name", "count", "error", "message"),
    [
        ("cuda", 0, DeviceUnavailable, "cuda is not available: torch finds no CUDA device on this machine"),
        ("cuda:1", 1, DeviceUnavailable, "cuda:1 is not available: torch finds 1 CUDA device on this machine"),
        ("cuda:2", 2, DeviceUnavailable, "cuda:2 is not available: torch finds 2 CUDA devices on this machine"),
        ("mps", 0, DeviceUnavailable, "mps is not available: torch finds no MPS device"),
        ("gpu", 0, InvalidValue, "Device 'gpu' is not one of auto, cpu, cuda, cuda:N, mps."),
        ("meta", 0, InvalidValue, "Device 'meta' is not one of auto"),
    ],
)
def test_a_device_that_is_not_here_is_named(name, count, error, message, monkeypatch):
    cuda(monkeypatch, count)
    mps(monkeypatch, False)
    with pytest.raises(error) as caught:
        choose_device(name)
    assert message in str(caught.value)


def test_a_gpu_has_a_name_and_computes_without_tf32_when_asked(monkeypatch):
    cuda(monkeypatch, 1)
    device = torch.device("cuda:0")
    assert describe_device(device) == "cuda:0, NVIDIA H200"
    assert describe_device(torch.device("mps")) == "mps"
    found = arithmetic(device)
    assert (found["processor"], found["capability"]) == ("NVIDIA H200", "9.0")
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        with exact(device, tf32=False):
            assert not torch.backends.cuda.matmul.allow_tf32
            assert torch.backends.cudnn.deterministic
        assert torch.backends.cuda.matmul.allow_tf32
        with exact(device, tf32=True):
            assert torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def test_one_training_for_each_gpu_or_core(monkeypatch):
    cuda(monkeypatch, 3)
    assert (seeds._possible("auto"), seeds._possible("cuda:1")) == (3, 1)
    assert seeds._possible("cpu") == seeds.cores() >= 1
    mps(monkeypatch, True)
    assert seeds._possible("mps") == 1


def test_a_comparison_on_cuda_needs_cuda(monkeypatch, tmp_path):
    cuda(monkeypatch, 0)
    settings = SimpleNamespace(several=False, device="cuda")
    with pytest.raises(DeviceUnavailable, match="cuda is not available: torch finds no CUDA device"):
        contenders._of_checkpoint("lenet", settings, tmp_path / "folder")


@pytest.mark.parametrize(
    ("providers", "driver", "count", "why"),
    [
        ([], True, 1, "this build of onnxruntime has no CUDA"),
        (["CUDAExecutionProvider"], False, 1, "no CUDA device"),
        (["CUDAExecutionProvider"], True, 0, "no CUDA device"),
        (["CUDAExecutionProvider"], True, 1, "onnxruntime fell back to the CPU; are its CUDA libraries installed?"),
    ],
)
def test_a_file_that_does_not_run_on_cuda_says_why(providers, driver, count, why, monkeypatch):
    cuda(monkeypatch, count)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    monkeypatch.setattr(sessions, "_has_cuda_driver", lambda: driver)
    monkeypatch.setattr(sessions, "_sessions", lambda content, provider: [])
    assert sessions._cuda_sessions(b"") == ([], why)


def test_a_driver_is_looked_for_without_torch(monkeypatch):
    def missing(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert sessions._has_cuda_driver()
    monkeypatch.setattr("ctypes.CDLL", missing)
    assert not sessions._has_cuda_driver()


def ended(text, code=1):
    return seeds._result(SimpleNamespace(stdout=io.StringIO(text), returncode=code))


def answered(**answer):
    return ended(f"printed by a plugin\n{json.dumps({'notes': []} | answer)}\n")


@pytest.mark.parametrize(
    ("found", "kind", "text"),
    [
        (ended("", -9), ZooError, "The process of a training ended by itself (signal 9)."),
        (ended("no JSON", 3), ZooError, "The process of a training ended by itself (exit code 3)."),
        (answered(error="a wrong option.", usage=True), UsageError, "a wrong option."),
        (answered(error="the loss is NaN.", usage=False), ZooError, "the loss is NaN."),
    ],
)
def test_the_error_of_a_training_in_another_process_is_that_of_the_command(found, kind, text):
    assert type(found) is kind
    assert str(found) == text


def test_the_notes_of_a_training_in_another_process_are_shown(caplog):
    with caplog.at_level(logging.WARNING, "zoo"):
        answered(error="x", usage=False, notes=["a stand-in is used"])
    assert "a stand-in is used" in caplog.text


def trained(monkeypatch, capsys, act):
    """The answer of the process that trains what standard input says."""
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"architecture": "lenet", "device": "cpu"})))
    monkeypatch.setattr(seeds, "train", act)
    before = list(logging.getLogger("zoo").handlers)
    try:
        seeds.train_from_stdin()
    finally:
        logging.getLogger("zoo").handlers = before
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_the_process_of_a_training_answers_with_the_run_or_the_error(monkeypatch, capsys, tmp_path):
    def fail(error):
        logging.getLogger("zoo").warning("a note")
        raise error

    answer = trained(monkeypatch, capsys, lambda **_: SimpleNamespace(folder=tmp_path))
    assert answer == {"run": str(tmp_path.resolve()), "notes": []}
    answer = trained(monkeypatch, capsys, lambda **_: fail(UsageError("wrong.")))
    assert answer == {"error": "wrong.", "usage": True, "notes": ["a note"]}
    answer = trained(monkeypatch, capsys, lambda **_: fail(KeyError("layers")))
    assert answer == {"error": "KeyError: 'layers'", "usage": False, "notes": ["a note"]}
