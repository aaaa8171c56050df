"""Reports and the demo show texts and curves; a kind that they cannot show is named in one line."""

import base64
import dataclasses
import re

import numpy as np
import pytest

import zoo
from zoo.models.description import ModelDescription
from zoo.reports.shown_samples import ShownSamples, demo_of, demo_start
from zoo.specs.dataset import Input


def described(kind, shape, type_, **options):
    entry = {"type": type_, "kind": kind, "options": options}
    content = {
        "architecture": "net",
        "task": "classification",
        "input_shape": list(shape),
        "labels": ["a", "b"],
        "dataset": "data",
        "input": entry,
        "normalisation": {"mean": [1.0], "std": [2.0]} if kind == "signal" else {},
    }
    return ModelDescription.from_dict(content, "here")


TEXT = described("tokens", (4,), "int64", vocabulary=["a", "<"])
CURVE = described("signal", (1, 3), "float32")


def test_a_text_is_shown_as_text(registry):
    shown = ShownSamples(TEXT, registry)
    assert shown.text(np.array([2, 3, 1, 0])) == "a<\ufffd"
    assert shown.image(np.array([2, 3, 1, 0])) == ""


def test_a_curve_is_drawn_whatever_its_values(registry):
    shown = ShownSamples(CURVE, registry)
    for values in ([0.0, 1.0, 2.0], [3.0, 3.0, 3.0], [0.0, float("nan"), 1.0]):
        address = shown.image(np.array([values], dtype=np.float32))
        drawing = base64.b64decode(address.removeprefix("data:image/svg+xml;base64,")).decode()
        assert len(re.findall(r"-?[\d.]+,-?[\d.]+", drawing)) == 3
        assert "nan" not in drawing


def test_the_demo_of_a_text_gets_its_vocabulary(registry):
    assert demo_of(TEXT, registry) == "text"
    start = demo_start(TEXT, "text", registry, None)
    assert (list(start["vocabulary"]), start["separator"], start["lower"]) == (["a", "<"], "", False)


def test_the_demo_of_a_curve_starts_from_a_real_one_or_the_mean(registry):
    assert demo_of(CURVE, registry) == "curve"
    assert demo_start(CURVE, "curve", registry, None) == {"values": [1.0, 1.0, 1.0], "low": -5.0, "high": 7.0}
    found = demo_start(CURVE, "curve", registry, np.array([[0.0, 9.0, 1.0]]))
    assert found == {"values": [0.0, 9.0, 1.0], "low": -5.0, "high": 9.0}


@pytest.mark.parametrize("known", [{}, {"mean": [1.0, 2.0], "std": 2.0}, {"mean": ["x"], "std": None}])
def test_the_demo_of_a_curve_without_a_known_mean_starts_from_zero(registry, known):
    curve = dataclasses.replace(CURVE, content={**CURVE.content, "normalisation": known})
    assert demo_start(curve, "curve", registry, None) == {"values": [0.0] * 3, "low": -3.0, "high": 3.0}


def test_a_kind_that_the_demo_cannot_show_is_named(registry):
    class Plugin:
        @zoo.hookimpl
        def register_inputs(self, register) -> None:
            register(Input(name="smell", summary="s", type="float32", dimensions=1, holds="smells"))

    model = described("smell", (2,), "float32")
    with pytest.raises(zoo.PluginError, match="needs the kind of input 'smell', which no plugin registers"):
        demo_of(model, registry)
    registry.add(zoo.Plugin("smell", "third-party", "1.0", "smell"), Plugin())
    with pytest.raises(zoo.UsageError, match="zoo demo cannot show inputs of the kind smell; `zoo predict` can read"):
        demo_of(model, registry)
