import json

import click.testing
import pytest
from zoo_noise import accuracies, register_commands

import zoo


@pytest.mark.zoo("zoo-noise")
def test_the_plugin_contract(zoo_check):
    zoo_check()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with one run."""
    folder = tmp_path_factory.mktemp("runs")
    zoo.train("cnn-mini", dataset="digits", epochs=4, runs_dir=folder, data_dir=folder)
    return folder


def test_the_accuracy_falls_from_the_recorded_one_as_noise_grows(runs):
    registry = zoo.create_registry()
    none, some, much = accuracies("cnn-mini", (0, 30, 255), 0, registry, runs, runs)
    (run,) = zoo.list_runs(runs)
    assert none["accuracy"] == pytest.approx(run.config["results"]["test"]["accuracy"], abs=0.003)
    assert none["accuracy"] > much["accuracy"] + 0.2
    assert some["accuracy"] >= much["accuracy"]
    assert accuracies("cnn-mini", (30,), 0, registry, runs, runs) == [some]


def test_the_command_prints_one_row_per_level(runs):
    group = click.Group("zoo")
    register_commands(group)
    assert list(group.commands) == ["noise"]
    folders = ["--runs-dir", str(runs), "--data-dir", str(runs)]
    result = click.testing.CliRunner().invoke(group, ["noise", "cnn-mini", *folders, "--level", "0", "--level", "50"])
    assert result.exit_code == 0, result.output
    assert [line.split()[0] for line in result.output.splitlines()] == ["NOISE", "0", "50"]
    result = click.testing.CliRunner().invoke(group, ["noise", "cnn-mini", *folders, "--json"])
    assert [row["level"] for row in json.loads(result.output)] == [0, 16, 32, 64, 96]


def test_a_table_network_is_refused():
    with pytest.raises(zoo.UsageError, match="not an image classifier"):
        accuracies("diabetes-mlp", (1,), 0, zoo.create_registry())
