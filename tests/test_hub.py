"""`zoo publish`, and `hf:` names of published models, against a stand-in of the hub."""

import json
import os
import re
import shutil
import sys

import pytest
import yaml
from hub_server import TOKEN, serve_hub
from training_helpers import train

import zoo
from zoo.files import sha256
from zoo.runs.hub import parse_reference, public_record

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of huggingface_hub itself


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub on this machine, with the token of a user who may upload to it."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="needs pluggy-zoo[hub]")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    for name, value in {
        "HF_HUB_CACHE": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_XET": True,  # it talks to another server
        "HF_HUB_DISABLE_PROGRESS_BARS": True,
    }.items():
        monkeypatch.setattr(constants, name, value)
    with serve_hub() as (found, address):
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield found


@pytest.fixture(scope="session")
def published_once(tiny_runs, made_once, tiny):
    """A folder with a trained run, in which its published folder is. Read it only."""
    registry = zoo.create_registry()
    registry.add(zoo.Plugin("tiny", "third-party", "1.0", "tiny_plugin"), tiny)

    def publish(folder):
        shutil.copytree(tiny_runs / "tiny-cnn", folder / "tiny-cnn")
        (run,) = (folder / "tiny-cnn").iterdir()
        zoo.publish(str(run), registry=registry, data_dir=tiny_runs / "data")

    return made_once("published", publish) / "tiny-cnn"


@pytest.fixture
def published(published_once, tmp_path):
    """A trained run, and its published folder: a copy, because publishing again writes it."""
    shutil.copytree(published_once, tmp_path / "published-runs" / "tiny-cnn")
    (run,) = (tmp_path / "published-runs" / "tiny-cnn").iterdir()
    return zoo.Run.read(run), run / "published"


def upload(hub, folder, **changes):
    """Put a folder on the hub as it is, with some files changed or (None) left out."""
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    files |= {name.replace("__", "."): content for name, content in changes.items()}
    return hub.commit("me/tiny", {name: content for name, content in files.items() if content is not None})


def test_a_published_folder_has_weights_file_certificate_and_card(published, tiny_registry):
    run, folder = published
    names = {path.name for path in folder.iterdir()}
    named = {"best.safetensors", "run.json", "model.onnx", "model.onnx.json", "README.md", "config.json", "network.svg"}
    assert named <= names
    assert sha256(folder / "best.safetensors") == sha256(run.best)
    _, front, text = (folder / "README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(front)["library_name"] == "onnx"
    assert "zoo verify hf:USER/NAME" in text
    assert sha256(folder / "model.onnx") in text
    assert str(run.folder.parent.parent) not in (folder / "run.json").read_text() + text
    # it is a run folder too
    assert zoo.assess(zoo.open_model(str(folder), registry=tiny_registry), registry=tiny_registry).samples
    again = zoo.publish(str(run.folder), output=folder, registry=tiny_registry)
    assert set(again.files) >= names - {"test_data_set_0"}


@pytest.mark.parametrize(
    ("licence", "front_matter"),
    [
        ("Apache-2.0", {"license": "apache-2.0"}),
        ("my: own # licence", {"license": "other", "license_name": "my: own # licence"}),
    ],
)
def test_the_card_states_the_licence_and_ends_with_the_notes(published, tiny_registry, tmp_path, licence, front_matter):
    run, folder = published
    notes = tmp_path / "notes.md"
    notes.write_text("## Contact\n\nmé\n", encoding="utf-8")
    zoo.publish(str(run.folder), output=folder, license=licence, notes=notes, registry=tiny_registry)
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text.endswith("\n\n## Contact\n\nmé\n")
    found = yaml.safe_load(text.split("---\n", 2)[1])
    assert {key: found[key] for key in found if key.startswith("license")} == front_matter
    assert f"- **Licence:** {licence}\n" in text


def test_no_path_of_the_machine_is_published():
    config = {"data_folder": "/home/me", "git_commit": "1", "error": None, "log": ["mlflow"], "init_from": None}
    config["data"] = {"name": "photos", "path": "/home/me/photos"}
    for source, expected in {
        "/home/me/x.safetensors (SHA-256 12)": "x.safetensors (SHA-256 12)",
        r"C:\me\x.safetensors (SHA-256 12)": "x.safetensors (SHA-256 12)",
        "hf:a/b@c (SHA-256 12)": "hf:a/b@c (SHA-256 12)",
        "ImageNet": "ImageNet",
    }.items():
        found = public_record(config | {"init_from": source})
        assert found["init_from"] == expected
        assert "/home/me" not in json.dumps(found)


def test_publish_refuses_what_it_cannot_do(zoo_command, runs_dir, tiny_registry, tmp_path):
    run = train(tiny_registry, runs_dir, epochs=1)
    used = tmp_path / "used"
    used.mkdir()
    (used / "letter.txt").write_text("private")
    for arguments, message in (
        (["linear-regression"], "no run of linear-regression to publish"),
        ([run.folder, "--to", "name"], "must be USER/NAME"),
        ([run.folder, "--private"], "give --to USER/NAME too"),
        ([run.folder, "--license", "a\nb"], "--license must be a name of one line"),
        ([run.folder, "--license", " "], "--license must be a name of one line"),
        ([run.folder, "--notes", tmp_path / "none.md"], "--notes: there is no file"),
        ([run.folder, "--notes", run.best], "is not text in UTF-8"),
        ([run.folder, "-o", used], "is in use: it holds 'letter.txt'"),
    ):
        done = zoo_command("publish", *arguments, "--runs-dir", runs_dir, registry=tiny_registry)
        assert done.code == 2
        assert message in done.error


def test_publish_upload_verify_and_train_further(hub, zoo_command, runs_dir, tiny_registry):
    run = train(tiny_registry, runs_dir, epochs=2)
    done = zoo_command("publish", run.folder, "--to", "me/tiny", "--private", "--json", registry=tiny_registry)
    assert done.code == 0, done.err
    pinned = json.loads(done.out)["uploaded"]
    assert re.fullmatch("hf:me/tiny@[0-9a-f]{40}", pinned)
    assert hub.private["me/tiny"]
    _, files = hub.resolve("me/tiny", None)
    assert files["best.safetensors"] == run.best.read_bytes()
    assert not [name for name in files if name.endswith((".log", ".part", ".pkl"))]

    hub.commit("me/tiny", files | {"model.onnx.sig": b"of an earlier file", "notes.txt": b"of the user"})
    pinned = zoo.publish(str(run.folder), "me/tiny", registry=tiny_registry).uploaded
    _, files = hub.resolve("me/tiny", None)
    assert "model.onnx.sig" not in files
    assert "notes.txt" in files

    shutil.rmtree(run.folder)  # verify has the weights from the hub only
    done = zoo_command("verify", "hf:me/tiny", "--json", registry=tiny_registry)
    found = json.loads(done.out)
    assert done.code == 0, done.err
    assert found["complete"]
    assert {"hash", "certificate", "checkpoint", "rebuild", "test split"} <= {
        check["gate"] for check in found["checks"]
    }
    assert found["file"] == str(os.path.join(pinned, "model.onnx"))

    more = train(tiny_registry, runs_dir, epochs=1, init_from="hf:me/tiny")
    assert more.config["init_from"].startswith(f"{pinned} (SHA-256 ")
    got = {path.rpartition("/")[2] for method, path, _ in hub.requests if method == "GET" and "/resolve/" in path}
    assert got <= {"best.safetensors", "run.json", "model.onnx", "model.onnx.json"}
    assert all("pluggy-zoo" in agent for _, path, agent in hub.requests if "/resolve/" in path)


def test_an_earlier_revision_stays_what_it_was(hub, published, tiny_registry, runs_dir):
    _, folder = published
    first = upload(hub, folder)
    upload(hub, folder, best__safetensors=b"broken")
    run = train(tiny_registry, runs_dir, epochs=1, init_from=f"hf:me/tiny@{first}")
    assert first in run.config["init_from"]
    with pytest.raises(zoo.ZooError, match="not those that its certificate names"):
        train(tiny_registry, runs_dir, epochs=1, init_from="hf:me/tiny")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"best__safetensors": None}, "has no best.safetensors, so `zoo publish` did not write it"),
        ({"best__safetensors": b"\x80\x04pickle", "model__onnx__json": None}, "header is damaged"),
        ({"best__safetensors": b"x" * 100}, "not those that its certificate names"),
        ({"model__onnx__json": b"[]"}, "is damaged"),
        ({"model__onnx__json": b"{}"}, "not those that its certificate names"),
    ],
)
def test_damaged_weights_of_the_hub_are_one_line(changes, message, hub, published, tiny_registry, runs_dir):
    upload(hub, published[1], **changes)
    with pytest.raises(zoo.ZooError, match=message):
        train(tiny_registry, runs_dir, epochs=1, init_from="hf:me/tiny")


@pytest.mark.parametrize(("size", "message"), [(3 * 2**30, "at most"), (5, "Cannot download|the hub lists")])
def test_sizes_are_checked(size, message, hub, published, tiny_registry, runs_dir):
    upload(hub, published[1])
    hub.listed_sizes["best.safetensors"] = size
    with pytest.raises(zoo.ZooError, match=message):
        train(tiny_registry, runs_dir, epochs=1, init_from="hf:me/tiny")


def test_a_changed_file_of_the_hub_fails_verification(hub, published, tiny_registry):
    _, folder = published
    content = bytearray((folder / "model.onnx").read_bytes())
    content[-20] ^= 1
    upload(hub, folder, model__onnx=bytes(content))
    assert not zoo.verify("hf:me/tiny", registry=tiny_registry).passed


def test_a_path_that_a_stranger_wrote_is_not_opened(hub, published, tiny_registry, monkeypatch):
    upload(hub, published[1])
    usual = zoo.verification.checkpoint.load_trained

    def of_files(run, registry):
        found = usual(run, registry)
        found.metadata["data"]["path"] = "/somewhere/table.csv"
        return found

    monkeypatch.setattr("zoo.verification.checkpoint.load_trained", of_files)
    monkeypatch.setattr("zoo.verification.checkpoint.check_checkpoint", lambda *_: zoo.Check("checkpoint", True, ""))
    found = zoo.verify("hf:me/tiny", registry=tiny_registry)
    assert found.passed
    assert "its author's own files, /somewhere/table.csv" in " ".join(found.not_checked.values())


def test_no_token_no_upload_and_no_model(hub, published, tiny_registry, monkeypatch, zoo_command):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    done = zoo_command("publish", published[0].folder, "--to", "me/tiny", registry=tiny_registry)
    assert done.code == 1
    assert "Cannot upload to me/tiny" in done.error
    assert "hf auth login" in done.error
    done = zoo_command("verify", "hf:me/none", registry=tiny_registry)
    assert done.code == 1
    assert "Cannot download hf:me/none" in done.error


def test_private_does_not_upload_to_a_public_repository(hub, published, tiny_registry):
    first = upload(hub, published[1])
    with pytest.raises(zoo.ZooError, match="is public; nothing was uploaded"):
        zoo.publish(str(published[0].folder), "me/tiny", private=True, registry=tiny_registry)
    assert list(hub.repositories["me/tiny"]) == [first]


def test_a_hub_that_does_not_answer_is_one_line(hub, monkeypatch, tiny_registry):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(zoo.ZooError, match="Cannot download hf:me/tiny"):
        zoo.verify("hf:me/tiny", registry=tiny_registry)


@pytest.mark.parametrize(
    "name",
    ["hf:", "hf:a", "hf:a/b/c", "hf:../b", "hf:a/..", "hf:a/b@", "hf:a/b@..", "hf:a/b@x/../y", "hf:a/b c", "hf:a/b@-x"],
)
def test_malformed_names_are_refused(name):
    with pytest.raises(zoo.UsageError, match="must be hf:USER/NAME"):
        parse_reference(f"hf:{name}")


def test_sound_names():
    assert parse_reference("hf:a/b") == ("a/b", None)
    assert parse_reference("hf:My-Org/net_1.5@refs/pr/3") == ("My-Org/net_1.5", "refs/pr/3")


def test_without_huggingface_hub_there_is_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(zoo.UsageError, match=r"pip install 'pluggy-zoo\[hub\]'"):
        zoo.verify("hf:a/b")
