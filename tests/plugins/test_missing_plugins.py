"""Exported files and runs whose plugin is not installed: the error names what is missing and what to do."""

import shutil
import sys
from pathlib import Path

import pytest

import zoo
from zoo.registry.entry_points import find_entry_points

PLUGIN = """
import torch
from torch import nn

import zoo

LEFT_OUT = ""

@zoo.hookimpl
def register_inputs(register):
    if LEFT_OUT != "kind of input":
        register(zoo.Input(name="dice", summary="throws of dice", type="int64", dimensions=1, holds="eyes, 1 to 6",
                           methods=Dice, reader=Reader, shapes=((2,), (5,))))

@zoo.hookimpl
def register_tasks(register):
    if LEFT_OUT != "task":
        register(zoo.Task(name="luck", summary="lucky or not", methods=Luck, predicts="discrete", num_outputs=2,
                          metrics=(zoo.Metric(name="hits", percent=True),), outputs=("logits", "lucky"),
                          labels=("no", "yes")))

@zoo.hookimpl
def register_datasets(register):
    if LEFT_OUT != "dataset":
        register(zoo.Dataset(name="throws", summary="s", task="luck", loader=load, input_shape=(3,), input="dice",
                             num_outputs=2, labels=("no", "yes")))

@zoo.hookimpl
def register_architectures(register):
    register(zoo.Architecture(name="dice-net", summary="s", task="luck", builder=build, dataset="throws", parameters=8,
                              hyperparameters={"epochs": 1, "batch_size": 20, "optimizer": "plain"}))

@zoo.hookimpl
def register_optimizers(register):
    if LEFT_OUT != "optimizer":
        register(zoo.Optimizer(name="plain", summary="s", build=make))

@zoo.hookimpl
def register_exporters(register):
    if LEFT_OUT != "exporter":
        register(zoo.Exporter(name="note", summary="s", suffix=".note", write=write, check=check))

def make(parameters, lr, momentum, weight_decay):
    return torch.optim.SGD(parameters, lr=lr)

def load(folder, download):
    random = torch.Generator().manual_seed(0)
    def split(count):
        eyes = torch.randint(1, 7, (count, 3), generator=random)
        return zoo.Split(eyes, (eyes.sum(1) > 10).long())
    return zoo.Splits(split(100), split(40))

def build(input_shape, num_outputs):
    return nn.Linear(input_shape[0], num_outputs)

def write(source, path):
    path.write_text("a note")

def check(source, path):
    yield zoo.Check("written", path.read_text() == "a note", "it is written")

class Luck(zoo.TaskMethods):
    def loss(self, outputs, targets, hyperparameters):
        return nn.functional.cross_entropy(outputs, targets)
    def measure(self, outputs, targets):
        loss = nn.functional.cross_entropy(outputs, targets, reduction="none")
        return {"loss": loss, "hits": (outputs.argmax(1) == targets).float()}
    def decisions(self, outputs):
        return outputs.argmax(1)
    def margins(self, outputs):
        return (outputs[:, 0] - outputs[:, 1]).abs()
    def answers(self):
        return Answers()
    def describe(self, answer, labels):
        return {"luck": float(answer)}

class Answers(nn.Module):
    def forward(self, outputs):
        return outputs, outputs.softmax(1)[:, 1]

class Sixth(nn.Module):
    def forward(self, eyes):
        return eyes.clamp(1, 6).float() / 6
    def describe(self):
        return {}

class Dice(zoo.InputMethods):
    def examples(self, count, generator):
        return torch.randint(1, 7, (count, *self.shape), generator=generator)
    def fit(self, inputs):
        return Sixth()
    def blank(self):
        return Sixth()
    def extremes(self, real, samples, random):
        yield "ones", torch.ones_like(real)

class Reader(zoo.InputReader):
    def read(self, name, source, encoding):
        yield zoo.InputSample(name, torch.tensor([int(eyes) for eyes in source.read_text()]).numpy())
"""


def registry_without(left_out):
    """All plugins, and the one above without one of its parts."""
    sys.modules["dice_pack"].LEFT_OUT = left_out
    return zoo.create_registry([*find_entry_points(), zoo.EntryPoint("dice-pack", "1.0", "dice", "dice_pack")])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a run of the plugin's network, that run as net.onnx and net.note, and a file to predict."""
    folder = tmp_path_factory.mktemp("dice")
    (folder / "code").mkdir()
    (folder / "code" / "dice_pack.py").write_text(PLUGIN)
    sys.path.insert(0, str(folder / "code"))
    import dice_pack  # noqa: F401

    registry = registry_without("")
    given = {"registry": registry, "data_dir": folder}
    run = zoo.train("dice-net", runs_dir=folder / "runs", device="cpu", **given)
    zoo.export(str(run.folder), "onnx", folder / "net.onnx", **given)
    zoo.export(str(run.folder), "note", folder / "net.note", **given)
    (folder / "throws.txt").write_text("123")
    yield folder
    sys.path.remove(str(folder / "code"))
    del sys.modules["dice_pack"]


HOW = "which no plugin registers here. Install the plugin that has it (the network came from the plugin dice of "
HOW += "dice-pack 1.0) or load it with `zoo --plugins-dir FOLDER`."
TASK, KIND = f"dice-net needs the task 'luck', {HOW}", f"dice-net needs the kind of input 'dice', {HOW}"
DATASET = f"dice-net needs the dataset 'throws', {HOW}"
FORMAT = "Install the plugin that has the format or load it with `zoo --plugins-dir FOLDER`."
REFUSED = "was trained with the plugin dice of dice-pack 1.0, which failed: Architecture 'dice-net': task 'luck' is not"


@pytest.mark.parametrize(
    ("left_out", "command", "message"),
    [
        ("task", "predict net.onnx throws.txt", TASK),
        ("task", "eval net.onnx", TASK),
        ("task", "predict RUN throws.txt", REFUSED),
        ("kind of input", "predict net.onnx throws.txt", KIND),
        ("kind of input", "eval net.onnx", KIND),
        ("kind of input", "predict RUN throws.txt", KIND),
        ("kind of input", "train --resume RUN --epochs 2", KIND),
        ("dataset", "eval net.onnx", DATASET),
        ("dataset", "eval RUN", DATASET),
        ("dataset", "export RUN --onnx", DATASET),
        ("dataset", "train --resume RUN --epochs 2", DATASET),
        ("exporter", "verify net.note", FORMAT),
        ("optimizer", "train --resume RUN --epochs 2", "`pip install dice-pack==1.0` installs that version."),
    ],
)
def test_the_error_names_what_is_missing_and_the_remedy(left_out, command, message, made, zoo_command):
    shutil.copytree(made, ".", dirs_exist_ok=True)
    (run,) = Path("runs", "dice-net").iterdir()
    shown = zoo_command(*command.replace("RUN", str(run)).split(), registry=registry_without(left_out))
    assert shown.code in (1, 2)
    assert message in shown.error


@pytest.mark.parametrize("command", ["predict net.onnx throws.txt", "eval net.onnx", "train --resume RUN --epochs 2"])
def test_with_the_whole_plugin_there_is_no_error(command, made, zoo_command):
    shutil.copytree(made, ".", dirs_exist_ok=True)
    (run,) = Path("runs", "dice-net").iterdir()
    shown = zoo_command(*command.replace("RUN", str(run)).split(), registry=registry_without(""))
    assert shown.code == 0, shown.err


def test_a_built_in_network_names_no_plugin(digits_file, registry):
    del registry._specs[zoo.Dataset]["digits"]
    with pytest.raises(
        zoo.DataUnavailable, match=r"Install the plugin that has it, load it with .*, or give --dataset PATH\."
    ):
        zoo.assess(digits_file, registry=registry)
