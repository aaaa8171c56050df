"""Verification of files whose checkpoint or certificate is another one, edited, or of an early format."""

from types import SimpleNamespace

import pytest

from zoo import PluginError, RunNotFound
from zoo.files import sha256
from zoo.models.runtime import Inspection
from zoo.verification import binding, checkpoint, unopened
from zoo.verification.checkpoint import Contradiction, Missing, Weights, check_checkpoint, find_weights

DIGEST = "0" * 64


def file(certificate=None, versions=None, **description):
    described = {"checkpoint_sha256": DIGEST, "architecture": "net", "versions": versions or {}} | description
    return binding.FileUnderTest(
        path=None,
        sha256=DIGEST,
        bytes=100,
        exporter=SimpleNamespace(name="onnx", reductions={"int8": "x:y"}),
        inspection=Inspection("", "valid", {"nodes": 3}, described),
        certificate=certificate,
        max_drop=1.0,
    )


def certified(**bound):
    entries = SimpleNamespace(checks=(), versions={}, origin="net/1", format=4)
    given = SimpleNamespace(**bound) if bound else None
    return SimpleNamespace(entries=entries, bound=given, expected_digest="ab", vectors=None)


def entry(gate, summary="valid", **figures):
    return SimpleNamespace(gate=gate, figures=figures, summary=summary, passed=True)


# the checkpoint


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Three runs of the network, of which the first has no checkpoint; the weights that ship with it are missing."""
    made = []
    for number in range(3):
        best = tmp_path / f"{number}.safetensors"
        if number:
            best.write_text(str(number))
        made.append(SimpleNamespace(name=f"net/{number}", best=best))
    monkeypatch.setattr(checkpoint, "list_runs", lambda folder, name: made)
    monkeypatch.setattr(checkpoint, "load_trained", lambda run, registry: run)

    def missing(*_):
        raise RunNotFound("net ships no weights.")

    monkeypatch.setattr(checkpoint, "load_shipped", missing)
    return made


def found(digest, certificate=None):
    weights = Weights(against=None, preprocess=True, runs="runs", data_dir=None, registry=None)
    return find_weights(file(certificate, checkpoint_sha256=digest), weights)


def test_the_checkpoint_is_found_by_its_hash_among_all_runs(runs):
    assert found(sha256(runs[2].best)) is runs[2]
    with pytest.raises(Missing, match=r"the checkpoint 000000000000… of net is not among the runs in runs; --runs-dir"):
        found(DIGEST)
    with pytest.raises(Contradiction, match=r"but that of net/1 is .*the run was trained further"):
        found(DIGEST, certified())  # the run of the certificate is here, with another checkpoint


def test_shipped_weights_are_the_checkpoint_if_they_have_its_hash(runs, monkeypatch):
    shipped = SimpleNamespace(sha256="1" * 64, origin="weights of net")
    monkeypatch.setattr(checkpoint, "load_shipped", lambda *_: shipped)
    assert found("1" * 64) is shipped
    with pytest.raises(Missing):
        found(DIGEST)
    certificate = certified()
    certificate.entries.origin = "weights of net"
    with pytest.raises(Contradiction, match=r"that of weights of net is 111111111111…"):
        found(DIGEST, certificate)


def test_a_checkpoint_without_its_plugin_is_missing(runs, monkeypatch):
    def refuse(*_):
        raise PluginError("no plugin registers the task 'luck'.")

    monkeypatch.setattr(checkpoint, "load_trained", refuse)
    with pytest.raises(Missing, match=r"the checkpoint cannot be loaded: no plugin registers the task 'luck'\."):
        found(sha256(runs[1].best))


def checked(described, expected, named=DIGEST):
    right = expected | {"checkpoint_sha256": DIGEST}
    trained = SimpleNamespace(sha256=DIGEST, origin="net/1", describe=lambda preprocess: right)
    return check_checkpoint(SimpleNamespace(description=described | {"checkpoint_sha256": named}), trained)


@pytest.mark.parametrize(
    ("described", "expected", "problem"),
    [
        ({"labels": ["a"]}, {"labels": ["a"]}, ""),
        ({"versions": {"torch": "1"}}, {"versions": {"torch": "2"}}, ""),
        ({}, {"calibration": {"temperature": 1.0}}, ""),
        ({"test": None}, {"test": {"accuracy": 0.5}}, ""),
        ({"labels": ["a"]}, {"labels": ["b"]}, "labels (labels is ['a'], not ['b'])"),
        ({"labels": ["a"]}, {}, "labels (labels is ['a'], not None)"),
        ({}, {"columns": []}, "columns (columns is None, not [])"),
        ({"calibration": {"temperature": 1.0}}, {}, "calibration (calibration is {'temperature': 1.0}, not None)"),
    ],
)
def test_the_description_in_the_file_is_that_of_the_checkpoint(described, expected, problem):
    check = checked(described, expected)
    assert (check.gate, check.passed) == ("checkpoint", not problem)
    if problem:
        assert check.summary == f"the description in the file is not that of net/1: {problem}"


def test_a_file_of_another_checkpoint_is_named_with_both_hashes():
    check = checked({}, {}, named="1" * 64)
    assert (check.gate, check.passed, check.summary) == (
        "checkpoint",
        False,
        "the file names the checkpoint 111111111111…, that of net/1 is 000000000000…",
    )


# the certificate


def problems(certificate, **fields):
    certificate.entries.model = file(**fields).description
    return binding.check_certificate(file(certificate, **fields), certificate)


def test_a_certificate_for_another_format_is_wrong(monkeypatch):
    for check in ("_wrong_gates", "_wrong_vectors"):
        monkeypatch.setattr(binding, check, lambda *_: "")
    right = {"digest": "ab", "contents": {"nodes": 3}}
    monkeypatch.setattr(binding, "interface", lambda inspection: {})
    for exporter, reduction, problem in (
        ("onnx", "", ""),
        ("pt2", "", "the certificate is for --pt2 , the file is not"),
        ("onnx", "int8", "the certificate is for --onnx int8, the file is not"),
    ):
        form = SimpleNamespace(exporter=exporter, reduction=reduction)
        check = problems(certified(form=form, interface={}, **right))
        assert (check.passed, check.summary if problem else "") == (not problem, problem)
    form = SimpleNamespace(exporter="onnx", reduction="")
    edited = certified(form=form, interface={}, contents={"nodes": 3}, digest="cd")
    assert "the certificate was edited" in problems(edited).summary


def test_the_summary_of_the_structure_is_that_of_this_version(monkeypatch):
    check = entry("structure", "valid ONNX, signed by a bank", nodes=3)
    assert binding._wrong_figures(file(versions={"pluggy-zoo": "0.0.1"}), check) == ""  # other words in other versions
    monkeypatch.setattr(binding, "of_this_version", lambda file: True)
    assert binding._wrong_figures(file(), check).endswith("are not those of the file")
    assert binding._wrong_figures(file(), entry("structure", nodes=3)) == ""


@pytest.mark.parametrize(
    ("bound", "checks"),
    [
        (None, [("hash", True)]),
        (SimpleNamespace(digest="ab"), [("hash", True), ("certificate", True)]),
        (SimpleNamespace(digest="cd"), [("hash", True), ("certificate", False)]),
    ],
    ids=["early format", "sound", "edited"],
)
def test_a_file_that_is_not_opened_has_the_checks_that_its_certificate_allows(
    bound, checks, registry, monkeypatch, tmp_path
):
    path = tmp_path / "net.pt2"
    entries = SimpleNamespace(file=SimpleNamespace(sha256=DIGEST, bytes=100, name="net.pt2"))
    certificate = SimpleNamespace(entries=entries, bound=bound, expected_digest="ab")
    monkeypatch.setattr(unopened, "parse_certificate", lambda *_: certificate)
    copy = SimpleNamespace(original=path, certificate=b"{}", sha256=DIGEST, size=100)
    made, missing = unopened.check_unopened(copy, registry.exporter("pt2"), 1.0)
    assert [(check.gate, check.passed) for check in made] == checks
    assert list(missing) == ["everything that opens the file"]
