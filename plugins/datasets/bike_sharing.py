"""The hourly table of bike-sharing: columns that follow from its own, and splits by time."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from zoo import Split, Splits

Floats = NDArray[np.float32]
Days = NDArray[np.int64]

TEST_DAYS = 21
WEEK = 7
NEAR = 3
"""Days before and after a public holiday; the best of 1, 3 and 7 in ``benchmarks/bike_windows.py``."""
VALIDATION_WEEK = 10
"""Each tenth week of the days before the test split is for validation."""
FIXED_HOLIDAYS = ((1, 1), (7, 4), (11, 11), (12, 25))
"""Month and day of the public holidays with a fixed date. The table marks the day off, which is another on weekends."""


def day_numbers(rows: Sequence[Mapping[str, str]]) -> Days:
    """The day of each row as a number, int64 ``[N]``; days in a row have consecutive numbers."""
    return np.array([datetime.date.fromisoformat(row["dteday"]).toordinal() for row in rows])


def numbers(rows: Sequence[Mapping[str, str]], name: str) -> Floats:
    """A column of the table as numbers, ``[N]``."""
    return np.array([row[name] for row in rows], dtype=np.float32)


def hour_of_day_off_or_on(rows: Sequence[Mapping[str, str]]) -> Floats:
    """The hour, ``[N]``: 0 to 23 on weekends and public holidays, 24 to 47 on working days."""
    return numbers(rows, "hr") + 24 * numbers(rows, "workingday")


def days_to_holiday(rows: Sequence[Mapping[str, str]], days: Days) -> Days:
    """Days from each row to the nearest public holiday, before or after it, int64 ``[N]``; 0 on a holiday.

    Holidays are the days that the table marks, and the fixed dates of the calendar, so that the first of January counts
    after the end of the table too.
    """
    dates = (datetime.date.fromordinal(day) for day in range(days.min() - WEEK, days.max() + WEEK + 1))
    fixed = [date.toordinal() for date in dates if (date.month, date.day) in FIXED_HOLIDAYS]
    holidays = np.unique(np.concatenate([days[numbers(rows, "holiday") == 1], np.array(fixed, dtype=np.int64)]))
    nearest: Days = np.abs(days[:, None] - holidays).min(axis=1)
    return nearest


def near_holiday(rows: Sequence[Mapping[str, str]], days: Days) -> Floats:
    """1 for a day at most three days from a public holiday, else 0, ``[N]``."""
    return (days_to_holiday(rows, days) <= NEAR).astype(np.float32)


def divide_by_time(inputs: Floats, rentals: Floats, days: Days, end: int) -> Splits:
    """The 21 days before ``end`` are the test split; of the days before, every tenth week is for validation.

    Hours of a day are alike. So the validation split has whole weeks, and a sample's group is its day.

    Args:
        inputs: ``[N, F]``.
        rentals: ``[N, 1]``.
        days: the day of each row, ``[N]``.
        end: the first day after the test split. Later days are in no split.
    """
    before = days < end - TEST_DAYS
    held = before & ((days - days.min()) // WEEK % VALIDATION_WEEK == VALIDATION_WEEK - 1)
    tested = ~before & (days < end)
    whole = Split(torch.from_numpy(inputs), torch.from_numpy(rentals), groups=torch.from_numpy(days))
    train, test, validation = (whole.take(torch.from_numpy(part)) for part in (before & ~held, tested, held))
    return Splits(train, test, validation)
