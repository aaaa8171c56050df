"""Failures of an export: output of libraries, failing exporters, full disks, kills. An earlier file survives."""

import dataclasses
import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import torch

import zoo
from zoo import Check, Exporter, ExportError, ExportRefused
from zoo.exporting.export import write_verified
from zoo.exporting.request import ExportRequest
from zoo.exporting.source import ExportSource
from zoo.files import sha256
from zoo.models.guarded_task import load_task

TESTS = Path(__file__).parent


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 3)

    def forward(self, inputs):
        logits = self.linear(inputs)
        return logits, torch.softmax(logits, 1)


@pytest.fixture
def source():
    random = torch.Generator().manual_seed(0)
    test = zoo.Split(torch.rand(40, 4, generator=random), torch.zeros(40, dtype=torch.int64))
    description = {"architecture": "tiny", "labels": ["a", "b", "c"], "columns": []}
    task = load_task(zoo.create_registry().task("classification"))
    return ExportSource("tiny", torch.nn.Sequential(Network()), task, test, None, description)


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder / "model.txt"


def exporter(write, check=None):
    return Exporter(
        name="words",
        summary="words",
        suffix=".txt",
        write=write,
        check=check or (lambda *a, **o: iter([Check("c", True, "")])),
    )


def talks_and_fails(source, path):
    print("a page of talk")
    warnings.warn("and a warning", stacklevel=2)
    logging.getLogger("torch.onnx").warning("and a log line")
    raise ValueError("the true\ncause")


def test_output_of_libraries_goes_to_a_log_that_the_error_names(source, target, capfd):
    with pytest.raises(ExportError) as caught:
        write_verified(source, ExportRequest(exporter(talks_and_fails), target))
    log = target.with_name("model.txt.log")
    assert str(caught.value) == f"The exporter words failed: ValueError: the true cause. Details: {log}"
    assert capfd.readouterr() == ("", "")
    text = log.read_text()
    for part in ("a page of talk", "and a warning", "and a log line", "Traceback", "in talks_and_fails"):
        assert part in text
    assert {path.name for path in target.parent.iterdir()} == {"model.txt.log"}


def test_a_successful_export_removes_the_log_of_a_failure(source, target):
    with pytest.raises(ExportError):
        write_verified(source, ExportRequest(exporter(talks_and_fails), target))
    write_verified(source, ExportRequest(exporter(lambda source, path: path.write_text("fine")), target))
    assert {path.name for path in target.parent.iterdir()} == {"model.txt", "model.txt.json"}


def test_a_refusal_by_a_gate_writes_no_log(source, target):
    no = exporter(
        lambda source, path: path.write_text("x"), lambda *a, **o: iter([Check("words", False, "it is wrong")])
    )
    with pytest.raises(ExportRefused, match=r"^model.txt was refused and not written\. words: it is wrong\.$"):
        write_verified(source, ExportRequest(no, target))
    assert not list(target.parent.iterdir())


def test_an_error_of_an_exporter_keeps_its_message_and_type(source, target):
    def write(source, path):
        raise ExportError("No such luck. Try another.") from RuntimeError("inner")

    with pytest.raises(ExportError, match=r"^No such luck\. Try another\. Details: .*model\.txt\.log$"):
        write_verified(source, ExportRequest(exporter(write), target))


# A full disk and a kill are tested in a child process.

CHILD = """
import os, resource, sys, warnings
sys.path.insert(0, {tests!r})
warnings.simplefilter("ignore")
import torch, zoo
from pathlib import Path
from test_export_failures import Network
from zoo.exporting.export import write_verified
from zoo.exporting.request import ExportRequest
from zoo.exporting.source import ExportSource
from zoo.models.guarded_task import load_task

torch.manual_seed(int(sys.argv[1]))
test = zoo.Split(torch.rand(40, 4), torch.zeros(40, dtype=torch.int64))
description = {{"architecture": "tiny", "labels": ["a", "b", "c"], "columns": [], "note": "x" * 20_000}}
registry = zoo.create_registry()
exporter, task = registry.exporter("onnx"), load_task(registry.task("classification"))

def export():
    source = ExportSource("tiny", torch.nn.Sequential(Network()), task, test, None, description)
    return write_verified(source, ExportRequest(exporter, Path({target!r}), {{"opset": 20}}))
"""


def child(target, seed, body):
    script = CHILD.format(tests=str(TESTS), target=str(target)) + body
    return subprocess.Popen([sys.executable, "-c", script, str(seed)], stdout=subprocess.PIPE, text=True)


def is_whole(target):
    certificate = json.loads(target.with_name(target.name + ".json").read_text())
    return certificate["passed"] and certificate["file"]["sha256"] == sha256(target)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
@pytest.mark.parametrize("limit", [1_000, 22_500], ids=["in the file", "in the certificate"])
def test_a_full_disk_keeps_the_earlier_file(limit, tmp_path):
    target = tmp_path / "model.onnx"
    done = child(
        target,
        1,
        f"""
export()
before = Path({str(target)!r}).read_bytes()
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))
try:
    export()
except zoo.ZooError as error:
    print(error)
print(Path({str(target)!r}).read_bytes() == before)
""",
    )
    out, _ = done.communicate(timeout=120)
    message, same = out.splitlines()
    assert message.startswith(f"Cannot write {target}")
    assert same == "True"
    assert is_whole(target)
    assert sorted(path.name for path in tmp_path.glob(".*.part")) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.campaign)])
def test_a_kill_at_any_time_leaves_a_complete_file(kills, tmp_path):
    target = tmp_path / "model.onnx"
    for seed in range(kills):
        process = child(target, seed, "\nexport()\nprint('first', flush=True)\nwhile True:\n    export()\n")
        assert process.stdout.readline() == "first\n"
        time.sleep(random.Random(seed).uniform(0, 1.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert is_whole(target)


def test_file_and_certificate_are_on_disk_before_the_journal_and_the_journal_before_the_renames(
    source, tmp_path, registry, monkeypatch
):
    done = []
    replace, fsync = os.replace, os.fsync
    monkeypatch.setattr(os, "replace", lambda old, to: (done.append(f"rename {Path(to).suffix}"), replace(old, to))[1])
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("sync"), fsync(handle))[1])
    write_verified(source, ExportRequest(registry.exporter("onnx"), tmp_path / "m.onnx", {"opset": 20}))
    files, journal = ["sync", "sync"], ["sync", "rename .pending", "sync"]
    assert done == [*files, *journal, "rename .onnx", "rename .json", "sync"]


def test_the_error_for_another_metric_explains_the_cause(source, tmp_path, registry):
    flattering = dataclasses.replace(source, recorded={"accuracy": 2.0})
    with pytest.raises(ExportRefused, match=r"but the run recorded 2\.0.*not of this checkpoint or not of this data"):
        write_verified(flattering, ExportRequest(registry.exporter("onnx"), tmp_path / "m.onnx", {"opset": 20}))
