"""Signatures of an exported file and its certificate, all without a network."""

import base64
import builtins
import datetime
import json
import shutil

import pytest

pytest.importorskip("model_signing", reason="needs the extra `sign`")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from zoo import UsageError, ZooError
from zoo.signing import Signer, Verifier, signature_path

pytestmark = pytest.mark.usefixtures("no_network")


def write_keys(folder, name, key):
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


@pytest.fixture(scope="session")
def key():
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def keys(tmp_path, key):
    return write_keys(tmp_path, "mine", key)


@pytest.fixture
def pair(tmp_path):
    """An exported file and its certificate, by their names."""
    folder = tmp_path / "made"
    folder.mkdir()
    for name in ("net.onnx", "net.onnx.json"):
        (folder / name).write_bytes(name.encode())
    return {name: folder / name for name in ("net.onnx", "net.onnx.json")}


@pytest.fixture
def signature(pair, keys):
    path = signature_path(pair["net.onnx"])
    Signer(keys[0]).sign(pair, path)
    return path


def test_a_signature_of_both_files_is_accepted(pair, signature, keys):
    assert Verifier(keys[1]).problem(pair, signature) == ""


def test_a_certificate_in_place_of_the_public_key(pair, signature, key, tmp_path):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "me")])
    day = datetime.datetime(2026, 1, 1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, day, day + datetime.timedelta(days=1))
    path = tmp_path / "me.crt"
    path.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    assert Verifier(path).problem(pair, signature) == ""


@pytest.mark.parametrize("name", ["net.onnx", "net.onnx.json"])
def test_a_changed_file_or_certificate_is_refused(name, pair, signature, keys):
    pair[name].write_bytes(b"changed")
    problem = Verifier(keys[1]).problem(pair, signature)
    assert problem == f"{name}: not what the key in {keys[1]} signed in net.onnx.sig"


def test_a_missing_signature_is_refused(pair, keys, tmp_path):
    assert Verifier(keys[1]).problem(pair, tmp_path / "x.sig") == f"there is no signature {tmp_path / 'x.sig'}"


def test_the_signature_of_another_key_is_refused(pair, signature, tmp_path):
    _, public = write_keys(tmp_path, "other", ec.generate_private_key(ec.SECP256R1()))
    assert "Key mismatch" in Verifier(public).problem(pair, signature)
    # without the hint at the key, the arithmetic decides
    bundle = json.loads(signature.read_text())
    bundle["verificationMaterial"]["publicKey"]["hint"] = ""
    signature.write_text(json.dumps(bundle))
    assert "InvalidSignature" in Verifier(public).problem(pair, signature)


def test_the_signature_of_another_pair_is_refused(pair, keys, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(pair["net.onnx"].parent, other)
    (other / "net.onnx").write_bytes(b"another network")
    Signer(keys[0]).sign({name: other / name for name in pair}, tmp_path / "x.sig")
    problem = Verifier(keys[1]).problem(pair, tmp_path / "x.sig")
    assert problem == f"net.onnx: not what the key in {keys[1]} signed in x.sig"


def test_a_signature_of_one_file_does_not_cover_the_other(pair, keys, tmp_path):
    model_signing = pytest.importorskip("model_signing")
    hashing = model_signing.hashing.Config().set_ignored_paths(paths=["net.onnx.json"])
    config = model_signing.signing.Config().set_hashing_config(hashing).use_elliptic_key_signer(private_key=keys[0])
    config.sign(pair["net.onnx"].parent, tmp_path / "x.sig")
    problem = Verifier(keys[1]).problem(pair, tmp_path / "x.sig")
    assert problem == "x.sig covers net.onnx, not net.onnx, net.onnx.json"


def edited_payload(signature):
    bundle = json.loads(signature.read_text())
    statement = base64.b64decode(bundle["dsseEnvelope"]["payload"]).replace(b"net.onnx.json", b"other.onnx.js")
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(statement).decode()
    return json.dumps(bundle).encode()


@pytest.mark.parametrize(
    "damage",
    [
        edited_payload,
        lambda signature: b"",
        lambda signature: b"[" * 100_000,
        lambda signature: b"{}",
        lambda signature: b"\0" * 2**21,
        lambda signature: signature.read_bytes()[:-200],
    ],
    ids=["payload", "empty", "nested", "no fields", "large", "cut"],
)
def test_a_damaged_signature_is_refused_in_one_line(damage, pair, signature, keys):
    signature.write_bytes(damage(signature))
    problem = Verifier(keys[1]).problem(pair, signature)
    assert problem
    assert "\n" not in problem


@pytest.mark.parametrize("content", [b"", b"not a key"])
def test_a_file_that_is_no_key(content, tmp_path):
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(ZooError, match="Cannot sign with"):
        Signer(path)
    with pytest.raises(ZooError, match="Cannot use the public key"):
        Verifier(path).problem({}, path)


def test_other_kinds_of_keys(tmp_path, pair):
    private, public = write_keys(tmp_path, "rsa", rsa.generate_private_key(65537, 2048))
    with pytest.raises(ZooError, match=r"Cannot sign with .*"):
        Signer(private)
    with pytest.raises(ZooError, match=r"Cannot use the public key .*"):
        Verifier(public).problem(pair, tmp_path)


def test_a_key_with_a_password_and_a_missing_key(tmp_path, key):
    path = tmp_path / "secret.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"word"),
        )
    )
    with pytest.raises(ZooError, match=r"Cannot sign with .*encrypted"):
        Signer(path)
    with pytest.raises(ZooError, match="No such file"):
        Signer(tmp_path / "missing.pem")
    with pytest.raises(ZooError, match=r"There is no file .*missing\.pub"):
        Verifier(tmp_path / "missing.pub").problem({}, path)


def test_a_key_or_an_identity():
    for given in ({}, {"identity": "me"}, {"key": "k", "identity": "me", "provider": "p"}, {"provider": "p"}):
        with pytest.raises(UsageError, match="Give a public key, or an identity together with its provider"):
            Verifier(**given)


def test_an_identity_without_a_network_is_one_line(pair, signature):
    with pytest.raises(ZooError) as caught:
        Verifier(identity="me@example.org", provider="https://example.org").problem(pair, signature)
    assert str(caught.value).startswith("Cannot use Sigstore: ")
    assert "\n" not in str(caught.value)


def test_without_the_extra_the_message_says_what_to_install(monkeypatch, keys):
    real = builtins.__import__

    def absent(name, *given):
        if name == "model_signing":
            raise ImportError("No module named 'model_signing'")
        return real(name, *given)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ZooError, match=r"pip install pluggy-zoo\[sign\]"):
        Signer(keys[0])
