"""Kinds of input: their declarations, those of plugins, and datasets and networks that name them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import zoo
from zoo import Input, PluginError
from zoo.inputs.methods import input_of_dataset, load_input
from zoo.inputs.probing import extreme_inputs, probe_inputs
from zoo.registry.entry_points import find_entry_points

PLUGIN = """
import torch
from torch import nn

from zoo import Architecture, Dataset, Input, InputMethods, InputReader, InputSample, Option, Split, Splits, hookimpl

@hookimpl
def register_inputs(register):
    register(Input(name="dice", summary="throws of dice", type="int64", dimensions=1, holds="eyes, 1 to 6",
                   methods=Dice, reader={reader}, options=(Option(name="sides", default=6, minimum=2),),
                   shapes=((2,), (5,))))

@hookimpl
def register_datasets(register):
    register(Dataset(name="throws", summary="s", task="classification", loader=load, input_shape=(3,), input="dice",
                     input_options={{"sides": 6}}, num_outputs=2, labels=("low", "high")))

@hookimpl
def register_architectures(register):
    register(Architecture(name="dice-net", summary="s", task="classification", builder=build, dataset="throws",
                          parameters=8, hyperparameters={{"epochs": 1, "batch_size": 20}}))

class Half(nn.Module):
    def forward(self, eyes):
        return eyes.clamp(1, 6).float() / 6
    def describe(self):
        return {{"sides": 6}}

class Dice(InputMethods):
    def problem(self, inputs):
        return "" if inputs.min() >= 1 and inputs.max() <= self.options["sides"] else "has no dice"
    def examples(self, count, generator):
        return torch.randint(1, 7, (count, *self.shape), generator=generator)
    def fit(self, inputs):
        return Half()
    def blank(self):
        return Half()
    def builder_arguments(self):
        return {{"sides": self.options["sides"]}}
    def extremes(self, real, samples, random):
        yield "ones", torch.ones_like(real)
        yield "huge", torch.full_like(real, 2**50)
        yield "negative", torch.full_like(real, -5)

class Reader(InputReader):
    def read(self, name, source, encoding):
        for number, line in enumerate(source.read_text().split("\\n") if line_of(source) else []):
            yield InputSample(f"{{name}}:{{number}}", __import__("numpy").array([int(c) for c in line]))

def line_of(source):
    return True

def load(folder, download):
    random = torch.Generator().manual_seed(0)
    def split(count):
        eyes = torch.randint(1, 7, (count, 3), generator=random)
        return Split(eyes, (eyes.sum(1) > 10).long())
    return Splits(split(100), split(40))

def build(input_shape, num_outputs, sides):
    return nn.Linear(input_shape[0], num_outputs)
"""


def declare(**fields):
    known = {"name": "dice", "summary": "throws", "type": "int64", "dimensions": 1, "holds": "eyes"}
    return Input(**known | fields)


@pytest.fixture
def dice(add_plugin):
    return zoo.create_registry([*find_entry_points(), add_plugin("dice", PLUGIN.format(reader="Reader"))])


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"type": "float64"}, "type must be one of uint8, int64, float32, not 'float64'"),
        ({"dimensions": 0}, "dimensions must be from 1 to 7"),
        ({"holds": ""}, "holds must be one line"),
        ({"holds": "a\nb"}, "holds must be one line"),
        ({"demo": "video"}, "demo must be one of image, table, text, curve, or empty, not 'video'"),
        ({"shapes": ((1, 2),)}, "shapes must be tuples of 1 whole numbers"),
        ({"shapes": ((0,),)}, "shapes must be tuples of 1 whole numbers"),
        ({"methods": "nowhere"}, "not of the form 'package.module:name'"),
        ({"reader": "nowhere"}, "not of the form 'package.module:name'"),
    ],
)
def test_a_wrong_declaration_is_refused(fields, problem):
    with pytest.raises(PluginError, match=problem):
        declare(**fields)


def test_the_library_has_four_kinds_and_a_shape_chooses_one(registry):
    assert list(registry.inputs) == ["image", "table", "signal", "tokens"]
    chosen = [registry.input_of("", shape).name for shape in ((4,), (1, 100), (3, 8, 8))]
    assert chosen == ["table", "signal", "image"]
    with pytest.raises(zoo.UsageError, match="No kind of input has samples of 4 dimensions"):
        registry.input_of("", (1, 2, 3, 4))
    with pytest.raises(zoo.UnknownName, match=r"no kind of input named 'token'\. Did you mean 'tokens'"):
        registry.input("token")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("input_shape=(3,), input='dise'", "no kind of input named 'dise'"),
        ("input_shape=(3, 4), input='tokens'", "samples of the kind tokens have 1 dimensions, not 2"),
        ("input_shape=(3,), input='tokens', input_options={'size': 3}", "no setting of tokens named 'size'"),
        ("input_shape=(3,), input='tokens', input_options={'vocabulary': 3}", "vocabulary must be a comma-separated"),
        ("input_shape=(1, 2, 3, 4)", "No kind of input has samples of 4 dimensions"),
        (
            "input_shape=(1,), input='tokens', columns=(zoo.Column(name='a'),)",
            "columns are for the kind table, not for tokens",
        ),
    ],
)
def test_a_dataset_that_does_not_fit_its_kind_is_refused(fields, problem, add_plugin):
    source = f"""
@zoo.hookimpl
def register_datasets(register):
    register(zoo.Dataset(name="texts", summary="s", task="classification", loader="m:load", num_outputs=2, {fields}))
"""
    registry = zoo.create_registry([*find_entry_points(), add_plugin("texts", source)])
    (plugin,) = [plugin for plugin in registry.plugins if plugin.name == "texts"]
    assert "texts" not in registry.datasets
    assert problem in plugin.errors[0]


def test_each_channel_of_a_signal_is_standardised(registry):
    random = torch.Generator().manual_seed(0)
    signals = torch.randn(3000, 2, 50, generator=random) * torch.tensor([[2.0], [5.0]]) + torch.tensor([[1.0], [-3.0]])
    module = load_input(registry.input("signal"), (2, 50), {}).fit(signals)
    assert module.mean.shape == module.std.shape == (2, 1)
    standardised = module(signals)
    assert standardised.mean((0, 2)).abs().max() < 1e-4
    assert (standardised.std((0, 2)) - 1).abs().max() < 1e-4


@pytest.mark.parametrize(("value", "problem"), [(float("nan"), "missing inputs"), (float("inf"), "infinite")])
def test_a_signal_with_a_wrong_value_is_refused(value, problem, registry):
    signals = torch.zeros(4, 1, 8)
    signals[1, 0, 3] = value
    assert problem in load_input(registry.input("signal"), (1, 8), {}).problem(signals)


def test_random_rows_are_float32_also_if_a_plugin_declares_whole_numbers(registry):
    column = zoo.Column(name="season", kind="category", values=(1, 2, 3, 4))
    rows = load_input(registry.input("table"), (1,), {}, (column,)).examples(80, torch.Generator().manual_seed(0))
    assert rows.dtype == torch.float32
    assert set(rows.unique().tolist()) == {1, 2, 3, 4}


@pytest.mark.parametrize("draw", [extreme_inputs, probe_inputs])
def test_hostile_images_have_every_level_equally_often(draw):
    real = torch.zeros(64, 1, 32, 32, dtype=torch.uint8)
    noise = dict(draw(real, real, torch.Generator().manual_seed(0), missing=False))["noise"]
    assert noise.shape == real.shape
    counts = noise.flatten().bincount(minlength=256)
    assert counts.min() > 170  # 256 on average, with a standard deviation of 16
    assert counts.max() < 350


def test_hostile_images_of_one_level_include_black_and_white():
    real = torch.zeros(8, 3, 4, 4, dtype=torch.uint8)
    images = dict(probe_inputs(real, real, torch.Generator().manual_seed(0), missing=False))["one level"]
    levels = images.flatten(1)
    assert torch.equal(levels.amin(1), levels.amax(1))
    assert {0, 255} <= set(levels[:, 0].tolist())
    assert len(levels[:, 0].unique()) > 3


@pytest.mark.parametrize("kind", ["image", "table", "signal", "tokens"])
def test_the_kinds_of_the_library_pass_their_checks(kind, registry):
    results = {found.check: found for found in zoo.check(kind, registry=registry) if found.kind == "input"}
    assert {found.status for found in results.values()} == {"passed"}, results
    assert results.keys() == {"examples", "normalises", "hostile", "exports", "reads"}


def test_a_kind_of_a_plugin_trains_exports_verifies_and_predicts(dice, tmp_path):
    folders = {"registry": dice, "runs_dir": tmp_path / "runs", "data_dir": tmp_path}
    run = zoo.train("dice-net", device="cpu", **folders)
    assert (run.config["data"]["input"], run.config["data"]["input_options"]) == ("dice", {"sides": 6})
    file = Path(zoo.export(str(run.folder), "onnx", tmp_path / "dice.onnx", **folders).file)
    verified = zoo.verify(file, seed=1, **folders)
    assert verified.passed
    assert verified.complete
    description = zoo.open_model(file).description
    assert (description.input_kind, description.input_type, description.input_options) == (
        "dice",
        "int64",
        {"sides": 6},
    )
    assert description.input_text == "3, int64: eyes, 1 to 6"
    Path("throws.txt").write_text("123\n66\nxyz")
    good, short, word = zoo.predict(file, "throws.txt", registry=dice)
    assert sum(good.probabilities.values()) == pytest.approx(1)
    assert short.error == "the reader of dice gave int64 [2], not int64 [3]"
    assert "ValueError: invalid literal" in word.error
    with pytest.raises(zoo.UsageError, match="zoo demo cannot show inputs of the kind dice; `zoo predict` can read"):
        zoo.demo_page(file, registry=dice)


def test_without_its_plugin_a_file_says_which_kind_is_missing(dice, tmp_path, zoo_command):
    folders = {"registry": dice, "runs_dir": tmp_path / "runs", "data_dir": tmp_path}
    run = zoo.train("dice-net", device="cpu", **folders)
    file = zoo.export(str(run.folder), "onnx", tmp_path / "dice.onnx", **folders).file
    Path("throws.txt").write_text("123")
    for arguments in (("predict", file, "throws.txt"), ("demo", file)):
        shown = zoo_command(*arguments)
        assert shown.code == 1
        assert "dice-net needs the kind of input 'dice', which no plugin registers here" in shown.error


def test_a_kind_without_a_reader_says_so(add_plugin, tmp_path):
    registry = zoo.create_registry([*find_entry_points(), add_plugin("dice", PLUGIN.format(reader="None"))])
    run = zoo.train("dice-net", device="cpu", registry=registry, runs_dir=tmp_path, data_dir=tmp_path)
    with pytest.raises(zoo.UsageError, match="zoo predict cannot read files as dice: this kind of input has no reader"):
        zoo.predict(str(run.folder), "throws.txt", registry=registry)


def test_a_network_for_another_kind_is_refused_in_one_line(dice, tmp_path, registry):
    folders = {"runs_dir": tmp_path, "data_dir": tmp_path, "registry": dice}
    with pytest.raises(zoo.BuildError, match=r"cannot be built for this kind of input.*unexpected.*'sides'"):
        zoo.train("softmax-regression", dataset="throws", **folders)
    with pytest.raises(zoo.BuildError, match=r"cannot be built for this kind of input.*missing.*'sides'"):
        zoo.train("dice-net", dataset="digits", **folders)


def test_methods_that_are_no_methods_are_refused(dice):
    kind = dice.input("dice")
    object.__setattr__(kind, "methods", dict)
    with pytest.raises(PluginError, match="Input 'dice': methods"):
        input_of_dataset(dice.dataset("throws"), dice)


def test_images_and_tables_record_no_kind_as_before(tmp_path, registry):
    run = zoo.train("diabetes-mlp", epochs=1, runs_dir=tmp_path, data_dir=tmp_path, registry=registry, device="cpu")
    assert "input" not in run.config["data"]
    described = zoo.load(str(run.folder)).describe()
    assert described["input"].keys() == {"type", "shape", "holds"}
    json.dumps(described)
    assert zoo.load(str(run.folder)).inputs.spec.name == "table"


def test_a_random_batch_is_of_the_kind(dice, tmp_path):
    from zoo.evaluation.measurement import random_batch

    run = zoo.train("dice-net", device="cpu", registry=dice, runs_dir=tmp_path, data_dir=tmp_path)
    batch = random_batch(zoo.open_model(str(run.folder), registry=dice).description, 5)
    assert batch.dtype == np.int64
    assert batch.shape == (5, 3)


@pytest.mark.parametrize(
    ("method", "value", "text"),
    [
        ("fit", RuntimeError("no\nscale"), r"Dice\.fit failed at .*: RuntimeError: no scale\.$"),
        ("fit", 3, r"Dice\.fit returned 3; return a torch.nn.Module"),
        ("problem", RuntimeError("x"), r"Dice\.problem failed at .*: RuntimeError: x\.$"),
        ("problem", None, r"Dice\.problem returned None; return a text"),
    ],
)
def test_a_fault_of_a_kind_is_one_line_that_names_it(method, value, text, dice, tmp_path, monkeypatch):
    namespace = {"value": value, "__name__": dice.input("dice").methods.__module__}
    source = "def faulty(*arguments):\n    if isinstance(value, Exception):\n        raise value\n    return value\n"
    exec(source, namespace)  # a line of the plugin's module, so that the error has a place
    monkeypatch.setattr(dice.input("dice").methods, method, namespace["faulty"])
    with pytest.raises(PluginError, match=rf"^Input 'dice': \w+:{text}"):
        zoo.train("dice-net", registry=dice, runs_dir=tmp_path, data_dir=tmp_path, device="cpu")


@pytest.mark.parametrize("kind", [torch.float32, torch.int64])
def test_probes_within_the_range_are_between_the_lowest_and_the_highest_value(kind):
    samples = torch.tensor([[10, -4], [20, 4]], dtype=kind)
    probes = probe_inputs(samples.repeat(100, 1), samples, torch.Generator().manual_seed(0), missing=False)
    within = dict(probes)["values in the range"]
    assert within.dtype == kind
    assert ((within >= samples[0]) & (within <= samples[1])).all()
    assert (within.amax(0) - within.amin(0) > 0.7 * (samples[1] - samples[0])).all()
