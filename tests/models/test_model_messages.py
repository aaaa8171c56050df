"""What is said about networks, files and outputs that are not as they should be."""

import hashlib
import logging

import numpy as np
import pytest

import zoo
from zoo import BuildError, ExportError, ZooError
from zoo.captured_output import capture_output, log_path
from zoo.models.build import build_network
from zoo.models.float64 import control_flow
from zoo.models.onnx_model import check_unchanged
from zoo.verification.messages import LARGEST_ARRAYS, Answer, send
from zoo.verification.private_copy import copy_and_hash


def architecture(builder):
    return zoo.Architecture(
        name="net", summary="s", task="classification", builder=builder, dataset="digits", parameters=1
    )


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        (lambda shape, outputs: None, "The builder of net must return a torch.nn.Module, not NoneType."),
        (lambda shape, outputs: {}["layers"], "The builder of net failed: KeyError: 'layers'."),
        (lambda shape, outputs: raise_(ValueError("too small")), "net cannot be built for input (1, 8, 8): too small"),
    ],
)
def test_a_builder_that_builds_nothing_is_named(builder, message):
    with pytest.raises(BuildError) as caught:
        build_network(architecture(builder), (1, 8, 8), 10, {})
    assert str(caught.value) == message


def raise_(error):
    raise error


def test_a_file_without_a_certificate_gets_a_note_and_a_changed_one_an_error(tmp_path, caplog):
    path = tmp_path / "net.onnx"
    check_unchanged(path, b"content")
    assert "net.onnx.json is missing, so nothing shows that net.onnx is unchanged." in caplog.text
    certificate = tmp_path / "net.onnx.json"
    certificate.write_text("[]")
    check_unchanged(path, b"content")
    assert "net.onnx.json is not a certificate, so nothing shows" in caplog.text
    caplog.clear()
    certificate.write_text(f'{{"file": {{"sha256": "{hashlib.sha256(b"content").hexdigest()}"}}}}')
    check_unchanged(path, b"content")
    assert caplog.text == ""
    with pytest.raises(ZooError, match=r"was changed after its export: its SHA-256 is not the one in net\.onnx\.json"):
        check_unchanged(path, b"other")


def test_operations_that_are_no_control_flow_are_not_run_as_one():
    with pytest.raises(NotImplementedError, match="is neither a branch nor a loop"):
        control_flow("map", (), None)


def test_arrays_that_are_too_large_are_not_sent(monkeypatch):
    monkeypatch.setattr("zoo.verification.messages.LARGEST_ARRAYS", 7)
    with pytest.raises(ZooError, match="the arrays have more than 7 bytes"):
        send(None, Answer(), [np.zeros(1)])
    assert LARGEST_ARRAYS > 7


def test_a_file_that_cannot_be_copied_is_one_line(tmp_path):
    with pytest.raises(ZooError, match=r"^Cannot copy .*missing\.onnx to the temporary folder .*: No such file"):
        copy_and_hash(tmp_path / "missing.onnx", tmp_path / "copy.onnx")
    (tmp_path / "there.onnx").write_bytes(b"abc")
    assert copy_and_hash(tmp_path / "there.onnx", tmp_path / "copy.onnx") == (hashlib.sha256(b"abc").hexdigest(), 3)


def capture(tmp_path, act, caught=ZooError):
    with pytest.raises(caught) as found, capture_output(tmp_path / "net.onnx", "The exporter onnx"):
        act()
    return str(found.value)


def printing(error):
    print("printed")
    logging.getLogger("torch.onnx").warning("logged")
    raise error


def test_what_a_library_prints_is_kept_beside_the_file_if_it_fails(tmp_path, capsys):
    assert capture(tmp_path, lambda: raise_(ExportError("refused."))) == "refused."
    assert not log_path(tmp_path / "net.onnx").exists()
    log = tmp_path / "net.onnx.log"
    text = capture(tmp_path, lambda: printing(KeyError("two\nlines")), ExportError)
    assert text == f"The exporter onnx failed: KeyError: 'two\\nlines'. Details: {log}"
    assert "printed" in log.read_text()
    assert "Traceback" in log.read_text()
    assert capsys.readouterr() == ("", "")
    with capture_output(tmp_path / "net.onnx", "The exporter onnx"):
        print("a note")
    assert not log.exists()  # a success removes the log of the failure


def test_a_log_file_never_replaces_a_file_of_the_user(tmp_path):
    for name in ("net.onnx.log", *(f"net.onnx.{k}.log" for k in range(1, 10))):
        assert log_path(tmp_path / "net.onnx") == tmp_path / name
        (tmp_path / name).write_text("of the user")
    with pytest.raises(ZooError, match="There is no free name for a log file beside"):
        log_path(tmp_path / "net.onnx")
    assert capture(tmp_path, lambda: printing(ExportError("refused."))) == "refused."


def test_an_error_of_the_disk_is_left_to_the_caller(tmp_path):
    with pytest.raises(OSError, match="full"), capture_output(tmp_path / "net.onnx", "The exporter onnx"):
        printing(OSError("full"))


@pytest.mark.parametrize(
    ("shape", "kind", "text"),
    [
        ((1, 28, 28), "image", "1 x 28 x 28 pixels, uint8, 0 to 255"),
        ((4,), "table", "4 columns, float32, in their original units"),
        ((1,), "table", "1 column, float32, in their original units"),
    ],
)
def test_the_input_of_a_model_in_words(shape, kind, text):
    described = zoo.models.description.ModelDescription(
        "net", "classification", shape, ("a", "b"), (), "data", "net/1", None, {}
    )
    assert (described.input_kind, described.input_text) == (kind, text)
    assert described.input_type == ("uint8" if kind == "image" else "float32")
