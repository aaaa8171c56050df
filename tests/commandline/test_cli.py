"""The ``zoo`` command: output, errors and exit codes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
import torch

import cli
import zoo
from zoo import create_registry
from zoo.registry.entry_points import find_entry_points
from zoo.registry.registry import Registry
from zoo.runs.run import load_run

ROOT = Path(__file__).parents[2]

MISTAKES = [
    ("train goglenet-mini", 2, "Did you mean 'googlenet-mini'?"),
    ("info resnetmini", 2, "Did you mean 'resnet-mini'?"),
    ("export resnet-mni --onnx", 2, "Did you mean 'resnet-mini'?"),
    ("runs resnetmini", 2, "Did you mean 'resnet-mini'?"),
    ("fetch mnits", 2, "Did you mean 'mnist'?"),
    ("trian resnet-mini", 2, "Did you mean 'train'?"),
    ("train resnet-mini --dataset mnst", 2, "Did you mean 'mnist'?"),
    ("train resnet-mini --set epohs=3", 2, "Did you mean 'epochs'?"),
    ("train resnet-mini --set momentum", 2, "NAME=VALUE"),
    ("train resnet-mini --set momentum=1", 2, "below 1"),
    ("train resnet-mini --set lr=1 --lr 2", 2, "lr is set twice"),
    ("train resnet-mini --epochs 0", 2, "at least 1"),
    ("train resnet-mini --epochs 1.5", 2, "a whole number"),
    ("train resnet-mini --epochs ten", 2, "a whole number"),
    ("train resnet-mini --lr 0", 2, "above 0"),
    ("train resnet-mini --lr nan", 2, "a number"),
    ("train resnet-mini --batch-size -4", 2, "at least 1"),
    ("train resnet-mini --set optimizer=adam", 2, "There is no optimizer named 'adam'. Did you mean 'adamw'?"),
    ("train resnet-mini --seed x", 2, "--seed"),
    ("train resnet-mini --device gpu", 2, "auto, cpu, cuda"),
    ("train", 2, "NAME"),
    ("train resnet-mini --resume no-such-run", 2, "no-such-run"),
    ("train resnet-mini --resume x --seed 1", 2, "--seed cannot go with --resume"),
    ("train --resume x --lr 3", 2, "--lr cannot go with --resume"),
    ("train --resume no-such-run", 2, "no-such-run"),
    ("train resnet-mini --frobnicate", 2, "--frobnicate"),
    ("export torchvision/resnet18 --onnx", 1, "zoo train torchvision/resnet18"),
    ("export resnet-mini", 2, "--onnx"),
    ("export resnet-mini --onnx --opset 11", 2, "opset must be"),
    ("train resnet-mini --dataset mnist", 1, "zoo fetch mnist"),
    ("fetch mnist", 1, "could not be downloaded"),
    ("train resnet-mini --dataset digits --runs-dir a-file/runs", 2, "a-file is not a folder"),
    ("datasets extra", 2, "unexpected extra argument"),
]


@pytest.mark.parametrize(("arguments", "code", "words"), MISTAKES, ids=[mistake[0] for mistake in MISTAKES])
def test_a_mistake_gets_one_clear_line(arguments, code, words, zoo_command, no_network):
    Path("a-file").write_text("")
    result = zoo_command(*arguments.split())
    assert result.code == code
    assert words in result.error
    assert result.out == ""


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
@pytest.mark.parametrize("device", ["cuda", "cuda:7"])
def test_a_missing_cuda_device_is_one_line(device, zoo_command):
    result = zoo_command("train", "resnet-mini", "--dataset", "digits", "--device", device)
    assert result.code == 1
    assert "no CUDA device" in result.error
    assert "--device cpu" in result.error


def test_debug_shows_the_traceback_as_well(zoo_command):
    result = zoo_command("info", "nothing", "--debug")
    assert result.code == 2
    assert "Traceback" in result.err
    assert "Error: " in result.err


def test_an_unexpected_error_is_one_line(zoo_command, monkeypatch):
    monkeypatch.setattr(Registry, "architecture", lambda *args: 1 / 0)
    result = zoo_command("info", "resnet-mini")
    assert result.code == 1
    assert "ZeroDivisionError" in result.error
    assert "--debug" in result.error


@pytest.mark.parametrize("command", ["list", "info", "datasets", "fetch", "plugins", "train", "runs", "export"])
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_has_help_with_an_example(command, flag, zoo_command):
    result = zoo_command(command, flag)
    assert result.code == 0
    assert f"zoo {command}" in result.out.split("Options:")[0].split("\n\n", 1)[1]


def test_help_is_shown_without_a_command(zoo_command):
    result = zoo_command()
    assert result.code == 2
    assert "Examples:" in result.out


def test_help_lists_the_commands_in_sections_and_those_of_plugins_last(zoo_command, add_plugin, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    source = "import click\n@zoo.hookimpl\ndef register_commands(cli):\n    @cli.command()\n    def bark():\n"
    source += '        """Bark as loudly as the dog next door, which takes a sentence longer than a line."""\n'
    registry = create_registry([add_plugin("dog", source)])
    text = zoo_command("--help", registry=registry).out
    headings = [line for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert headings == ["Options:", "Explore:", "Train:", "Evaluate:", "Export:", "Extend:", "Plugin commands:"]
    assert "..." not in text.replace("[ARGS]...", "")
    assert "longer than a line." in " ".join(text.split())
    assert all(line.index(line.split()[1]) == 14 for line in text.partition("Explore:")[2].splitlines()[1:5])


@pytest.mark.parametrize("name", [None, *cli.cli.builtin])
def test_every_option_is_explained_and_shows_its_default(name, zoo_command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = zoo_command(*([name] if name else []), "--help").out
    for metavar in ("TEXT", "INTEGER", "FLOAT", " PATH ", "DIRECTORY", "RANGE"):
        assert metavar not in text, "an option without a metavar that says what it takes"
    assert max(map(len, text.splitlines())) <= 80
    ctx = click.Context(cli.cli, info_name="zoo", **cli.cli.context_settings)
    command = cli.cli.get_command(ctx, name) if name else cli.cli
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert all(option.help and option.help.endswith(".") for option in options)


def test_list_shows_every_architecture_and_its_plugin(zoo_command, tiny_registry):
    lines = zoo_command("list").out.splitlines()
    assert lines[0].split()[:2] == ["NAME", "PARAMETERS"]
    shown = {line.split()[0]: line for line in lines[1:]}
    assert shown.keys() == tiny_registry.architectures.keys()
    assert "third-party" in shown["tiny-cnn"]
    assert "97,298" in shown["googlenet-mini"]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (["resnet"], {"resnet-mini"}),
        (["*net-mini"], {"googlenet-mini", "resnet-mini"}),
        (["--max-params", "50000"], {"resnet-mini"}),
        (["--task", "classification", "google"], {"googlenet-mini"}),
        (["nothing-like-it"], set()),
    ],
)
def test_list_can_be_filtered(filters, names, zoo_command):
    assert {fact["name"] for fact in json.loads(zoo_command("list", "--json", *filters).out)} & {
        "googlenet-mini",
        "resnet-mini",
    } == names


def test_info_shows_every_setting_with_its_default(zoo_command):
    text = zoo_command("info", "googlenet-mini").out
    facts = json.loads(zoo_command("info", "googlenet-mini", "--json").out)
    assert "arxiv.org/abs/1409.4842" in text
    defaults = {setting["name"]: setting["default"] for setting in facts["hyperparameters"]}
    assert defaults["optimizer"] == "adamw"
    for name in defaults:
        assert name in text


@pytest.mark.parametrize(
    ("name", "kind", "shown"),
    [
        ("mnist", "dataset", "zoo train ARCHITECTURE --dataset mnist"),
        ("classification", "task", "label_smoothing"),
        ("tokens", "kind of input", "vocabulary"),
        ("sgd", "optimizer", "--set optimizer=sgd"),
        ("one-cycle", "schedule", "cosine decay to 0"),
        ("onnx", "exporter", "zoo export NAME --onnx"),
    ],
)
def test_info_shows_whatever_has_the_name(name, kind, shown, zoo_command):
    result = zoo_command("info", name)
    assert result.code == 0
    first = result.out.splitlines()[0]
    assert (first.startswith(f"{kind}  "), first.split()[-1]) == (True, name)
    assert shown in result.out
    (facts,) = json.loads(zoo_command("info", name, "--json").out)
    assert (facts["declared"], facts["name"]) == (kind, name)


def test_info_shows_an_architecture_before_others_of_its_name_and_else_all_of_them(tiny_registry, zoo_command):
    class Named:
        @zoo.hookimpl
        def register_schedules(self, register):
            for name in ("tiny-cnn", "bars"):
                register(zoo.Schedule(name=name, summary="a schedule", factor="module:factor"))

    tiny_registry.add(zoo.Plugin("named", "zoo-named", "1.0", "named"), Named())
    assert zoo_command("info", "tiny-cnn", registry=tiny_registry).out.startswith("name        tiny-cnn")
    both = json.loads(zoo_command("info", "bars", "--json", registry=tiny_registry).out)
    assert [facts["declared"] for facts in both] == ["dataset", "schedule"]
    assert "a schedule" in zoo_command("info", "bars", registry=tiny_registry).out


def test_list_can_be_filtered_by_the_kind_of_input(zoo_command):
    found = json.loads(zoo_command("list", "--json", "--input", "table").out)
    assert {fact["input"] for fact in found} == {"table"}
    assert "bike-mlp" in {fact["name"] for fact in found}
    wrong = zoo_command("list", "--input", "tabel")
    assert (wrong.code, "Did you mean 'table'?" in wrong.error) == (2, True)


def test_datasets_shows_which_datasets_are_available(zoo_command, tmp_path):
    facts = {fact["name"]: fact for fact in json.loads(zoo_command("datasets", "--json").out)["datasets"]}
    assert facts["digits"]["state"] == "bundled"
    assert facts["mnist"]["state"] == "not here"
    assert facts["mnist"]["stand_in"] == "digits"
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in ("train-images", "t10k-images"):
        (raw / f"{name}-idx3-ubyte").touch()
    for name in ("train-labels", "t10k-labels"):
        (raw / f"{name}-idx1-ubyte").touch()
    assert "present" in zoo_command("datasets").out


def test_plugins_shows_state_hooks_and_errors(zoo_command, registry, add_plugin):
    registry.plugins.append(zoo.Plugin("broken", "third-party", "2.1", "x", errors=["ImportError: no module"]))
    facts = {fact["name"]: fact for fact in json.loads(zoo_command("plugins", "--json").out)}
    assert facts["resnet-mini"]["status"] == "loaded"
    assert facts["resnet-mini"]["hooks"] == ["register_architectures"]
    assert facts["broken"]["status"] == "failed"
    line = next(line for line in zoo_command("plugins").out.splitlines() if "broken" in line)
    assert "2.1" in line
    assert "ImportError: no module" in line


def test_train_evaluate_and_export_without_data_or_network(zoo_command, no_network):
    trained = zoo_command("train", "resnet-mini", "--epochs", 2, "--set", "shift=0")
    assert trained.code == 0
    notes = [line for line in trained.err.splitlines() if line.startswith("Note: ")]
    assert len(notes) == 2
    assert "stand-in digits" in notes[0]
    assert "The recipe of resnet-mini is for mnist" in notes[1]
    assert "test samples of digits (in place of mnist)" in trained.out
    epochs = [line for line in trained.err.splitlines() if line.strip()[:1].isdigit() and "%" in line]
    assert len(epochs) == 2

    (run,) = json.loads(zoo_command("runs", "--json").out)
    assert run["data"]["name"] == "digits"
    assert run["data"]["stand_in_for"] == "mnist"
    assert run["status"] == "finished"
    assert f"{run['results']['test']['accuracy']:.2%}" in trained.out
    assert "digits" in zoo_command("runs", "resnet-mini").out

    exported = zoo_command("export", "resnet-mini", "--onnx")
    assert exported.code == 0
    assert exported.err == ""
    assert exported.out.count("passed") == 7
    assert sorted(path.name for path in Path().glob("resnet-mini*")) == ["resnet-mini.onnx", "resnet-mini.onnx.json"]
    certificate = json.loads(Path("resnet-mini.onnx.json").read_text())
    assert certificate["model"]["dataset"] == "digits"
    assert certificate["model"]["stand_in_for"] == "mnist"


def test_json_goes_to_standard_output_and_messages_to_standard_error(zoo_command, tiny_registry):
    result = zoo_command("train", "tiny-cnn", "--json", "--epochs", 1, "--device", "cpu", "--seed", 5)
    facts = json.loads(result.out)
    assert facts["seed"] == 5
    assert facts["hyperparameters"]["epochs"] == 1
    assert "training" in result.err
    exported = json.loads(zoo_command("export", facts["run"], "--onnx", "--json", "-o", "x.onnx").out)
    assert exported["passed"] is True
    assert exported["file"]["name"] == "x.onnx"


def test_an_empty_runs_folder_is_reported(zoo_command):
    result = zoo_command("runs")
    assert result.code == 0
    assert "zoo train NAME" in result.err
    assert json.loads(zoo_command("runs", "--json").out) == []


def test_resume_takes_the_name_of_the_run_s_architecture_and_refuses_another(zoo_command, tiny_registry):
    run = json.loads(zoo_command("train", "tiny-cnn", "--json", "--epochs", 1, "--device", "cpu").out)["run"]
    refused = zoo_command("train", "resnet-mini", "--resume", run, "--epochs", 2)
    assert refused.code == 2
    assert "is a run of tiny-cnn, not of resnet-mini" in refused.error
    resumed = zoo_command("train", "tiny-cnn", "--resume", run, "--epochs", 2, "--json")
    assert resumed.code == 0
    assert json.loads(resumed.out)["run"] == run
    assert [entry["epoch"] for entry in load_run(Path(run)).metrics()] == [1, 2]


def start(*arguments):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "zoo", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def wait_for_epoch(process, number):
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.split()[:1] == [str(number)]:
            return
    raise AssertionError("".join(lines))


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_printed_command_finishes_a_run_after_ctrl_c(number, code, zoo_command):
    process = start("train", "resnet-mini", "--dataset", "digits", "--epochs", "50")
    wait_for_epoch(process, 1)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    error = err.splitlines()[-1]
    assert error.startswith(f"Error: Stopped by {number.name}")
    assert "Traceback" not in err
    command = error.rpartition("zoo ")[2].split()
    assert command[:2] == ["train", "--resume"]
    run = load_run(Path(command[2]))
    assert run.status == "interrupted"
    assert run.best.is_file()
    assert run.curves.is_file()
    assert zoo_command("runs").out.count("interrupted") == 1

    done = len(run.metrics())
    process = start(*command)
    wait_for_epoch(process, done + 1)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    epochs = [entry["epoch"] for entry in zoo.runs.run.load_run(Path(command[2])).metrics()]
    assert epochs == list(range(1, len(epochs) + 1))
    assert len(epochs) > done


def test_output_into_a_closed_pipe_is_no_error():
    done = subprocess.run(
        f"{sys.executable} -m zoo info resnet-mini | head -n 1", shell=True, capture_output=True, text=True
    )
    assert done.stdout.startswith("name")
    assert done.stderr == ""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_shows_the_progress_of_a_training():
    import pty

    primary, secondary = pty.openpty()
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TERM": "xterm-256color", "COLUMNS": "120"}
    command = [sys.executable, "-m", "zoo", "train", "resnet-mini", "--dataset", "digits", "--epochs", "2"]
    process = subprocess.Popen(command, stdout=secondary, stderr=secondary, env=environment)
    os.close(secondary)
    shown = b""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            chunk = os.read(primary, 65536)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    os.close(primary)
    assert process.wait(timeout=30) == 0
    text = shown.decode()
    for part in ("samples/s", "left", "epoch 1/2", "accuracy", "test samples of digits"):
        assert part in text


def test_info_suggests_names_of_all_kinds(zoo_command):
    result = zoo_command("info", "minst")
    assert result.code == 2
    assert result.error.startswith(
        "There is no architecture, dataset, task or format named 'minst'. Did you mean 'mnist'?"
    )


def test_an_exception_in_the_network_of_a_plugin_names_plugin_and_line(zoo_command, add_plugin, runs_dir):
    source = """
def build(input_shape, num_outputs):
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(784, num_outputs)

        def forward(self, inputs):
            if self.training:
                raise KeyError("gate")
            return self.fc(inputs.flatten(1))

    return Net()

@zoo.hookimpl
def register_architectures(register):
    register(zoo.Architecture(name="gated", summary="a network that fails", task="classification", builder=build,
                              dataset="digits", hyperparameters={"epochs": 1}, parameters=7_850))
"""
    registry = create_registry([*find_entry_points(), add_plugin("gated", source)])
    result = zoo_command("train", "gated", "--runs-dir", runs_dir, registry=registry)
    assert result.code == 1
    assert re.fullmatch(
        r"The code of plugin gated \(third-party 1\.0\) failed at \S+\.py:13: KeyError: 'gate'\. "
        r"--debug shows the traceback\.",
        result.error.strip(),
    )
