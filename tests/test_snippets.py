"""Every snippet in the documents runs: Python, shell, TOML and printed output. Those that cannot run have a reason."""

import contextlib
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import numpy as np
import pytest
from document_snippets import DOCUMENTS, ROOT, mentioned_commands, shell_lines, snippets, zoo_commands
from PIL import Image

import zoo
from cli import cli

SPHINX = {"{eval-rst}", "{toctree}"}  # the build of the site reads them
GENERATED = {"cli.md"}  # cog writes its blocks, and a test compares them

NOT_RUN = {
    "python3 -m venv": "makes an environment; .ci/run runs the lines of the README",
    "pip install": "installs packages; tests/conformance/test_scaffold.py installs a new package without network",
    "uv pip install": "downloads torch",
    "pre-commit install": "changes the repository",
    "pytest": "these are the tests",
    "cog -r": "changes the documents; test_readme.py compares what it writes",
    "python docs/rooms.py": "changes the documents; test_docs.py compares what it writes",
    "python -m build": "tests/test_packaging.py builds packages",
    "twine upload": "uploads to the package index",
    "cd my-net": "this test is inside already",
    "torchrun": "needs several devices or machines; tests/training/test_distributed.py starts two processes",
    "zoo train resnet-mini --devices 8": "needs eight devices; tests/training/test_distributed.py starts two processes",
    "first=$(scontrol": "needs Slurm",
    "srun": "needs Slurm",
    "zoo train torchvision/resnet18 --dataset photos/ --init-from": "downloads weights of torchvision",
    "zoo train --resume runs/": "needs an interrupted run; tests/training/test_resuming.py resumes many",
    "zoo train resnet-mini --log": "needs MLflow; tests/plugins/test_trackers.py logs trainings",
    "zoo export runs/resnet-mini/20260101-120000 --onnx --log": "likewise",
    **dict.fromkeys(
        (
            "zoo publish RUN --to",
            "zoo publish resnet-mini --to",
            "zoo verify hf:",
            "zoo train resnet-mini --dataset photos/ --init-from hf:",
        ),
        "needs the Hugging Face Hub; tests/test_hub.py uses a stand-in",
    ),
    "zoo reproduce": "needs MNIST and minutes; tests/evaluation/test_reproduction.py repeats recorded results",
    "zoo install": "needs the package index; tests/registry/test_packages.py installs from a folder",
    "zoo uninstall": "needs the package; tests/registry/test_packages.py removes one",
    "zoo tune": "searches for minutes or hours; tests/tuning searches among tiny networks",
    **dict.fromkeys(("sleep ", "for gpu in", "  zoo tune", "done", "wait"), "needs eight GPUs"),
    "zoo demo bike-mlp.onnx --serve": "serves until Ctrl-C; tests/reports/test_demo.py serves pages",
    "zoo demo resnet-mini --assets": "needs the npm package onnxruntime-web",
}
QUICK = {"plugins", "list", "info", "predict", "new"}


def reason_not_to_run(line):
    return next((reason for start, reason in NOT_RUN.items() if line.startswith(start)), "")


def runnable(text):
    return [line for line in shell_lines(text) if not reason_not_to_run(line)]


def is_quick(text):
    return all(command[0] in QUICK for line in runnable(text) for command in zoo_commands(line))


SHELL = [
    pytest.param(snippet, id=str(snippet), marks=() if is_quick(snippet.text) else pytest.mark.slow)
    for snippet in snippets("sh")
    if runnable(snippet.text)
]
LONG = ("zoo.train(", "zoo.bench(", "def test_")
PYTHON = [
    pytest.param(s, id=str(s), marks=pytest.mark.slow if any(call in s.text for call in LONG) else ())
    for s in snippets("python")
    if "zoo.tune(" not in s.text  # it searches for minutes; tests/tuning searches among tiny networks
]


@pytest.fixture
def desk(digits_runs, digits_file, tmp_path, no_network, no_plugin_modules, monkeypatch):
    """The working directory of a reader of the documents: runs, an exported file, images, tables, a plugin."""
    (run,) = (digits_runs / "resnet-mini").iterdir()
    shutil.copytree(run, Path("runs", "resnet-mini", "20260101-120000"))
    for name in ("resnet-mini.onnx", "googlenet-mini.onnx", "net.onnx", "net-int8.onnx"):
        shutil.copy(digits_file, name)
    digits = zoo.load_dataset("digits", data_dir=tmp_path).test
    Path("scans").mkdir()
    for number in range(3):
        Image.fromarray(digits.inputs[number, 0].numpy()).save(f"scans/{number}.png")
    shutil.copy("scans/0.png", "drawing.png")
    random = np.random.default_rng(0)
    for label, level in (("cat", 60), ("dog", 180)):
        Path("photos", label).mkdir(parents=True)
        for number in range(20):
            pixels = np.clip(random.normal(level, 20, (32, 32, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(f"photos/{label}/{number}.png")
    write_tables(random)
    shutil.copytree(ROOT / "examples" / "first-net", "nets", ignore=shutil.ignore_patterns("tests"))
    Path("DIR").mkdir()


def write_tables(random):
    """``patients.csv``, which has the columns of the dataset diabetes, and ``sales.csv``."""
    columns = [column.name for column in zoo.create_registry().dataset("diabetes").columns]
    rows = [",".join([*columns, "ill"])]
    for _ in range(120):
        values = random.uniform(1, 60, len(columns)).round(1)
        rows.append(",".join([*map(str, values), "yes" if values[1] > 30 else "no"]))
    Path("patients.csv").write_text("\n".join(rows) + "\n")
    rows = ["month,shop,price,sold"]
    for number in range(120):
        price = round(random.uniform(1, 9), 2)
        rows.append(f"{number % 12 + 1},{'north' if number % 2 else 'south'},{price},{20 - price + number % 3}")
    Path("sales.csv").write_text("\n".join(rows) + "\n")


def test_every_snippet_is_in_a_language_that_is_tested():
    found = {snippet.language for snippet in snippets() if snippet.path.name not in GENERATED}
    assert found == {"python", "sh", "toml", "text"} | SPHINX
    assert all(reason_not_to_run(line) or zoo_commands(line) or line.startswith(OTHERS) for line in all_shell_lines())


OTHERS = ("openssl ", "find . ", "cd resnet && python run.py")


def all_shell_lines():
    return [line for snippet in snippets("sh") for line in shell_lines(snippet.text)]


def test_every_exception_is_needed():
    lines = all_shell_lines()
    assert [start for start in NOT_RUN if not any(line.startswith(start) for line in lines)] == []


def parsed(arguments, registry, monkeypatch):
    """Parse a command as click does, without running it."""
    with monkeypatch.context() as patch:
        patch.setattr(click.Command, "invoke", lambda command, ctx: 0)
        assert cli.main(arguments, standalone_mode=False, obj=registry) in (0, None)


@pytest.mark.parametrize("snippet", [s for s in snippets("sh") if "zoo" in s.text], ids=str)
def test_every_command_in_a_shell_snippet_can_be_parsed(snippet, registry, monkeypatch):
    Path("nets").mkdir()
    for line in shell_lines(snippet.text):
        for arguments in zoo_commands(line):
            parsed(arguments, registry, monkeypatch)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_in_the_text_can_be_parsed(path, registry, monkeypatch):
    """In running text the arguments may be left out: `zoo demo --serve`."""
    Path("DIR").mkdir()
    for mention in mentioned_commands(path):
        for arguments in zoo_commands(re.sub(r"\bN\b", "1", mention).replace("…", "")):
            ends_with_option = click.BadOptionUsage if arguments[-1].startswith("--") else click.MissingParameter
            with contextlib.suppress(click.MissingParameter, ends_with_option):
                if arguments[0].startswith("-"):  # options of the group alone
                    arguments.append("list")
                parsed(arguments, registry, monkeypatch)


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("snippet", SHELL)
def test_a_shell_snippet_runs(snippet, zoo_command, monkeypatch):
    if snippet.path.name == "tutorial.md" and "my-net" in snippet.text and "zoo new" not in snippet.text:
        assert zoo_command("new", "my-net").code == 0
        monkeypatch.setenv("ZOO_PLUGINS_DIR", str(Path("my-net", "src").absolute()))
    if "runs/lenet/" in snippet.text:
        zoo.train("lenet", dataset="digits", epochs=1).folder.rename(Path("runs", "lenet", "20260101-130000"))
    for line in runnable(snippet.text):
        commands = zoo_commands(line)
        if line.startswith("zoo ") and len(commands) == 1 and ">" not in line:
            result = zoo_command(*commands[0], registry=None)
            assert result.code == 0, f"{line}\n{result.err}"
        else:
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", line], capture_output=True, text=True)
            assert done.returncode == 0, f"{line}\n{done.stderr}"


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("snippet", PYTHON)
def test_a_python_snippet_runs(snippet, monkeypatch):
    declared = []
    names = {"__name__": "snippet", "__file__": str(Path("plugin.py").absolute()), "Option": zoo.Option}
    source = snippet.text
    if "    ...,\n" in source:  # part of a declaration: the other fields are those of a complete one
        rest = {"name": "n", "summary": "s", "task": "binary", "builder": "m:f", "dataset": "d", "parameters": 1}
        source = source.replace("    ...,\n", "    **rest,\n")
        names |= {"rest": rest, "Architecture": lambda **fields: declared.append(zoo.Architecture(**fields))}
    elif "def test_" in source:
        Path("test_theirs.py").write_text(source.replace("my-nets", "iris"))
        done = subprocess.run([sys.executable, "-m", "pytest", "-q"], capture_output=True, text=True)
        assert re.search(r"^\d+ passed", done.stdout, re.MULTILINE), done.stdout
        return
    elif "model.run(images)" in source:
        names["images"] = np.zeros((2, 1, 28, 28), np.uint8)
    exec(compile(source, str(snippet), "exec"), names)
    assert bool(declared) == ("**rest" in source)
    if "probabilities" in source:
        assert np.shape(names["probabilities"])[1] == 10


def test_the_entry_point_of_a_plugin_is_valid():
    snippet = snippets("toml")[0]
    assert tomllib.loads(snippet.text) == {"project": {"entry-points": {"zoo": {"my-nets": "my_nets"}}}}


def test_the_settings_of_a_plugin_are_read_as_the_page_says(monkeypatch, capsys):
    (source,) = [snippet.text for snippet in snippets("python") if "PluginSettings" in snippet.text]
    (file,) = [snippet.text for snippet in snippets("toml") if "retries" in snippet.text]
    Path("config.toml").write_text(file)
    names = {"__name__": "snippet"}
    exec(source, names)
    names["train_started"](None)
    monkeypatch.setenv("ZOO_CONFIG", "config.toml")
    names["train_started"](None)
    monkeypatch.setenv("ZOO_PLUGIN_MY_LOGGER_URL", "http://there")
    names["train_started"](None)
    assert capsys.readouterr().out.splitlines() == [
        "http://localhost:5000 3",
        "https://example.org 5",
        "http://there 5",
    ]


def test_the_folders_that_the_page_about_the_code_names_exist():
    (snippet,) = [snippet for snippet in snippets("text") if snippet.path.name == "architecture.md"]
    names = [line.split()[0] for line in snippet.text.splitlines()]
    assert len(names) == 6
    assert [name for name in names if not (ROOT / name).exists()] == []
