"""What in a certificate contradicts the file, the rules or itself."""

import base64
from types import SimpleNamespace

import pytest

from zoo.models.runtime import Inspection
from zoo.verification import binding, rebuild, repeating
from zoo.verification.certificate_file import _malformed


def file(reduction="", description=(), **fields):
    described = {"test": {"accuracy": 0.9}, "precision": reduction} if reduction else {"test": {"accuracy": 0.9}}
    inspection = Inspection("", "valid", {"nodes": 3}, described | dict(description))
    usual = {"inspection": inspection, "sha256": "ab", "bytes": 100, "max_drop": 0.01, "certificate": None}
    exporter = SimpleNamespace(name="onnx", reductions={"int8": "x:y"})
    names = {"reduction": reduction, "description": described | dict(description), "exporter": exporter}
    return SimpleNamespace(**(usual | names | fields))


def entry(gate, summary="valid", **figures):
    return SimpleNamespace(gate=gate, figures=figures, summary=summary, passed=True)


@pytest.mark.parametrize(
    ("check", "reduction", "problem"),
    [
        (entry("structure", nodes=3), "", ""),
        (entry("structure", nodes=4), "", "are not those of the file"),
        (entry("int8 structure", nodes=4), "int8", "are not those of the file"),
        (entry("numerics", worst={"error": 1, "limit": 2}), "", ""),
        (entry("numerics", worst={"error": 2, "limit": 1}), "", "exceed the limit"),
        (entry("numerics", worst={"error": float("nan"), "limit": 1}), "", "exceed the limit"),
        (entry("numerics", worst="none"), "", "exceed the limit"),
        (entry("providers", ran={"CPU": {"of_limit": 0.5}}), "", ""),
        (entry("providers", ran={"CPU": {"of_limit": 1.5}}), "", "exceed the limit"),
        (entry("providers", ran={"CPU": 0.5}), "", "exceed the limit"),
        (entry("providers", ran=["CPU"]), "", "exceed the limit"),
        (entry("reproducible", sha256="ab"), "", ""),
        (entry("reproducible", sha256="cd"), "", "are of another file"),
        (entry("reproducible", sha256="cd"), "int8", ""),
        (entry("test split", samples=5, recorded=0.9), "", ""),
        (entry("test split", samples=5, recorded=None), "", ""),
        (entry("test split", samples=5, recorded=0.8), "", "are not those of the run"),
        (entry("test split", samples=0, recorded=0.9), "", "are of no sample"),
        (entry("test split", samples="5", recorded=0.9), "", "are of no sample"),
        (entry("int8 budget", max_drop=0.01, bytes=100, drop=0.005), "int8", ""),
        (entry("int8 budget", max_drop=0.01, bytes=100, drop=0.02), "int8", "exceed the budget"),
        (entry("int8 budget", max_drop=0.01, bytes=99, drop=0.005), "int8", "are of a file of 99 bytes"),
        (entry("anything", nodes=4), "", ""),
    ],
)
def test_figures_that_contradict_the_file_are_wrong(check, reduction, problem):
    found = binding._wrong_figures(file(reduction), check)
    assert found == (f"{check.gate}: the figures in the certificate {problem}" if problem else "")


def test_a_larger_budget_than_is_accepted_is_named():
    found = binding._wrong_figures(file("int8"), entry("int8 budget", max_drop=0.5, bytes=100, drop=0.005))
    assert found.startswith("the certificate allows a drop of 0.5, but at most 0.01 is accepted")


def test_the_split_of_a_file_without_metrics_is_wrong():
    check = entry("test split", samples=5, recorded=0.9)
    assert binding._wrong_figures(file(description={"test": None}), check).endswith("are not those of the run")


def test_a_form_that_the_exporter_does_not_write_is_wrong():
    assert binding.check_form(file("int8")) == binding.check_form(file()) == ""
    assert binding.check_form(file("int4")) == "the file states the precision 'int4', which --onnx does not write"


def array(name, *shape, content=None, type="float32"):
    count = 1
    for size in shape:
        count *= size
    text = base64.b64encode(bytes(4 * count)).decode() if content is None else content
    return SimpleNamespace(name=name, type=type, shape=shape, base64=text)


def entries(*outputs, limits=None, **fields):
    limits = (0.0,) * len(outputs) if limits is None else limits
    vectors = SimpleNamespace(input=array("x", 2, 3), outputs=outputs, limits=limits)
    return SimpleNamespace(**({"passed": True, "checks": (), "reference_vectors": vectors} | fields))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (entries(array("y", 2, 3)), ""),
        (entries(reference_vectors=None), ""),
        (entries(passed=False), "`passed` is not true"),
        (entries(checks=(SimpleNamespace(gate="numerics", passed=False),)), "the check 'numerics' did not pass"),
        (entries(array("y", 2, 3), limits=()), "it has 0 limits for 1 outputs"),
        (entries(array("y", 2, 3, type="text")), "the reference vectors are of type 'text'"),
        (entries(array("y", 2, 3, content="?")), "the reference vectors are not base64"),
        (entries(array("y", 2, 3, content="AAAA")), "a reference vector has 3 bytes, its shape needs 24"),
        (entries(array("y", 0, 3)), "the reference vectors are empty"),
        (entries(array("y")), "the reference vectors are empty"),
        (entries(array("y", 2, 3), array("y", 2, 3)), "two outputs of the reference vectors have one name"),
        (entries(array("y", 3, 3)), "the reference vectors have different numbers of samples"),
    ],
)
def test_a_certificate_that_is_not_well_formed_is_damaged(content, problem):
    assert _malformed(content) == problem


def source(decides=True, samples=100):
    task = SimpleNamespace(metric="accuracy", decides=decides)
    return SimpleNamespace(task=task, test=range(samples))


@pytest.mark.parametrize(
    ("figures", "problem"),
    [
        ({"samples": 90, "accuracy": 0.9}, "the certificate states 90 samples, the data has 100"),
        ({"samples": 100, "accuracy": "high"}, "the certificate states accuracy high, measured is 0.9"),
        ({"samples": 100, "accuracy": 0.9}, ""),
        ({"samples": 100, "accuracy": 0.895}, ""),
        ({"samples": 100, "accuracy": 0.8}, "the certificate states accuracy 0.8, measured is 0.9"),
    ],
)
def test_another_result_of_the_test_split_is_wrong(figures, problem):
    measured = SimpleNamespace(figures={"samples": 100, "accuracy": 0.9}, summary="")
    found = repeating._other_result(file("int8"), source(), measured, SimpleNamespace(figures=figures, summary=""))
    assert found == problem


def test_a_number_of_a_smaller_form_may_differ_by_a_part():
    figures = {"accuracy": 2.0}
    part = repeating.SMALLER_FORM_SAMPLES * 2.0
    assert repeating._nearly(file("int8"), source(decides=False), figures, part)
    assert not repeating._nearly(file("int8"), source(decides=False), figures, 1.01 * part)


def test_a_number_may_differ_by_twice_its_limit():
    figures = {"accuracy": 2.0, "limit": 0.1}
    assert repeating._nearly(file(), source(decides=False), figures, 0.2)
    assert not repeating._nearly(file(), source(decides=False), figures, 0.3)


def rebuilt(sha256="ab", **gates):
    own = tuple(SimpleNamespace(gate=gate.replace("_", " "), figures=figures) for gate, figures in gates.items())
    return SimpleNamespace(sha256=sha256, own=own)


def test_the_checks_of_the_exporter_itself_are_those_that_it_makes():
    checks = (entry("structure"), entry("opset", asked=18), entry("numerics"))
    exporter = SimpleNamespace(name="onnx", check="x:y")
    certified = file(certificate=SimpleNamespace(entries=SimpleNamespace(checks=checks)), exporter=exporter)
    assert rebuild._other_own_checks(file(), rebuilt(opset={})) == ""
    assert rebuild._other_own_checks(certified, rebuilt(opset={"asked": 18})) == ""
    assert rebuild._other_own_checks(certified, rebuilt(opset={"asked": 17})) == (
        "opset: the figures in the certificate are not those of the file"
    )
    assert rebuild._other_own_checks(certified, rebuilt("cd", opset={"asked": 17})) == ""  # other bytes say more
    assert rebuild._other_own_checks(certified, rebuilt()) == (
        "the certificate lists the exporter's checks ['opset'], it makes []"
    )


def compared(ours, theirs, versions=None, reduction=""):
    """The check and the text for two files whose operators and weights are given."""
    made = [Inspection("", "", operators=operators, weights=weights) for operators, weights in (ours, theirs)]
    present = rebuild.versions()
    described = {"versions": present | (versions or {})}
    given = file(reduction, description=described)
    given.inspection = made[1]
    check, text = rebuild._compared(given, SimpleNamespace(inspection=made[0]))
    return (check.passed, check.summary) if check else (None, text)


RELU, WEIGHTS = {"Relu": 1}, ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("ours", "theirs", "more", "result"),
    [
        ((RELU, WEIGHTS), (RELU, ("a", "x", "y", "z")), {}, (False, "the checkpoint gives a file with other weights")),
        (
            (RELU, WEIGHTS),
            ({"Sin": 1}, WEIGHTS),
            {},
            (False, "the checkpoint gives no file with Sin; export it again"),
        ),
        (({"Relu": 2}, WEIGHTS), (RELU, WEIGHTS), {}, (False, "the checkpoint gives a file with other operators")),
        (({}, WEIGHTS), ({}, ()), {}, (False, "the checkpoint gives a file with other")),
        ((RELU, WEIGHTS), (RELU, ("a", "b", "y", "z")), {"reduction": "int8"}, (None, "the ranges of its integers")),
        (
            (RELU, WEIGHTS),
            (RELU, ("a", "x", "y", "z")),
            {"reduction": "int8"},
            (False, "the checkpoint gives a file with other weights"),
        ),
        (
            (RELU, WEIGHTS),
            (RELU, WEIGHTS),
            {"versions": {"torch": "1.0"}},
            (True, "the checkpoint gives the same weights and operators; the bytes differ, as do torch 1.0"),
        ),
        (
            (RELU, WEIGHTS),
            (RELU, ("x",)),
            {"versions": {"torch": "1.0"}},
            (None, "the checkpoint gives other bytes, but other versions of torch 1.0 wrote the file"),
        ),
    ],
)
def test_other_bytes_are_explained_or_refused(ours, theirs, more, result):
    passed, text = compared(ours, theirs, **more)
    assert passed is result[0]
    assert text.startswith(result[1])
