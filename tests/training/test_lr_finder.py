"""The learning-rate finder."""

import json

import zoo


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
