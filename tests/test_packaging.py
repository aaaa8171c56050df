"""The wheel and the sdist contain all files and work after installation."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with the sdist of this tree and the wheel built from it, without network."""
    folder = tmp_path_factory.mktemp("dist")
    source = tmp_path_factory.mktemp("source") / "tree"
    names = [
        "setup.cfg",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "MANIFEST.in",
        "cli.py",
        "zoo",
        "plugins",
        "exporters",
    ]
    source.mkdir()
    for name in names:
        subprocess.run(["cp", "-r", ROOT / name, source / name], check=True)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """A folder with only the installed wheel."""
    folder = tmp_path_factory.mktemp("site")
    (wheel,) = built.glob("*.whl")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", folder, wheel]
    subprocess.run(command, check=True)
    return folder


def test_only_zoo_and_cli_are_installed(built):
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"zoo", "cli.py"}
    assert {
        "zoo/plugins/resnet_mini/model.py",
        "zoo/exporters/onnx/write.py",
        "zoo/exporters/onnx/runners/run.mjs",
        "zoo/exporters/pt2/runners/run.py",
        "zoo/py.typed",
        "zoo/__init__.pyi",
        "zoo/reports/templates/demo.html",
        "zoo/conformance/pytest_plugin.py",
    } <= set(names)
    templates = {
        str(path.relative_to(ROOT)) for path in (ROOT / "zoo" / "conformance" / "templates").rglob("*.template")
    }
    assert len(templates) > 10
    assert templates <= set(names)
    assert any(name.endswith("LICENSE") for name in names)


def test_the_sdist_contains_the_sources(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"setup.cfg", "cli.py", "plugins/resnet_mini/model.py", "exporters/onnx/write.py", "LICENSE"} <= names


def test_the_installed_wheel_finds_its_own_plugins(installed, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(installed)}
    script = "import cli, zoo; print(zoo.__file__); cli.main(['plugins'])"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    where, *lines = done.stdout.splitlines()
    assert Path(where).is_relative_to(installed)
    assert done.stderr == ""
    assert {line.split()[0] for line in lines[1:]} >= {"datasets", "googlenet-mini", "resnet-mini", "onnx"}
    assert all("loaded" in line for line in lines[1:])


WITHOUT_EDITABLE_INSTALL = """
import sys
sys.meta_path = [f for f in sys.meta_path if "editable" not in (getattr(f, "__module__", "") + str(f)).lower()]
import zoo, zoo.plugins.resnet_mini, zoo.exporters.onnx
print(zoo.plugins.resnet_mini.__file__)
"""


def test_python_in_a_checkout_finds_its_plugins():
    command = [sys.executable, "-c", WITHOUT_EDITABLE_INSTALL]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == str(ROOT / "plugins" / "resnet_mini" / "__init__.py"), done.stderr


def test_the_metadata_is_complete(built):
    (wheel,) = built.glob("*.whl")
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
    metadata = archive.read(name).decode()
    assert "Name: pluggy-zoo" in metadata
    assert "License-Expression: MIT" in metadata
    assert "Requires-Python: >=3.11" in metadata
    required = set(re.findall(r"^Requires-Dist: ([\w-]+)", metadata, re.MULTILINE))
    assert {
        "torch",
        "torchvision",
        "onnx",
        "onnxscript",
        "onnxruntime-gpu",
        "onnxruntime",
        "click",
        "pluggy",
    } <= required
    assert re.search(r"onnxruntime-gpu\[cuda,cudnn\].*platform_machine", metadata)
