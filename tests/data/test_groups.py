"""Samples that depend on each other are in groups: declared by a dataset, held out and resampled as a whole."""

import dataclasses

import numpy as np
import pytest
import torch
from zoo.plugins.datasets import bike_sharing as bikes
from zoo.plugins.datasets import tables

import zoo
from zoo.data.splits import check_splits, fingerprint, hold_out_validation, validation_groups


def grouped(groups, targets=None):
    groups = torch.as_tensor(groups)
    targets = torch.zeros(len(groups), dtype=torch.int64) if targets is None else targets
    return zoo.Split(torch.arange(len(groups), dtype=torch.float32)[:, None], targets, groups=groups)


def test_groups_follow_their_samples():
    split = grouped([4, 4, 7, 9]).take(torch.tensor([3, 0])).to("cpu")
    assert split.groups.tolist() == [9, 4]
    assert [batch.groups.tolist() for batch in split.feed([slice(0, 1)], torch.device("cpu"))] == [[9]]


def test_groups_do_not_change_the_fingerprint():
    with_groups, without = (zoo.Split(torch.ones(3, 1), torch.zeros(3), groups=g) for g in (torch.arange(3), None))
    assert fingerprint(zoo.Splits(with_groups, with_groups)) == fingerprint(zoo.Splits(without, without))


def test_whole_groups_are_held_out_for_validation():
    groups = np.random.RandomState(0).permutation(np.repeat(np.arange(50), 20))
    splits = hold_out_validation(zoo.Splits(grouped(groups), grouped([1])))
    kept, held = (set(split.groups.tolist()) for split in (splits.train, splits.validation))
    assert not kept & held
    assert kept | held == set(range(50))
    assert len(splits.validation) == 100
    again = hold_out_validation(zoo.Splits(grouped(groups), grouped([1])))
    assert set(again.validation.groups.tolist()) == held


@pytest.mark.parametrize(("groups", "kept", "held"), [([3, 3, 3], 3, 3), ([1, 2], 1, 1), ([1] * 99 + [2], None, None)])
def test_at_least_one_group_stays_on_each_side(groups, kept, held):
    indices = validation_groups(torch.tensor(groups))
    assert min(map(len, indices)) > 0
    if kept is not None:
        assert tuple(map(len, indices)) == (kept, held)


@pytest.mark.parametrize(
    "groups", [torch.zeros(4), torch.zeros(3, dtype=torch.int64), torch.zeros(4, 1, dtype=torch.int64)]
)
def test_groups_of_the_wrong_type_or_shape_are_refused(groups, registry):
    spec = dataclasses.replace(registry.dataset("study-hours"), sizes={})
    split = zoo.Split(torch.ones(4, 1), torch.tensor([0, 1, 0, 1]))
    task, kind = registry.task(spec.task), registry.input_of(spec.input, spec.input_shape)
    with pytest.raises(zoo.DataError, match=r"the test split has groups of type .*, not int64 \[4\]"):
        check_splits(spec, task, kind, zoo.Splits(split, dataclasses.replace(split, groups=groups)))


def days_of(first, count, holidays=()):
    start = np.datetime64(first)
    return [
        {
            "dteday": str(start + day),
            "holiday": str(int(str(start + day) in holidays)),
            "hr": str(hour),
            "workingday": "1",
        }
        for day in range(count)
        for hour in range(3)
    ]


def test_hours_are_divided_into_days_and_weeks():
    rows = days_of("2011-01-01", 200)
    days = bikes.day_numbers(rows)
    inputs, rentals = np.arange(600, dtype=np.float32)[:, None], np.ones((600, 1), np.float32)
    splits = bikes.divide_by_time(inputs, rentals, days, int(days.max()) - 4)
    assert len(splits.test) == 21 * 3
    first_tested = int(splits.test.groups.min())
    assert max(int(splits.train.groups.max()), int(splits.validation.groups.max())) == first_tested - 1
    held = sorted({(int(day) - int(days.min())) // 7 for day in splits.validation.groups})
    assert held == [9, 19]
    assert len(splits.validation) == 2 * 7 * 3
    assert not set(splits.validation.groups.tolist()) & set(splits.train.groups.tolist())


def test_an_hour_of_a_working_day_is_another_category():
    rows = [{"hr": "8", "workingday": day} for day in "01"]
    assert bikes.hour_of_day_off_or_on(rows).tolist() == [8, 32]


def test_days_near_a_holiday_follow_a_rule():
    rows = days_of("2011-12-10", 22, holidays=("2011-12-26",))
    near = bikes.near_holiday(rows, bikes.day_numbers(rows))[::3]
    found = [row["dteday"] for row, flag in zip(rows[::3], near, strict=True) if flag]
    # three days around the fixed date, the day off that the table marks, and the new year after its end
    assert found == [f"2011-12-{day}" for day in range(22, 32)]


@pytest.mark.mnist
def test_the_rentals_are_grouped_by_day_and_validated_on_weeks(mnist_dir, registry, no_network):
    if not (mnist_dir / tables.BIKE_FILE).is_file():
        pytest.skip(f"needs {tables.BIKE_FILE} in $ZOO_DATA")
    splits = tables.load_bike_sharing(mnist_dir, download=False)
    assert len(splits.test.groups.unique()) == 21
    assert len(splits.validation.groups.unique()) == 70
    assert int(splits.train.groups.max()) < int(splits.test.groups.min())
