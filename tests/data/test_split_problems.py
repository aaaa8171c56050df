"""What a split of a dataset may not hold, and files that hold too little."""

from types import SimpleNamespace

import pytest
import torch

import zoo
from zoo import DataError
from zoo.data.splits import _problem, _problem_of_targets

SPEC = SimpleNamespace(input_shape=(4,), input_options={}, columns=(), num_outputs=3)


def split(inputs, targets=None, groups=None):
    return zoo.Split(inputs, torch.zeros(len(inputs), dtype=torch.int64) if targets is None else targets, groups=groups)


def test_wrong_inputs_are_named(registry):
    kind = registry.input("signal")
    spec = SimpleNamespace(input_shape=(1, 4), input_options={}, columns=(), num_outputs=3)
    right = torch.zeros(5, 1, 4)
    wrong = {
        "has 5 inputs for 2 targets": split(right, torch.zeros(2, dtype=torch.int64)),
        "is empty": split(right[:0]),
        "has groups of type torch.float32 and shape (5,), not int64 [5]": split(right, groups=torch.zeros(5)),
        "has samples of shape (4, 1), not (1, 4)": split(right.transpose(1, 2)),
        "has inputs of type torch.float64, not torch.float32": split(right.double()),
        "has inputs that are infinite": split(right + float("inf")),
        "": split(right, groups=torch.zeros(5, dtype=torch.int64)),
    }
    assert [_problem(spec, kind, given) for given in wrong.values()] == list(wrong)


@pytest.mark.parametrize(
    ("task", "targets", "problem"),
    [
        ("classification", torch.tensor([0, 3]), "has targets outside 0 … 2"),
        ("classification", torch.tensor([-1, 0]), "has targets outside 0 … 2"),
        ("classification", torch.zeros(2), "has targets of type torch.float32 and shape (2,), not int64 [N]"),
        ("classification", torch.tensor([0, 2]), ""),
        ("regression", torch.zeros(2), "has targets of type torch.float32 and shape (2,), not float32 [N, 3]"),
        ("regression", torch.full((2, 3), float("nan")), "has targets that are not finite"),
        ("regression", torch.zeros(2, 3), ""),
    ],
)
def test_wrong_targets_are_named(task, targets, problem, registry):
    assert _problem_of_targets(SPEC, registry.task(task), targets) == problem


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a,y\n", "has no rows under its header; at least two are needed"),
        ("a,y\n1,2\n", "has one row under its header; at least two are needed"),
        ("a,y\n1,2\n2,\n3,\n", "has no rows with a y"),
    ],
)
def test_a_table_of_too_few_rows_is_refused(content, problem, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        zoo.load_dataset(path, target="y")
    assert problem in str(caught.value)
