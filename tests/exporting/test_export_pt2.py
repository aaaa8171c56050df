"""Export to torch.export programs: the same gates as for ONNX, and no code in a file is executed."""

import dataclasses
import io
import subprocess
import sys
import zipfile

import pytest
import torch
from test_export import DAMAGES, damaged

import zoo
from zoo import ExportRefused
from zoo.exporting.export import write_verified
from zoo.exporting.request import ExportRequest


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
    assert zoo.verify(bundle.file).passed


def test_equal_checkpoints_give_equal_bytes_without_data_of_this_machine(bundle, digits_runs, tmp_path):
    again = zoo.export("resnet-mini", "pt2", tmp_path / "another.pt2", runs_dir=digits_runs, data_dir=tmp_path)
    assert again.sha256 == bundle.sha256
    content = bundle.file.read_bytes()
    for trace in (".py", "site-packages", "/home", "/root", "/tmp", "return ", sys.prefix):
        assert trace.encode() not in content


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
def test_a_damaged_export_is_refused_by_the_same_gates(damage, exporter, source, tmp_path):
    with pytest.raises(ExportRefused, match=f"refused and not written. {DAMAGES[damage]}: "):
        write_verified(source, ExportRequest(damaged(exporter, damage), tmp_path / "model.pt2"))
    assert not (tmp_path / "model.pt2").exists()


class Boom:
    def __reduce__(self):
        return (print, ("executed",))


@pytest.mark.parametrize("place", ["data/sample_inputs/model.pt", "data/constants/custom_obj_0"])
def test_a_file_with_executable_code_is_not_loaded(bundle, place, tmp_path, capsys):
    evil = tmp_path / "evil.pt2"
    content = io.BytesIO()
    torch.save(Boom(), content)
    with zipfile.ZipFile(bundle.file) as source, zipfile.ZipFile(evil, "w") as target:
        for name in source.namelist():
            if not name.endswith(place):
                target.writestr(name, source.read(name))
        target.writestr(f"{source.namelist()[0].partition('/')[0]}/{place}", content.getvalue())
    found = zoo.verify(evil)
    assert not found.passed
    assert f"the file contains {place}, which torch would execute" in found.checks[0].summary
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"not a zip archive", b"PK\x05\x06" + bytes(18)])
def test_a_file_that_is_not_a_program_gives_one_line(content, tmp_path):
    path = tmp_path / "x.pt2"
    path.write_bytes(content)
    found = zoo.verify(path)
    assert not found.passed
    assert "\n" not in found.checks[0].summary
    assert dataclasses.asdict(found.checks[0])["gate"] == "structure"
