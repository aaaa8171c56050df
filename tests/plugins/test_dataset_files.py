"""Files of the bundled datasets: missing, larger than published, or unreadable for another reason."""

import zipfile

import pytest
import torchvision
from zoo.plugins.datasets import tables, vision
from zoo.plugins.torchvision_models import model as torchvision_model

from zoo import DataError, DataUnavailable, load_dataset


def test_tables_that_are_not_here_are_named(tmp_path):
    for name, load in (("bike-sharing", tables.load_bike_sharing), ("diabetes", tables.read_diabetes)):
        with pytest.raises(DataUnavailable, match=rf"^{name} is not in {tmp_path}\.$"):
            load(tmp_path, download=False)


def test_an_archive_with_a_larger_file_than_published_is_not_extracted(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "download", "w") as archive:
        archive.writestr("hour.csv", "a" * 100)
    monkeypatch.setattr(tables, "LARGEST_MEMBER", 100)
    assert tables._extracted(tmp_path / "download", "hour.csv").read_text() == "a" * 100
    (tmp_path / "extracted").unlink()
    monkeypatch.setattr(tables, "LARGEST_MEMBER", 99)
    with pytest.raises(ValueError, match=r"^hour\.csv is larger than the published file$"):
        tables._extracted(tmp_path / "download", "hour.csv")
    assert not (tmp_path / "extracted").exists()


def test_cifar10_that_is_not_here_is_not_called_damaged(tmp_path):
    with pytest.raises(DataUnavailable, match=rf"^cifar10 is not in {tmp_path}\.$"):
        vision.load_cifar10(tmp_path, download=False)
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(DataError, match="checksums"):
        vision.load_cifar10(tmp_path, download=False)


def test_another_error_of_torchvision_keeps_its_text(tmp_path, registry, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("DataLoader worker is killed")

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", broken)
    with pytest.raises(DataError, match=r"^Cannot read cifar10 from .*RuntimeError: DataLoader worker is killed\.$"):
        load_dataset(registry.dataset("cifar10"), tmp_path, download=False)


def test_a_network_of_torchvision_without_weights_says_so(monkeypatch):
    monkeypatch.setattr(torchvision.models, "get_model_weights", lambda name: object())
    with pytest.raises(ValueError, match=r"^torchvision has no weights for resnet18$"):
        torchvision_model.pretrained("resnet18")
