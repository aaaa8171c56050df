import numpy as np
import pytest
import zoo_signal
import zoo_signal_parts as parts

import zoo


@pytest.mark.zoo("zoo-signal")
def test_the_plugin_contract(zoo_check):
    zoo_check()


def test_the_signals_are_always_the_same_and_in_millivolts():
    first, second = parts.simulate(6, seed=3), parts.simulate(6, seed=3)
    assert np.array_equal(first.inputs, second.inputs)
    assert first.inputs.shape == (6, 1, zoo_signal.LENGTH)
    assert 0.5 < float(first.inputs.amax()) < 3
    assert first.targets.tolist() == [0, 1, 2, 0, 1, 2]


def longest_distance(rhythm, random):
    """The longest distance between two beats of a signal, in seconds."""
    signal = parts.one_signal(rhythm, random)
    return np.diff(np.flatnonzero(signal > 0.6 * signal.max())).max() / parts.RATE


def test_a_pause_has_longer_distances_between_beats():
    random = np.random.RandomState(0)
    regular, pause = ([longest_distance(rhythm, random) for _ in range(40)] for rhythm in ("regular", "pause"))
    # noise hides a beat now and then
    assert np.median(pause) > np.median(regular) + 0.3


def test_a_training_is_evaluated_predicted_and_exported(tmp_path):
    run = zoo.train("signal-cnn", epochs=3, runs_dir=tmp_path, data_dir=tmp_path)
    assert run.config["results"]["test"]["accuracy"] > 0.5
    exported = zoo.export(str(run.folder), "onnx", tmp_path / "net.onnx", data_dir=tmp_path)
    found = zoo.assess(exported.file, data_dir=tmp_path)
    assert found.metrics["accuracy"].value == pytest.approx(run.config["results"]["test"]["accuracy"], abs=1e-2)
    signals = parts.simulate(2, seed=9).inputs.numpy()
    np.save(tmp_path / "signals.npy", signals)
    np.savetxt(tmp_path / "signals.csv", signals[:, 0], delimiter=",")
    from_array, from_text = (list(zoo.predict(exported.file, tmp_path / f"signals.{end}")) for end in ("npy", "csv"))
    assert [answer.label for answer in from_array] == [answer.label for answer in from_text]
    assert set(from_array[0].probabilities) == set(zoo_signal.RHYTHMS)
