"""Records of a run that contradict themselves are refused in one line."""

import json
from pathlib import Path

import msgspec
import pytest

from zoo import ZooError
from zoo.runs.record import EpochRecord, RunRecord

EARLIER = Path(__file__).parents[1] / "fixtures/0.1-rooms/run"

RIGHT = {
    "epoch": 2,
    "train": {"loss": 1.0, "accuracy": 0.5},
    "validation": {"loss": 1.0, "accuracy": 0.5},
    "lr": 0.1,
    "train_seconds": 1.0,
    "validation_seconds": 1.0,
}
BEFORE = RIGHT | {"epoch": 1}


@pytest.mark.parametrize(
    ("change", "before", "problem"),
    [
        ({"epoch": 1}, BEFORE, "epoch 1 follows epoch 1"),
        ({"train": {"accuracy": 0.5}}, None, "the loss or the main metric is missing"),
        ({"validation": {"accuracy": 0.5}}, None, "the loss or the main metric is missing"),
        ({"validation": {"loss": 1.0, "mae": 0.5}}, None, "the loss or the main metric is missing"),
        ({"train": {"loss": 1.0}, "validation": {"loss": 1.0}}, None, "the loss or the main metric is missing"),
        ({}, BEFORE | {"validation": {"loss": 1.0, "mae": 0.5}}, "the loss or the main metric is missing"),
    ],
)
def test_an_epoch_that_contradicts_itself_is_damaged(change, before, problem):
    EpochRecord(**RIGHT).check("metrics.jsonl, line 2,", BEFORE)
    with pytest.raises(ZooError) as caught:
        EpochRecord(**(RIGHT | change)).check("metrics.jsonl, line 2,", before)
    assert str(caught.value) == f"metrics.jsonl, line 2, is damaged: {problem}."


@pytest.mark.parametrize("missing", ["best", "results"])
def test_a_finished_run_without_results_is_damaged(missing):
    content = json.loads((EARLIER / "run.json").read_text())
    assert content["status"] == "finished"
    msgspec.convert(content, RunRecord).check("run.json")
    with pytest.raises(ZooError, match=r"^run\.json is damaged: the run is finished, but it has no results\.$"):
        msgspec.convert(content | {missing: None}, RunRecord).check("run.json")
    msgspec.convert(content | {missing: None, "status": "failed"}, RunRecord).check("run.json")
