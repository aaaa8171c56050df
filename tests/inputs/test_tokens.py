"""Texts to token numbers and back, and what the model does with numbers that it does not know."""

import numpy as np
import pytest
import torch
from zoo.plugins.inputs.methods import KnownTokens

import zoo
from zoo.inputs.methods import load_input

LETTERS = ("a", "b", "é", "ß")


def tokens_of(registry, length=6, **options):
    return load_input(registry.input("tokens"), (length,), {"vocabulary": LETTERS} | options)


def test_a_text_is_padded_and_unknown_letters_are_one():
    tokenizer = zoo.Tokenizer(LETTERS)
    assert tokenizer.encode(["abx", "é"], 4).tolist() == [[2, 3, 1, 0], [4, 0, 0, 0]]
    assert tokenizer.decode([2, 3, 1, 0]) == "ab\ufffd"


def test_an_accent_is_one_letter_however_it_was_typed():
    assert zoo.Tokenizer(LETTERS).encode(["e\u0301"], 2).tolist() == [[4, 0]]


def test_words_are_split_at_the_separator():
    tokenizer = zoo.Tokenizer(("see", "you"), separator=" ", lower=True)
    assert tokenizer.encode(["  See  you  later "], 4).tolist() == [[2, 3, 1, 0]]
    assert tokenizer.decode([2, 3, 0, 0]) == "see you"


@pytest.mark.parametrize("text", ["", "abababa"])
def test_a_text_without_tokens_or_with_too_many_is_refused(text):
    with pytest.raises(ValueError, match="tokens, not 1 to 6"):
        zoo.Tokenizer(LETTERS).encode([text], 6)


@pytest.mark.parametrize(
    ("vocabulary", "separator", "lower"),
    [(("a", "a"), "", False), (("ab",), "", False), (("",), "", False), (("A",), "", True), (("a b",), " ", False)],
)
def test_a_vocabulary_that_no_text_can_have_is_refused(vocabulary, separator, lower):
    with pytest.raises(ValueError, match="a vocabulary is a tuple of different"):
        zoo.Tokenizer(vocabulary, separator, lower)


def test_numbers_outside_the_vocabulary_become_the_unknown_token():
    given = torch.tensor([[0, 1, 5, 6, -1, 2**40]])
    assert KnownTokens(6)(given).tolist() == [[0, 1, 5, 1, 1, 1]]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ([2, 3, 0, 0, 0, 0], ""),
        ([2, 3, 6, 0, 0, 0], "outside 0 … 5"),
        ([-1, 0, 0, 0, 0, 0], "outside 0 … 5"),
        ([2, 0, 3, 0, 0, 0], "padding (0) in front of a token"),
    ],
)
def test_wrong_tokens_of_a_split_are_found(row, problem, registry):
    found = tokens_of(registry).problem(torch.tensor([row]))
    assert problem in found
    assert bool(found) == bool(problem)


def test_hostile_tokens_hold_nothing_everything_and_numbers_outside(registry):
    inputs = tokens_of(registry)
    real = inputs.examples(64, torch.Generator().manual_seed(0))
    drawn = dict(inputs.extremes(real, real, torch.Generator().manual_seed(1)))
    assert not drawn["all padding"].any()
    assert set(drawn["all the last token"].unique().tolist()) == {5}
    assert int(drawn["numbers outside the vocabulary"].max()) > 2**20
    assert int(drawn["numbers outside the vocabulary"].min()) < 0
    lengths = (drawn["random lengths"] != 0).sum(dim=1)
    assert {0, 6} <= set(lengths.tolist())
    # a file without the guard would read outside its table
    unguarded = dict(inputs.without_normalisation().probes(real, real, torch.Generator().manual_seed(1)))
    assert "numbers outside the vocabulary" not in unguarded
    assert all(int(batch.min()) >= 0 and int(batch.max()) < 6 for batch in unguarded.values())


def test_the_numbers_of_a_dataset_and_of_a_reader_are_the_same(registry, tmp_path):
    from zoo.inputs.reader import load_reader

    reader = load_reader(registry.input("tokens"), (6,), {"vocabulary": LETTERS})
    path = tmp_path / "words.txt"
    path.write_text("éab\n", encoding="utf-8")
    (sample,) = reader.read("words.txt", path, "")
    assert np.array_equal(sample.array, zoo.Tokenizer(LETTERS).encode(["éab"], 6)[0])
    assert reader.text(sample.array) == "éab"
