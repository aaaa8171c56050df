"""The learning-rate finder."""

import json

import pytest

import zoo
from zoo.training.lr_finder import _suggest


def test_find_lr_suggests_a_rate_and_draws_the_figure(zoo_command, tmp_path):
    done = zoo_command("find-lr", "lenet", "--dataset", "digits", "--json", "-o", tmp_path / "rates.png")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["rates"] == sorted(found["rates"])
    assert len(found["rates"]) == len(found["losses"]) > 50
    assert found["lowest"] == found["rates"][found["losses"].index(min(found["losses"]))]
    assert 1e-4 < found["suggested"] < 1
    assert (tmp_path / "rates.png").read_bytes().startswith(b"\x89PNG")
    assert not list(tmp_path.rglob("run.json")), "find-lr creates no run"


def test_find_lr_ends_if_the_loss_diverges(tiny_registry, tmp_path):
    found = zoo.find_lr("tiny-cnn", registry=tiny_registry, output=tmp_path / "r.png", device="cpu", momentum=0.99)
    assert found.rates[-1] < 10
    assert max(found.losses) <= 4 * min(found.losses) or len(found.losses) < 200


@pytest.mark.parametrize(
    ("losses", "suggested"),
    [
        # falls over many rates: a tenth of the lowest
        ([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], 10 ** (9 / 2) / 10),
        # flat, then a steep fall: where it has begun to fall
        ([10, 10, 10, 10, 10, 10, 10, 10, 9, 1], 10 ** (8 / 2)),
        # a random dip before
        ([10, 9.9, 10, 10, 10, 10, 10, 10, 9, 1, 50], 10 ** (8 / 2)),
        # falls at the first step
        ([5, 1, 9], 1.0),
        # never falls
        ([1, 2, 3, 4], 1.0),
    ],
)
def test_the_suggested_rate_lies_where_the_loss_falls(losses, suggested):
    rates = [10 ** (place / 2) for place in range(len(losses))]
    assert _suggest(rates, losses) == pytest.approx(suggested)


def test_the_rate_in_use_is_named_after_its_source(zoo_command, tmp_path):
    arguments = ("find-lr", "linear-regression", "-o", tmp_path / "r.png")
    assert "recipe     " in zoo_command(*arguments).out
    assert "--lr       0.5" in zoo_command(*arguments, "--lr", "0.5").out
    assert "--lr       0.5" in zoo_command(*arguments, "--set", "lr=0.5").out
