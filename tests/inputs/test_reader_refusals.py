"""Readers and methods that are none, samples of another shape, and user files that a reader refuses."""

import io

import numpy as np
import pytest
from zoo.plugins.inputs import readers

import zoo
from zoo import DataError, PluginError
from zoo.inputs.methods import load_input
from zoo.inputs.reader import load_reader
from zoo.inputs.user_files import read_samples_of


def kind(**fields):
    return zoo.Input(name="smell", summary="s", type="float32", dimensions=1, holds="smells", **fields)


def test_samples_of_another_shape_have_no_reader(registry):
    with pytest.raises(DataError, match=r"^Samples of the kind signal have 2 dimensions, not 1\.$"):
        load_reader(registry.input("signal"), (3,), {})
    assert load_reader(kind(), (3,), {}) is None


def test_a_reader_that_is_none_is_refused():
    with pytest.raises(PluginError, match=r"'smell': reader must be a subclass of zoo\.InputReader\."):
        load_reader(kind(reader=lambda *_: "a reader"), (3,), {})


def test_methods_that_are_none_are_refused():
    def broken(*_):
        raise PluginError("my own message.")

    with pytest.raises(PluginError, match=r"'smell': methods must be a subclass of zoo\.InputMethods\."):
        load_input(kind(methods=lambda *_: "methods"), (3,), {})
    with pytest.raises(PluginError, match=r"^my own message\.$"):
        load_input(kind(methods=broken), (3,), {})


def texts(registry, content, **options):
    reader = load_reader(registry.input("tokens"), (3,), {"vocabulary": ("a", "b"), **options})
    return list(read_samples_of(reader, "-", io.BytesIO(content.encode())))


def test_a_text_that_is_far_too_long_is_refused_with_its_length_and_not_split(registry, monkeypatch):
    real = readers.Tokenizer.split

    def split(tokenizer, text):
        assert tokenizer.separator or len(text) < 100
        return real(tokenizer, text)

    monkeypatch.setattr(readers.Tokenizer, "split", split)
    long, short = texts(registry, "a" * 10_000 + "\nab\n")
    assert long.error == "10,000 characters, but the model takes at most 3"
    assert short.array.tolist()[:2] == [2, 3]
    (words,) = texts(registry, "a;" * 10_000, separator=";")
    assert words.error == "10,000 words, but the model takes at most 3"


def test_a_line_of_separators_has_no_words(registry):
    nothing, one = texts(registry, ";;;\n;b;\n", separator=";")
    assert nothing.error == "no words"
    assert one.array.tolist() == [3, 0, 0]


def test_a_large_array_on_standard_input_is_to_be_saved(registry, monkeypatch):
    content = io.BytesIO()
    np.save(content, np.zeros((2, 3), np.float32))
    reader = load_reader(registry.input("signal"), (2, 3), {})
    (sample,) = read_samples_of(reader, "-", io.BytesIO(content.getvalue()))
    assert sample.array.shape == (2, 3)
    monkeypatch.setattr(readers, "LARGEST_STREAM", len(content.getvalue()) - 1)
    (sample,) = read_samples_of(reader, "-", io.BytesIO(content.getvalue()))
    assert sample.error == "an array of more than 151 bytes; save it to a file"
