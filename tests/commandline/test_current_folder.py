"""A file in the current folder with the name of a module is not imported, not even by a sub-process of a command."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from zoo import interpreter

ROOT = Path(__file__).parent.parent.parent
NAMES = ("torch", "numpy", "json", "onnx", "onnxruntime", "psutil", "msgspec", "sitecustomize", "usercustomize")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    return zoo.export("softmax-regression", output=folder, data_dir=folder).file


@pytest.fixture
def planted(tmp_path):
    """A folder of modules each of which leaves a trace and fails when it is imported."""
    folder = tmp_path / "planted"
    folder.mkdir()
    for name in (*NAMES, "zoo", "cli"):
        (folder / f"{name}.py").write_text(
            f"open({str(tmp_path / 'trace')!r}, 'a').write({name!r})\nraise SystemExit(9)"
        )
    return folder


def run(folder, *command):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ZOO_"))}
    environment |= {"ZOO_DATA": str(folder.parent / "data"), "ZOO_RUNS": str(folder.parent / "runs")}
    done = subprocess.run(
        [sys.executable, *map(str, command)], cwd=folder, env=environment, capture_output=True, text=True
    )
    trace = folder.parent / "trace"
    assert not trace.exists(), trace.read_text()
    return done


@pytest.mark.parametrize(
    "command",
    [
        ("bench", "FILE", "--batch-size", "1"),
        pytest.param(("verify", "FILE", "--allow-partial"), marks=pytest.mark.campaign),
        pytest.param(
            ("export", "softmax-regression", "--onnx", "--reproducible", "-o", "OUT"), marks=pytest.mark.campaign
        ),
        pytest.param(
            ("train", "softmax-regression", "--dataset", "digits", "--epochs", "1", "--devices", "2"),
            marks=pytest.mark.slow,
        ),
        pytest.param(("check", "lenet"), marks=pytest.mark.campaign),
    ],
    ids=lambda command: command[0],
)
def test_a_command_and_its_sub_processes_import_nothing_from_it(command, planted, exported, tmp_path):
    places = {"FILE": exported, "OUT": tmp_path / "again.onnx"}
    done = run(planted, "-P", "-m", "zoo", *(places.get(word, word) for word in command))
    assert done.returncode == 0, done.stderr


def test_python_m_zoo_takes_only_zoo_and_cli_from_it(planted):
    """Python itself looks for ``zoo`` there. Once the zoo runs, the folder is out of the search path."""
    (planted / "zoo.py").unlink()
    (planted / "cli.py").unlink()
    for name in ("json",):  # imported by Python before the zoo runs, in some versions
        (planted / f"{name}.py").unlink()
    (planted / "sitecustomize.py").unlink()
    (planted / "usercustomize.py").unlink()
    assert run(planted, "-m", "zoo", "info", "resnet-mini").returncode == 0


def test_the_search_path_for_other_processes(tmp_path, monkeypatch):
    here, library = tmp_path / "here", os.path.dirname(os.__file__)
    (here / "plugins").mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(sys, "path", ["", str(here), "relative", "/elsewhere", library, "/packages"])
    assert interpreter.import_path() == ["/elsewhere", library, "/packages"]
    # a folder of the user, which hides nothing
    sys.path.append(str(here))
    assert interpreter.import_path() == ["/elsewhere", library, "/packages", str(here)]
    # what the user names
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", "relative", str(here)]))
    assert interpreter.import_path()[0] == str(here)


def test_the_folder_of_the_zoo_itself_stays(monkeypatch):
    monkeypatch.chdir(Path(zoo.__file__).parent.parent)
    monkeypatch.setattr(sys, "path", [os.getcwd(), os.path.dirname(os.__file__)])
    assert interpreter.import_path() == sys.path


def test_a_deleted_current_folder_is_no_error(tmp_path, monkeypatch):
    def gone():
        raise FileNotFoundError

    monkeypatch.setattr(os, "getcwd", gone)
    assert interpreter.import_path()


@pytest.mark.parametrize("folder", ["zoo", "plugins", "exporters"])
def test_python_is_started_in_one_way(folder):
    """``python_command`` and ``python_environment`` are the only way to start another Python."""
    for path in (ROOT / folder).rglob("*.py"):
        if path.name == "interpreter.py":
            continue
        names = {ast.unparse(node) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        assert "sys.executable" not in names, path
        assert "tempfile.mktemp" not in names, path
