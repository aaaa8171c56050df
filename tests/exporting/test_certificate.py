"""The certificate: its content, its digest, its schema, and the checks that the exporter's rules give."""

import json

import numpy as np
import onnx
import pytest
import torch

import zoo
from zoo.exporting.certificate import digest
from zoo.exporting.gates import expected_gates
from zoo.inputs.probing import probe_inputs
from zoo.verification.certificate_file import read_certificate
from zoo.verification.probes import POOL, draw_batch_sizes

NETWORK = "softmax-regression"
pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.fixture(scope="session")
def runs(softmax_runs):
    return softmax_runs


@pytest.fixture(scope="module")
def exported(runs, tmp_path_factory):
    """The certificate of every form of one network."""
    folder, given = tmp_path_factory.mktemp("made"), {"runs_dir": runs, "data_dir": runs / "data"}
    return {
        form: zoo.export(NETWORK, output=folder / f"model-{form}.onnx", reduction=form, max_drop=3.0, **given)
        for form in ("", "int8", "fp16")
    }


@pytest.mark.parametrize("form", ["", "int8", "fp16"])
def test_a_certificate_lists_the_checks_that_the_rules_give(form, exported, registry):
    made = exported[form]
    names = [check.gate for check in made.checks]
    given = {"reproducible": False, "own": ["opset"], "runtimes": names.count("test split")}
    assert names == expected_gates(registry.exporter("onnx"), form, **given)


def test_the_digest_covers_every_entry(exported):
    content = exported[""].to_dict()
    assert json.loads(exported[""].path.read_text()) == content
    assert content["digest"] == digest(content)
    for key in content.keys() - {"digest"}:
        assert digest(content | {key: "other"}) != content["digest"]


def test_a_certificate_is_read_as_it_was_written(exported):
    made, read = exported["int8"], read_certificate(exported["int8"].file)
    assert read.bound.digest == read.expected_digest
    assert read.bound.form.reduction == "int8"
    assert read.bound.form.options == made.form.options
    assert [check.gate for check in read.entries.checks] == [check.gate for check in made.checks]
    assert np.array_equal(read.vectors.inputs, made.vectors.inputs)


def verify(made, runs, **given):
    return zoo.verify(made.file, runs_dir=runs, data_dir=runs / "data", **given)


@pytest.mark.parametrize("form", ["int8", "fp16"])
def test_a_smaller_form_is_written_again_from_the_checkpoint(form, exported, runs):
    found = verify(exported[form], runs, max_drop=3.0)
    assert found.passed
    assert found.complete
    assert "byte for byte" in next(check.summary for check in found.checks if check.gate == "rebuild")


def test_a_larger_budget_than_the_rules_needs_the_word_of_the_user(exported, runs):
    found = verify(exported["int8"], runs)
    assert not found.passed
    assert "allows a drop of 3.0, but at most 1 is accepted" in found.checks[-1].summary


def test_an_earlier_format_without_a_digest_is_checked_against_the_checkpoint(exported, runs, tmp_path):
    made, content = exported[""], exported[""].to_dict()
    for later in ("form", "interface", "contents", "digest"):
        del content[later]
    file = tmp_path / made.file.name
    file.write_bytes(made.file.read_bytes())
    file.with_name(f"{file.name}.json").write_text(json.dumps(content | {"format": 3}))
    found = zoo.verify(file, runs_dir=runs, data_dir=runs / "data")
    assert found.passed
    assert found.complete
    assert "format 3, which has no digest" in found.checks[2].summary


def test_the_same_seed_draws_the_same_probes():
    samples = torch.randint(0, 256, (20, 1, 4, 4)).to(torch.uint8)

    def drawn(seed):
        random = torch.Generator().manual_seed(seed)
        return [
            draw_batch_sizes(random),
            *(inputs.tolist() for _, inputs in probe_inputs(samples, samples, random, missing=False)),
        ]

    assert drawn(5) == drawn(5)
    assert drawn(5) != drawn(6)
    sizes = drawn(7)[0]
    assert sizes[:8] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert 64 < sizes[-2] <= 250 < sizes[-1] <= 512


def test_tables_are_probed_beyond_their_range_and_with_missing_values():
    samples = torch.tensor([[0.0, 10.0], [1.0, 20.0]])
    real = samples.repeat(POOL // 2, 1)
    drawn = dict(probe_inputs(real, samples, torch.Generator().manual_seed(1), missing=True))
    assert drawn["values beyond the range"].amax() > 20
    assert set(drawn["extremes"][:, 1].tolist()) == {10.0, 20.0}
    assert drawn["missing values"][0].isnan().all()
    assert not drawn["missing values"].isnan().all()


def test_without_data_the_description_is_still_compared(exported, runs, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "zoo.verification.checkpoint.load_test_data",
        lambda *given: (_ for _ in ()).throw(zoo.DataUnavailable("digits are missing here")),
    )
    found = verify(exported[""], runs)
    assert found.passed
    assert not found.complete
    assert "checkpoint" in [check.gate for check in found.checks]
    assert "digits are missing" in next(iter(found.not_checked.values()))


def test_a_changed_file_is_not_used(exported, tmp_path, zoo_command):
    made = exported[""]
    file = tmp_path / made.file.name
    model = onnx.load(made.file)
    model.graph.doc_string = "changed"
    file.write_bytes(model.SerializeToString())
    file.with_name(f"{file.name}.json").write_text(made.path.read_text())
    for command in (["predict", file, "x.png"], ["eval", file], ["bench", file], ["demo", file]):
        result = zoo_command(*command)
        assert result.code == 1
        assert "was changed after its export" in result.error
