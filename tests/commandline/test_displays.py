"""What `zoo train`, `zoo tune` and `zoo predict` draw while they work: on a terminal, and without one."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from zoo.commandline import terminal, tuning_display
from zoo.commandline.terminal import CountDisplay, TrainingDisplay, column_lines
from zoo.commandline.tuning_display import TuningDisplay, study_lines
from zoo.specs.columns import ColumnSummary
from zoo.tuning.result import Finalist, StudyResult, TrialResult


class Terminal(io.StringIO):
    """A terminal of 120 columns that keeps what is written to it."""

    def isatty(self):
        return True


@pytest.fixture
def screen(monkeypatch):
    """Standard error is a terminal, standard output is not."""
    stream = Terminal()
    for module in (terminal, tuning_display):
        monkeypatch.setattr(module, "message_stream", lambda: stream)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    return stream


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes forward by a twentieth of a second whenever it is read."""
    times = iter(k / 20 for k in range(1_000_000))
    monkeypatch.setattr(terminal, "time", SimpleNamespace(monotonic=lambda: next(times)))


def trial(number, outcome="finished", accuracy=0.5, **more):
    values = {"accuracy": accuracy, "params": 354.0} if outcome == "finished" else {}
    costs = {} if outcome == "waiting" else {"params": 354.0}
    seconds = None if outcome in ("running", "waiting") else 1.0
    return TrialResult(number, outcome, "tiny-cnn", {"lr": 0.123456}, values, costs, seconds, **more)


def study(*trials, wanted=None, **more):
    definition = SimpleNamespace(objectives=("accuracy", "params"))
    return StudyResult("tiny", Path("studies/tiny"), definition, trials, wanted, **more)


def test_a_count_is_a_live_line_that_is_removed_at_the_end(screen, clock):
    assert list(CountDisplay("rows").watch("abcdef")) == list("abcdef")
    written = screen.getvalue()
    assert "\r\x1b[K3 rows, 20 a second" in written
    assert written.endswith("\r\x1b[K")


def test_a_count_is_not_shown_among_the_results(screen, clock, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert list(CountDisplay("rows").watch("abcdef")) == list("abcdef")
    assert screen.getvalue() == sys.stdout.getvalue() == ""


def run_of(*epochs, best=None):
    config = {"architecture": "tiny-cnn", "best": best}
    entries = [{"train_seconds": 60.0, "validation_seconds": 1.0} for _ in epochs]
    return SimpleNamespace(config=config, folder=Path("runs/tiny"), metrics=lambda: entries)


def start_of(**changes):
    samples = {"train": 1_293, "validation": 144, "test": 1}
    usual = {"columns": (), "parameters": 354, "dataset": "bars", "samples": samples, "epochs": 2}
    more = {"steps_per_epoch": 1, "device": "cpu", "first_epoch": 1, "metric": "accuracy"}
    return SimpleNamespace(**(usual | more | changes))


def test_a_training_on_a_terminal_has_a_live_line_that_ends_with_it(screen):
    display = TrainingDisplay()
    progress = {"epoch": 2, "epochs": 2, "step": 1, "steps": 2, "loss": 0.25, "metric_name": "accuracy", "metric": 0.5}
    display.train_progressed(run_of(), SimpleNamespace(**progress))  # before the start there is nothing to update
    display.train_started(run_of(), start_of())
    display.train_progressed(run_of(), SimpleNamespace(**progress, samples_per_second=1_234.0, seconds_left=61.0))
    display._status._live.refresh()
    display.epoch_ended(
        run_of(best={"epoch": 1}),
        {"epoch": 1, "train": {"loss": 0.5, "accuracy": 0.5}, "validation": {"loss": 0.5, "accuracy": 0.75}},
    )
    display.train_ended(run_of())
    display.train_ended(run_of())
    written = screen.getvalue()
    assert "tiny-cnn (354 parameters) on bars: 1,293 training, 144 validation, 1 test sample" in written
    assert "2 epochs of 1 step on cpu" in written
    assert "epoch 2/2" in written
    assert "loss 0.2500  accuracy 50.00%  1,234 samples/s" in written.replace("\x1b[0m", "")
    assert "75.00%" in written
    assert written.rstrip().endswith("\x1b[2K")  # the live line is gone


AGE = ColumnSummary("age", "number", 3, 0, "1 to 3")


def test_a_resumed_training_says_where_it_continues_and_counts_the_time_before(capsys):
    display = TrainingDisplay()
    run = run_of(1, 2)
    display.train_started(run, start_of(first_epoch=3, epochs=3, metric="mae", columns=[AGE]))
    display.epoch_ended(run, {"epoch": 3, "train": {"loss": 0.5, "mae": 1.5}, "validation": {"loss": 0.5, "mae": 2.5}})
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["COLUMN", "age"]
    assert "resuming at epoch 3" in lines
    assert any("(train and validation: MAE)" in line for line in lines)
    assert "2.5" in lines[-1]
    assert "2:02" in lines[-1]
    assert "*" not in lines[-1]


def test_a_long_training_prints_a_part_of_its_epochs_and_keeps_the_star(capsys):
    display = TrainingDisplay()
    display.train_started(run_of(), start_of(epochs=101))
    capsys.readouterr()
    for epoch in range(1, 102):
        metrics = {"epoch": epoch, "train": {"loss": 1.0, "accuracy": 0.5}, "validation": {"accuracy": 0.5}}
        display.epoch_ended(run_of(best={"epoch": 4}), metrics)
    lines = capsys.readouterr().err.splitlines()
    assert [int(line.split()[0]) for line in lines] == [*range(5, 101, 5), 101]
    assert [int(line.split()[0]) for line in lines if line.endswith("*")] == [5]


def test_a_table_of_many_columns_is_cut():
    columns = [ColumnSummary(f"c{k}", "number", None, 0, "0 to 1") for k in range(42)]
    lines = column_lines(columns)
    assert lines[-2:] == ["… and 2 columns more", ""]
    assert "many" in lines[1]
    assert len(lines) == 1 + 40 + 2


def test_a_search_prints_each_trial_once(capsys):
    display = TuningDisplay()
    rejected = trial(1, "rejected", reason="354 params, allowed are 10")
    display(study(trial(0), rejected, trial(2, "running"), trial(3, "waiting")))
    display(study(trial(0), rejected, trial(2, accuracy=0.75), trial(3, "waiting")))
    display.close()
    first, second, third = capsys.readouterr().err.splitlines()
    assert first == "trial 0    tiny-cnn (354 parameters)  accuracy 50.00%, parameters 354  lr 0.123  *"
    assert second == "trial 1    tiny-cnn (354 parameters)  rejected: 354 params, allowed are 10  lr 0.123"
    assert third == "trial 2    tiny-cnn (354 parameters)  accuracy 75.00%, parameters 354  lr 0.123  *"


def test_a_search_on_a_terminal_is_a_table_of_the_best_trials(screen):
    display = TuningDisplay()
    display(study(trial(0), trial(1, "waiting")))
    first = screen.getvalue()
    display(study(trial(0), trial(1, accuracy=0.75), trial(2, "pruned"), trial(3, "running"), wanted=9))
    second = screen.getvalue()[len(first) :]
    display.close()
    assert "0*" in first
    assert "1 trial, " in first
    assert second.index("75.00%") < second.index("50.00%")
    assert "1*" in second
    assert "0*" not in second
    assert "3 of 9 trials, 1 pruned, 1 running, " in second


def finalist(one, *folders):
    metrics = {"accuracy": {"mean": 0.75, "std": 0.01}}
    runs = [SimpleNamespace(folder=Path(folder)) for folder in folders]
    return Finalist(one, Path("recipe.json"), SimpleNamespace(runs=runs, metrics=lambda: metrics))


def test_the_result_of_a_search_names_the_winners_the_recipe_and_the_comparison():
    best, usual = trial(1, accuracy=0.75), trial(0, is_default=True)
    found = study(usual, best, finalists=(finalist(best, "runs/a", "runs/b"), finalist(usual, "runs/c")))
    table, split, first, second, recipe, compare = study_lines(found)
    assert "tiny-cnn (default recipe)" in table
    assert split == "(on the validation split)"
    assert first == "trial 1    test accuracy 75.00% ±1.00% (2 seeds)"
    assert second.endswith("(1 seed)")
    assert recipe == f"recipe   zoo train tiny-cnn --recipe {Path('studies/tiny/recipe.json')}"
    assert compare == f"compare  zoo compare {Path('runs/a')} {Path('runs/c')}"


def test_the_recipe_without_a_search_is_shown_beside_the_front_only_if_it_was_tried():
    assert "default recipe" not in study_lines(study(trial(1, accuracy=0.75)))[0]
    front = study_lines(study(trial(1, accuracy=0.75, is_default=True)))[0]
    assert front.count("default recipe") == 1


def test_a_search_without_a_finished_trial_says_so():
    assert study_lines(study(trial(0, "failed"))) == ["no trial is finished"]
