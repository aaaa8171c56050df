import pytest
import torch
import zoo_text
import zoo_text_parts as parts
from zoo_text_words import WORDS

import zoo


@pytest.mark.zoo("zoo-text")
def test_the_plugin_contract(zoo_check):
    zoo_check()


def test_a_word_is_in_the_list_of_one_language():
    words = [word for text in WORDS.values() for word in parts.unique(text.split())]
    assert len(words) == len(set(words)) > 700


def test_every_letter_is_known_and_padding_follows_the_word():
    splits = parts.load(None, False)
    for split in (splits.train, splits.test):
        assert not (split.inputs == 1).any()
        lengths = (split.inputs != 0).sum(dim=1)
        assert torch.equal(split.inputs != 0, torch.arange(zoo_text.LENGTH) < lengths[:, None])


def test_padding_does_not_change_an_answer():
    torch.manual_seed(0)
    network = parts.WordGRU((8,), 5, vocabulary=20).eval()
    short = torch.tensor([[3, 4, 5]])
    padded = torch.tensor([[3, 4, 5, 0, 0, 0, 0, 0]])
    assert torch.allclose(network(short), network(padded), atol=1e-6)
    assert network(torch.zeros(1, 8, dtype=torch.int64)).isfinite().all()


def test_a_training_is_evaluated_predicted_and_exported(tmp_path):
    run = zoo.train("word-gru", epochs=12, runs_dir=tmp_path, data_dir=tmp_path)
    assert run.config["results"]["test"]["accuracy"] > 0.3
    exported = zoo.export(str(run.folder), "onnx", tmp_path / "words.onnx", data_dir=tmp_path)
    found = zoo.assess(exported.file, data_dir=tmp_path)
    assert found.metrics["accuracy"].value == pytest.approx(run.config["results"]["test"]["accuracy"], abs=1e-6)
    words = tmp_path / "words.txt"
    words.write_text("Yöllä\n\nfar too many letters for this\nwater\n", encoding="utf-8")
    first, long, last = zoo.predict(exported.file, words)
    assert set(first.probabilities) == set(zoo_text.LANGUAGES)
    assert long.error == "29 characters, but the model takes at most 16"
    assert (last.source, last.error) == (f"{words}:4", "")
