"""Networks that no file can repeat in an unusual way, and formats that are unusual: what the gates say of them."""

import dataclasses
import itertools

import numpy as np
import onnx
import pytest
import torch
from builtin_tasks import TASKS
from torch import nn

import zoo
from zoo import Exporter, ExportRefused, Inspection, Runtime, Runtimes, TensorSpec
from zoo.exporting import gates
from zoo.exporting.certificate import Check, certificate_path
from zoo.exporting.gates import Gates, expected_gates, require_all
from zoo.exporting.model_checks import check_determinism, check_independence
from zoo.exporting.reference_vectors import read_test_data
from zoo.exporting.request import ExportRequest
from zoo.exporting.source import ExportSource, _has_same_inputs
from zoo.exporting.tracing import Observation

COUNT = itertools.count()
"""What a network keeps where no check can see it."""


class Computes(nn.Module):
    """The only output is a function of the outputs of a linear layer."""

    def __init__(self, function, **kept):
        super().__init__()
        self.linear, self.function = nn.Linear(4, 1), function
        with torch.no_grad():
            self.linear.weight.copy_(torch.tensor([[1.0, -2.0, 3.0, 0.5]]))
            self.linear.bias.fill_(0.1)
        for name, value in kept.items():
            setattr(self, name, value)

    def forward(self, inputs):
        return self.function(self.linear(inputs))


def source_of(network):
    model = nn.Sequential(network, TASKS["regression"].answers()).eval()
    inputs = torch.rand(40, 4, generator=torch.Generator().manual_seed(0))
    test = zoo.Split(inputs, torch.zeros(40, 1))
    return ExportSource("tiny", model, TASKS["regression"], test, None, {"labels": ["a"]}, "made-up")


def refusal(network, gate=check_determinism):
    check = gate(source_of(network))
    return "" if check.passed else check.summary


def test_a_network_that_gives_another_number_of_samples_is_refused_with_its_place():
    text = refusal(Computes(lambda outputs: outputs.sum(0, keepdim=True)))
    assert text.startswith("tiny gives outputs for 1 samples for a batch of 16 at ")
    assert text.endswith("(`Computes.forward`)")
    # layers of torch have no place in the network of the user
    assert refusal(nn.Flatten(0)) == "tiny gives outputs for 64 samples for a batch of 16"


def test_a_network_that_gives_whole_numbers_is_refused():
    assert refusal(Computes(lambda outputs: outputs)) == ""
    text = refusal(Computes(lambda outputs: outputs.long()))
    assert text.startswith("tiny gives outputs of the type int64 at ")
    assert text.endswith(": return float logits")


def test_a_network_that_counts_where_no_check_sees_it_is_refused():
    """Its arrays cannot be compared; they do not hide the reason."""
    network = Computes(lambda outputs: outputs + next(COUNT) % 2, tables=[np.zeros(2), np.zeros(3)])
    text = refusal(network)
    assert "gives different outputs for the same input in evaluation mode: something in it at " in text
    assert "draws random numbers (random depth, say) or counts its calls. Make it depend on self.training" in text


def test_autocast_that_is_off_and_random_numbers_of_an_empty_tensor_are_no_fault():
    def harmless(outputs):
        with torch.autocast("cpu", enabled=False):
            return outputs + torch.rand(0).sum()

    def faulty(outputs):
        with torch.autocast("cpu", torch.bfloat16):
            return outputs + 1

    assert refusal(Computes(harmless)) == ""
    assert "uses torch.autocast in forward" in refusal(Computes(faulty))
    network = Computes(lambda outputs: outputs + torch.rand(1))
    with Observation(network, torch.zeros(1, 4)) as seen, torch.no_grad():
        network(torch.zeros(1, 4))
    assert [text.partition(" ")[0] for text in seen.random] == ["rand()"]


def test_a_dependence_on_the_batch_that_is_below_the_rounding_is_no_fault():
    assert refusal(Computes(lambda outputs: outputs + 1e-11 * outputs.mean()), check_independence) == ""
    assert "depend on the other samples" in refusal(
        Computes(lambda outputs: outputs + 1e-6 * outputs.mean()), check_independence
    )


def test_a_dependence_on_the_batch_is_named_at_the_first_operation_that_differs():
    def by_size(outputs):
        if len(outputs) > 20:
            return outputs * 2
        return outputs + 1

    text = refusal(Computes(by_size), check_independence)
    assert "(`return outputs * 2`): something in it uses" in text

    def of_the_last(outputs):
        return torch.cat([outputs[:1], outputs[1:] + outputs.mean()])

    text = refusal(Computes(of_the_last), check_independence)
    assert "in float64): something in it uses" in text  # the first sample shows no place


# the gates of a format

INPUT, OUTPUT = TensorSpec("input", "float32", ("batch", 4)), TensorSpec("prediction", "float32", ("batch", 1))


def format_of(change=lambda output: output, **changes):
    """A format that runs the network itself. The second runtime changes the outputs."""
    source = source_of(Computes(lambda outputs: outputs))

    def runtime(mode, change):
        def run(inputs):
            with torch.no_grad():
                return [change(source.model(inputs)[0].numpy())]

        return Runtime("CPU", mode, run)

    described = {"description": {"labels": ["a"]}, "inputs": (INPUT,), "outputs": (OUTPUT,)}
    fields = {
        "write": lambda source, path: path.write_text("x"),
        "open": lambda path: Runtimes((runtime("as written", lambda output: output), runtime("optimised", change))),
        "inspect": lambda path: Inspection("", "words", **described),
        "reductions": {"short": lambda source, verified, path: path.write_text("y")},
    }
    return source, Exporter(name="words", summary="words", suffix=".txt", **fields | changes)


def gates_of(made, path, **given):
    source, exporter = made
    path.touch()
    checks = Gates(source, ExportRequest(exporter, **given), path).write_and_check()
    return [check.gate for check in require_all(checks, path)]


def test_a_file_that_was_written_twice_has_one_gate_more(tmp_path, monkeypatch):
    monkeypatch.setattr(gates, "check_reproducible", lambda *_: Check("reproducible", True, "equal bytes"))
    found = gates_of(format_of(), tmp_path / "model.txt", reproducible=True)
    assert found == expected_gates(format_of()[1], "", reproducible=True, own=(), runtimes=1)
    assert found[:3] == ["determinism", "reproducible", "independence"]


def test_a_format_that_cannot_be_opened_has_the_gates_of_the_model_and_its_own(tmp_path):
    own = {"open": None, "inspect": None, "reductions": {}, "check": lambda *_: iter([Check("own", True, "fine")])}
    made = format_of(**own)
    found = gates_of(made, tmp_path / "model.txt")
    assert found == expected_gates(made[1], "", reproducible=False, own=["own"], runtimes=0)
    assert found == ["determinism", "independence", "own"]


def test_a_runtime_that_computes_something_else_is_refused(tmp_path):
    with pytest.raises(ExportRefused, match=r"providers: outputs of CPU optimised are wrong: "):
        gates_of(format_of(lambda output: output + 0.01), tmp_path / "model.txt")


@pytest.mark.parametrize("change", [lambda output: output * np.nan, lambda output: output[:, :0]])
def test_a_smaller_form_with_outputs_that_are_not_finite_or_missing_is_refused(change, tmp_path):
    sound = format_of()[1].open

    def changed(runtime):
        return dataclasses.replace(runtime, run=lambda inputs: list(map(change, runtime.run(inputs))))

    def open_(path):
        runtimes = sound(path)
        return runtimes if path.read_text() == "x" else Runtimes(tuple(map(changed, runtimes.all)))

    with pytest.raises(ExportRefused, match="short numerics: an output is NaN, infinite or of a wrong shape "):
        gates_of(format_of(open=open_), tmp_path / "model.txt", reduction="short", max_drop=5.0)


# files and data


def test_the_certificate_of_a_link_is_beside_the_link_or_else_beside_its_file(tmp_path):
    file, link = tmp_path / "there" / "net.onnx", tmp_path / "link.onnx"
    file.parent.mkdir()
    file.touch()
    link.symlink_to(file)
    assert certificate_path(file) == tmp_path / "there" / "net.onnx.json"
    assert certificate_path(link) == tmp_path / "there" / "net.onnx.json"
    (tmp_path / "link.onnx.json").touch()
    assert certificate_path(link) == tmp_path / "link.onnx.json"


def save(path, array, name=""):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(onnx.numpy_helper.from_array(np.float32(array), name).SerializeToString())


def test_only_complete_folders_of_test_data_are_read(tmp_path):
    file = tmp_path / "net.onnx"
    whole, half = tmp_path / "test_data_set_0", tmp_path / "test_data_set_1"
    save(whole / "input_0.pb", [[1, 2]])
    for place in (10, 2):
        save(whole / f"output_{place}.pb", [[place]], "ten" if place == 10 else "")
    save(half / "input_0.pb", [[1, 2]])
    found = read_test_data(file)
    assert list(found) == ["test_data_set_0"]
    assert found["test_data_set_0"].inputs.tolist() == [[1, 2]]
    assert {name: array.item() for name, array in found["test_data_set_0"].outputs.items()} == {
        "output 0": 2,
        "ten": 10,
    }
    (half / "output_0.pb").write_bytes(b"no tensor")
    with pytest.raises(zoo.ZooError, match=r"^Cannot read the reference vector .*output_0\.pb: "):
        read_test_data(file)


def test_a_stand_in_has_the_kind_the_shape_and_the_columns_of_the_inputs(registry):
    digits = registry.dataset("digits")
    assert _has_same_inputs(digits, {"input_shape": [1, 28, 28]})
    assert _has_same_inputs(digits, {"input_shape": [1, 28, 28], "input": ""})
    assert not _has_same_inputs(digits, {"input_shape": [1, 28, 28], "input": "signal"})
    assert not _has_same_inputs(digits, {"input_shape": [1, 32, 32]})
