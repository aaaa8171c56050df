"""Recorded results and declared columns that do not fit."""

import dataclasses
import json

import pytest

import zoo
from zoo import PluginError
from zoo.specs.results import recorded_results


def recorded(registry, tmp_path, **changes):
    """The results of lenet with other entries."""
    lenet = registry.architecture("lenet")
    path = tmp_path / "results.json"
    path.write_text(json.dumps(json.loads(lenet.results.read_text()) | changes))
    return recorded_results(dataclasses.replace(lenet, results=path))


def test_results_need_a_metric_beside_the_loss(registry, tmp_path):
    found = recorded(registry, tmp_path)
    assert found["metrics"].keys() > {"loss"}
    with pytest.raises(PluginError, match=r"results of lenet: .* is damaged: there is no metric beside the loss\."):
        recorded(registry, tmp_path, metrics={"loss": found["metrics"]["loss"]})
    with pytest.raises(PluginError, match=r"results of lenet: .* was written by another version of the zoo\."):
        recorded(registry, tmp_path, format=99)


def test_a_table_has_as_many_columns_as_its_samples():
    fields = {"name": "dots", "summary": "s", "task": "regression", "loader": "m:load", "num_outputs": 1}
    columns = (zoo.Column(name="a"), zoo.Column(name="b"))
    assert not list(zoo.Dataset(**fields, input_shape=(2,), columns=columns).problems())
    with pytest.raises(PluginError, match=r"2 columns for samples of shape \(3,\)\."):
        zoo.Dataset(**fields, input_shape=(3,), columns=columns)
