"""What built-in plugins refuse: networks, tokens, downloads."""

import urllib.error

import pytest
import torch
from zoo.plugins.datasets.downloads import unavailable
from zoo.plugins.torchvision_models.model import build

import zoo


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("resnet7", (3, 224, 224), "torchvision has no classifier named 'resnet7'"),
        ("resnet18", (2, 224, 224), "it needs images with one or three channels"),
        ("resnet18", (4,), "it needs images with one or three channels"),
    ],
)
def test_a_network_of_torchvision_that_cannot_be_built(name, shape, message):
    with pytest.raises(ValueError, match=message):
        build(name, shape, 10, 0)


def test_tokens_outside_the_vocabulary_or_behind_padding_are_no_split(registry):
    tokens = registry.input("tokens").load((3,), {"vocabulary": ("a", "b"), "separator": "", "lower": False}, ())
    assert tokens.problem(torch.tensor([[2, 3, 0], [1, 0, 0]])) == ""
    for row in ([2, 4, 0], [-1, 0, 0]):
        assert tokens.problem(torch.tensor([row])) == "has tokens outside 0 … 3"
    assert "has padding (0) in front of a token" in tokens.problem(torch.tensor([[0, 2, 0]]))


def test_numbers_of_a_kind_without_columns_are_finite(registry):
    signal = registry.input("signal").load((1, 2), {}, ())
    assert signal.problem(torch.zeros(1, 1, 2)) == ""
    assert signal.problem(torch.full((1, 1, 2), float("inf"))) == "has inputs that are infinite"
    assert signal.problem(torch.full((1, 1, 2), float("nan"))) == "has missing inputs (NaN), but declares no columns"


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (
            ValueError("SHA256 hash of x does not match the known hash: a, got b"),
            "the server sent another file than the",
        ),
        (OSError(28, "No space left on device"), "No space left on device"),
        (urllib.error.URLError(OSError(-2, "Name or service not known")), "no connection: Name or service not known"),
    ],
)
def test_the_cause_of_a_failed_download_in_a_few_words(error, cause, tmp_path):
    found = unavailable("mnist", tmp_path, error)
    assert isinstance(found, zoo.DataUnavailable)
    assert str(found).startswith(f"mnist is not in {tmp_path} and could not be downloaded ({cause}")
