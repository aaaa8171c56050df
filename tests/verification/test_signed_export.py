"""``zoo export --sign`` and ``zoo verify --key``: file, certificate and signature are one unit."""

import pytest

pytest.importorskip("model_signing", reason="needs the extra `sign`")

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

import zoo
from zoo.signing import Verifier, signature_path

pytestmark = pytest.mark.usefixtures("no_network")


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """A private key, its public key, and the public key of somebody else."""
    folder, mine, other = tmp_path_factory.mktemp("keys"), *(ec.generate_private_key(ec.SECP384R1()) for _ in range(2))
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private, *public = (folder / name for name in ("mine.pem", "mine.pub", "other.pub"))
    private.write_bytes(mine.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    for path, key in zip(public, (mine, other), strict=True):
        path.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    return private, *public


def gates(found):
    return [(check.gate, check.passed) for check in found.checks]


def test_a_signed_export(keys, tmp_path, zoo_command):
    private, public, other = keys
    file = zoo.export("softmax-regression", "pt2", tmp_path / "x.pt2", sign=private, data_dir=tmp_path).file
    signature = signature_path(file)
    assert gates(zoo.verify(file, key=public))[0] == ("signature", True)
    # without a key, the signature is not checked, and the result says so
    assert any("x.pt2.sig was not checked" in note for note in zoo.verify(file).notes)
    for given in (["--key", other], ["--key", public]):
        result = zoo_command("verify", file, "--allow-partial", *given)
        assert result.code == (given[1] == other)
    certificate = file.with_name("x.pt2.json")
    content = certificate.read_bytes()
    certificate.write_bytes(content + b" ")
    found = zoo.verify(file, key=public)
    assert gates(found) == [("signature", False)]  # nothing else is looked at
    assert found.checks[0].summary == f"x.pt2.json: not what the key in {public} signed in x.pt2.sig"
    certificate.unlink()
    assert zoo.verify(file, key=public).checks[0].summary == "there is no x.pt2.json"
    certificate.write_bytes(content)
    assert zoo.verify(file, key=public).passed
    # an export without a signature removes that of the earlier file, but no file of another tool
    zoo.export("softmax-regression", "pt2", file, data_dir=tmp_path)
    assert not signature.exists()
    assert gates(zoo.verify(file, key=public)) == [("signature", False)]
    signature.write_text("a signature of another tool")
    zoo.export("softmax-regression", "pt2", file, data_dir=tmp_path)
    assert signature.read_text() == "a signature of another tool"


def test_a_wrong_key_is_refused_before_the_export(tmp_path, zoo_command):
    (tmp_path / "key").write_text("no key")
    result = zoo_command(
        "export", "softmax-regression", "--onnx", "-o", tmp_path / "x.onnx", "--sign", tmp_path / "key"
    )
    assert result.code == 1
    assert result.error.startswith("Cannot sign with ")
    assert not (tmp_path / "x.onnx").exists()


def test_files_that_are_exchanged_after_the_signature_check_are_not_used(keys, tmp_path, monkeypatch):
    private, public, _ = keys
    file = zoo.export("softmax-regression", "pt2", tmp_path / "x.pt2", sign=private, data_dir=tmp_path).file
    signed = file.read_bytes(), file.with_name("x.pt2.json").read_bytes()
    check = Verifier.problem

    def exchange_afterwards(verifier, files, signature):
        problem = check(verifier, files, signature)
        file.write_bytes(b"another file of another size")
        file.with_name("x.pt2.json").write_text("{}")
        return problem

    monkeypatch.setattr(Verifier, "problem", exchange_afterwards)
    found = zoo.verify(file, key=public)
    # hash, size and digest are those of the files that were signed
    assert gates(found) == [("signature", True), ("hash", True), ("certificate", True)]

    def exchange_before(verifier, files, signature):
        file.write_bytes(signed[0])
        file.with_name("x.pt2.json").write_bytes(signed[1])
        return check(verifier, files, signature)

    monkeypatch.setattr(Verifier, "problem", exchange_before)
    assert gates(zoo.verify(file, key=public)) == [("signature", False)]
