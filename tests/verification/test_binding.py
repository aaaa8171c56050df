"""Parts of a verification: the limits of reference vectors, random inputs, and a file that cannot be run."""

import contextlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from zoo.exporting.reference_vectors import ReferenceVectors
from zoo.models.runtime import RuntimeFailed, TensorSpec
from zoo.verification.binding import CAP, REFERENCE_LIMIT, _wrong_vectors
from zoo.verification.probes import ALONE, _random_inputs
from zoo.verification.verify import Verification, _check_opened


def wrong(outputs, limits, reduction=""):
    inputs = np.zeros((2, 1, 4, 4), np.uint8)
    inspection = SimpleNamespace(
        inputs=[SimpleNamespace(type="uint8", shape=("batch", 1, 4, 4))],
        outputs=[SimpleNamespace(name="logits")],
    )
    file = SimpleNamespace(inspection=inspection, reduction=reduction)
    return _wrong_vectors(file, ReferenceVectors(inputs, outputs, limits))


@pytest.mark.parametrize("size", [1e-6, 1.0, 50.0])
@pytest.mark.parametrize(("reduction", "part"), [("", CAP), ("int8", REFERENCE_LIMIT)])
def test_limits_are_at_most_a_part_of_the_largest_output(size, reduction, part):
    """Wider limits would let a file with other weights pass as this one."""
    outputs = {"logits": np.array([[size, 0.0], [-size / 2, 0.0]], np.float32)}
    assert wrong(outputs, (part * size,), reduction) == ""
    assert "wider than the rules allow" in wrong(outputs, (1.01 * part * size,), reduction)
    assert "wider than the rules allow" in wrong(outputs, (float("nan"),), reduction)


def test_outputs_of_other_names_or_without_a_number_are_wrong():
    assert wrong({"other": np.ones((2, 2), np.float32)}, (0.0,)) == "the outputs of the reference vectors are other"
    assert "NaN" in wrong({"logits": np.full((2, 2), np.nan, np.float32)}, (0.0,))


def test_a_file_that_cannot_be_run_fails_a_check_with_the_reason(tmp_path, monkeypatch):
    def fail(*given):
        raise RuntimeFailed("it ended with signal 11")

    opened = SimpleNamespace(sha256="0", inspection=None)
    monkeypatch.setattr("zoo.verification.verify.open_file", lambda *given: contextlib.nullcontext(opened))
    monkeypatch.setattr("zoo.verification.verify._check_contents", lambda *given: None)
    monkeypatch.setattr("zoo.verification.verify._check_behaviour", fail)
    path = tmp_path / "net.onnx"
    found = Verification(path, seed=1)
    copy = SimpleNamespace(original=path, path=path, certificate=None, size=1)
    _check_opened(found, copy, SimpleNamespace(name="onnx"), SimpleNamespace(max_drop=0.0))
    assert [(check.gate, check.passed, check.summary) for check in found.checks] == [
        ("runs", False, "it ended with signal 11")
    ]
    assert not found.passed


@pytest.mark.parametrize(("kind", "dtype"), [("uint8", torch.uint8), ("int64", torch.int64)])
def test_random_inputs_begin_with_real_samples(kind, dtype):
    """A fault that only real samples show is looked for as well."""
    real = torch.arange(100, 112, dtype=dtype).reshape(3, 4)
    found = _random_inputs(TensorSpec("x", kind, ("batch", 4)), torch.Generator().manual_seed(0), real)
    assert found.dtype == dtype
    assert torch.equal(found[:ALONE], real[torch.arange(ALONE) % 3])
    assert not torch.equal(found[ALONE : 2 * ALONE], found[:ALONE])


@pytest.mark.parametrize("kind", ["uint8", "float32", "float64"])
def test_random_inputs_need_no_real_samples(kind):
    found = _random_inputs(TensorSpec("x", kind, ("batch", 4)), torch.Generator().manual_seed(0), None)
    assert found.dtype == getattr(torch, kind)
    assert found.shape[1:] == (4,)
    assert len(found.unique()) > 4


@pytest.mark.parametrize("kind", ["int64", "int32"])
def test_random_whole_numbers_are_those_from_the_lowest_to_the_highest_real_one(kind):
    """Others may be no code of the vocabulary, and the highest code can be the one with the fault."""
    real = torch.tensor([[3, 5], [4, 3]], dtype=getattr(torch, kind))
    found = _random_inputs(TensorSpec("x", kind, ("batch", 2)), torch.Generator().manual_seed(0), real)
    assert set(found[ALONE : 2 * ALONE].flatten().tolist()) == {3, 4, 5}
    alike = torch.full((1, 2), 7, dtype=getattr(torch, kind))
    assert _random_inputs(TensorSpec("x", kind, ("batch", 2)), torch.Generator(), alike).unique().tolist() == [7]
