"""A third-party plugin can do everything that a built-in one can, with the command line alone."""

import json
import sys
from pathlib import Path

import pytest

import zoo
from zoo.registry.entry_points import find_entry_points

SOURCE = '''
from pathlib import Path

import tiny_plugin
import zoo

@zoo.hookimpl
def register_architectures(register):
    register(zoo.Architecture(
        name="their-net", summary="one convolution", task="classification", builder="tiny_plugin:build",
        dataset="their-bars", parameters=8 * 10 + 16 + 8 * 16 * 2 + 2,
        hyperparameters={"epochs": 2, "batch_size": 16, "lr": 0.1},
        options=(
            zoo.Option(name="dropout", default=0.2, help="part of the features dropped", minimum=0, below=1),
            zoo.Option(name="bias", default=True, help="whether the last layer has a bias"),
        ),
        weights=Path(__file__).with_name("weights.safetensors"), results=Path(__file__).with_name("results.json"),
        origins={"elsewhere": "tiny_plugin:load_elsewhere"}, tags=("tiny",), source="a letter"))

@zoo.hookimpl
def register_datasets(register):
    register(zoo.Dataset(
        name="their-bars", summary="bars", task="classification", loader=lambda folder, download, seed:
        tiny_plugin.load(folder, download), input_shape=(1, 4, 4), num_outputs=2, labels=("across", "along"),
        options=(zoo.Option(name="seed", default=0, help="of nothing"),), licence="MIT", source="made up"))

@zoo.hookimpl
def register_exporters(register):
    register(zoo.Exporter(name="words", summary="the description in words", suffix=".txt", write=write, check=check,
                          options=(zoo.Option(name="loud", default=False, help="in capitals"),)))

def write(source, path, loud):
    text = str(source.description["architecture"])
    path.write_text(text.upper() if loud else text)

def check(source, path, loud):
    yield zoo.Check("words", path.read_text().lower() == source.name, "the name is in it")

@zoo.hookimpl
def register_commands(cli):
    import click

    @cli.command("their-command")
    def command():
        """Greet."""
        click.echo("at your service")
'''


@pytest.fixture
def theirs(tmp_path, monkeypatch, tiny, zoo_command):
    """A function that runs a command with the third-party package and returns its output; the package's folder."""
    folder = tmp_path / "site" / "their_nets"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(folder.parent))
    tiny.load_elsewhere = lambda: tiny.build((1, 4, 4), 2, 0.2, True).state_dict()

    def run(*arguments, code=0):
        sys.modules.pop("their_nets", None)
        point = zoo.EntryPoint("their-nets", "1.0", "their-nets", "their_nets")
        registry = zoo.create_registry([*find_entry_points(), point])
        result = zoo_command(*arguments, registry=registry)
        assert result.code == code, result.err
        return result.out if code == 0 else result.error

    yield run, folder
    sys.modules.pop("their_nets", None)


def test_a_third_party_plugin_can_do_everything_that_a_builtin_one_can(theirs):
    run, _ = theirs
    assert "at your service" in run("their-command")
    # options with types, ranges and help
    shown = run("info", "their-net")
    assert "part of the" in shown  # a narrow table wraps the text
    assert "at least 0" in shown
    assert "dropout must be" in run("train", "their-net", "--set", "dropout=2", code=2)
    assert "Did you mean 'dropout'?" in run("train", "their-net", "--set", "droput=0.1", code=2)
    # a dataset with options, which others can be trained on
    made = json.loads(run("train", "their-net", "--set", "dropout=0.1", "--data-option", "seed=3", "--json"))
    assert made["options"] == {"dropout": 0.1, "bias": True}
    assert made["data"]["options"] == {"seed": 3}
    assert made["plugin"] == {"name": "their-nets", "distribution": "their-nets", "version": "1.0"}
    run("train", "softmax-regression", "--dataset", "their-bars", "--epochs", 1)
    # weights of its own to start from, from elsewhere and from its runs
    run("train", "their-net", "--init-from", "elsewhere", "--dry-run")
    run("train", "their-net", "--init-from", made["run"], "--dry-run")
    # both exporters, its own with its own options
    assert "passed" in run("export", made["run"], "--onnx")
    run("export", made["run"], "--words", "--loud", "true", "-o", "loud.txt")
    assert Path("loud.txt").read_text() == "THEIR-NET"


@pytest.mark.slow
def test_a_third_party_plugin_ships_recorded_results_and_weights(theirs):
    run, folder = theirs
    assert json.loads(run("list", "their-net", "--json"))[0]["results"] is None
    run("reproduce", "their-net", "--record", folder, "--runs-dir", "recording")
    assert {"results.json", "weights.safetensors"} <= {path.name for path in folder.iterdir()}
    (facts,) = json.loads(run("list", "their-net", "--json"))
    assert len(facts["results"]["trials"]) == 5
    assert facts["weights"] > 0
    assert "±" in run("list", "--plugin", "their-nets")
    assert "mean and standard deviation of 5 trainings" in run("info", "their-net")
    assert "passed" in run("export", "their-net", "--onnx")  # nothing was trained in ./runs
    assert "reproduced" in run("reproduce", "their-net", "--trials", 1)
    assert "passed   weights" in run("check", "their-net")
