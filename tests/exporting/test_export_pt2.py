"""Export to torch.export programs: the same gates as for ONNX, and no code of a foreign file runs without trust."""

import contextlib
import io
import json
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from test_export import DAMAGES, damaged

import zoo
from zoo import ExportRefused
from zoo.exporting.certificate import certificate_path
from zoo.exporting.export import write_verified
from zoo.exporting.request import ExportRequest
from zoo.specs.references import resolve_reference


@pytest.fixture(scope="module")
def bundle(digits_runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pt2")
    return zoo.export("resnet-mini", "pt2", bundle=folder, runs_dir=digits_runs, data_dir=folder)


@pytest.fixture
def exporter(registry):
    return registry.exporter("pt2")


def test_it_passes_the_gates_of_every_format(bundle, source):
    gates = [check.gate for check in bundle.checks]
    cuda = ["test split"] * torch.cuda.is_available()
    assert gates == ["determinism", "independence", "structure", "numerics", "providers", "test split", *cuda]
    assert bundle.checks[-1].figures["accuracy"] == source.recorded["accuracy"]
    assert zoo.verify(bundle.file, trust=True).passed


def test_equal_checkpoints_give_equal_bytes_without_data_of_this_machine(bundle, digits_runs, tmp_path):
    again = zoo.export("resnet-mini", "pt2", tmp_path / "another.pt2", runs_dir=digits_runs, data_dir=tmp_path)
    assert again.sha256 == bundle.sha256
    content = bundle.file.read_bytes()
    for trace in (".py", "site-packages", "/home", "/root", "/tmp", "return ", sys.prefix):
        assert trace.encode() not in content


@pytest.mark.slow
def test_its_runner_needs_only_torch(bundle):
    script = (
        f"import runpy, sys; runpy.run_path({str(bundle.file.with_name('run.py'))!r}); assert 'zoo' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    probabilities = bundle.vectors.outputs["probabilities"]
    assert [line.split()[0] for line in lines] == [str(row.argmax()) for row in probabilities]
    assert [float(line.split()[1]) for line in lines] == pytest.approx(probabilities.max(axis=1), abs=1e-4)


@pytest.mark.parametrize("damage", [d for d in DAMAGES if DAMAGES[d] != "opset"], ids=lambda damage: damage.__name__)
def test_a_damaged_export_is_refused_by_the_same_gates(damage, exporter, small, tmp_path):
    with pytest.raises(ExportRefused, match=f"refused and not written. {DAMAGES[damage]}: "):
        write_verified(small, ExportRequest(damaged(exporter, damage), tmp_path / "model.pt2"))
    assert not (tmp_path / "model.pt2").exists()


def rewritten(file, change):
    """The content of a .pt2 file in which ``change(name, content)`` replaces every part."""
    content = io.BytesIO()
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(content, "w") as target:
        for name in source.namelist():
            target.writestr(name, change(name, source.read(name)))
    return content.getvalue()


def expression(file, planted):
    """torch evaluates the sizes of tensors in models/model.json as Python code."""
    size = json.loads(re.search(rb'"expr_str": ("[^}]*?"), "hint"', part(file, "models/model.json"))[1])
    code = f"__import__('pathlib').Path('{planted}').touch() or {size}"
    old, new = (json.dumps(text).encode() for text in (size, code))
    return rewritten(file, lambda name, content: content.replace(old, new) if name.endswith("model.json") else content)


def part(file, end):
    with zipfile.ZipFile(file) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith(end)))


class Boom:
    def __init__(self, planted):
        self.planted = planted

    def __reduce__(self):
        return (Path.touch, (self.planted,))


def two_directories(file, planted):
    """A zip archive in which Python finds an empty sample, and torch finds a pickle."""
    pickled = io.BytesIO()
    torch.save(Boom(planted), pickled)
    name = "sample_inputs/model.pt"
    shown, loaded = (
        rewritten(file, lambda n, c, content=content: content if n.endswith(name) else c)
        for content in (b"", pickled.getvalue())
    )
    (shown_files, shown_list, _), (loaded_files, loaded_list, end) = map(_parts_of_zip, (shown, loaded))
    place = 0
    while place < len(shown_list):  # Python counts from the list before the end, torch from the start of the file
        lengths = struct.unpack_from("<HHH", shown_list, place + 28)
        (offset,) = struct.unpack_from("<I", shown_list, place + 42)
        struct.pack_into("<I", shown_list, place + 42, offset + len(loaded_files) - len(shown_files))
        place += 46 + sum(lengths)
    made = loaded_files + loaded_list + shown_files + shown_list + end
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert archive.testzip() is None
        assert not any(archive.getinfo(n).file_size for n in archive.namelist() if n.endswith(name))
    return made


def _parts_of_zip(content):
    end = content.rindex(b"PK\5\6")
    size, offset = struct.unpack_from("<II", content, end + 12)
    return content[:offset], bytearray(content[offset : offset + size]), content[end:]


@pytest.fixture(params=[expression, two_directories], ids=lambda attack: attack.__name__)
def attack(request, bundle, tmp_path):
    """A file that creates another one when torch loads it, and the path of that other file."""
    planted, evil = tmp_path / "planted", tmp_path / "evil.pt2"
    evil.write_bytes(request.param(bundle.file, planted))
    return evil, planted


@pytest.mark.filterwarnings("ignore")
def test_the_attacks_run_code_in_torch(attack):
    evil, planted = attack
    with contextlib.suppress(Exception):
        torch.export.load(evil)
    assert planted.exists()


def test_a_file_is_not_opened_without_trust(attack, zoo_command):
    evil, planted = attack
    found = zoo.verify(evil)
    assert not found.complete
    result = zoo_command("verify", evil)
    assert result.code == 3
    assert "can contain code, which runs when it is opened; --trust opens" in result.error
    assert not planted.exists()


def test_without_trust_hash_and_certificate_are_checked(bundle, tmp_path):
    found = zoo.verify(bundle.file)
    assert [(check.gate, check.passed) for check in found.checks] == [("hash", True), ("certificate", True)]
    copy = tmp_path / "model.pt2"
    copy.write_bytes(bundle.file.read_bytes() + b"changed")
    certificate_path(copy).write_bytes(bundle.path.read_bytes())
    assert not zoo.verify(copy).passed
    copy.write_bytes(bundle.file.read_bytes())
    certificate_path(copy).write_text(bundle.path.read_text().replace('"evaluated_on": "digits', '"evaluated_on": "di'))
    assert [(check.gate, check.passed) for check in zoo.verify(copy).checks] == [("hash", True), ("certificate", False)]


def test_nothing_else_opens_such_a_file(attack, zoo_command):
    evil, planted = attack
    for command in ("predict", "eval", "bench", "demo", "compare"):
        assert zoo_command(command, evil, *(["x.png"] if command == "predict" else [])).code in (1, 2)
    assert not planted.exists()


@pytest.mark.parametrize("content", [b"", b"not a zip archive", b"PK\x05\x06" + bytes(18)])
def test_a_file_that_is_not_a_program_gives_one_line(content, exporter, tmp_path):
    path = tmp_path / "x.pt2"
    path.write_bytes(content)
    problem = resolve_reference(exporter.inspect)(path).problem
    assert problem.startswith("torch cannot load the file: ")
    assert "\n" not in problem
