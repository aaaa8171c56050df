import dataclasses

import numpy as np
import pytest
import torch

from zoo import DataError, DataUnavailable, Preprocess, Split, Splits, fingerprint, load_dataset, stratified_split
from zoo.data.loading import load_for
from zoo.data.splits import check_splits, hold_out_validation


def some_splits(train=200, test=50):
    random = torch.Generator().manual_seed(0)
    return Splits(*(
        Split(torch.randint(0, 256, (n, 1, 4, 4), generator=random).to(torch.uint8),
              torch.randint(0, 2, (n,), generator=random))
        for n in (train, test)
    ))  # fmt: skip


@pytest.mark.parametrize("held_out", [1, 7, 100, 333])
def test_a_stratified_split_is_exact_disjoint_and_keeps_class_shares(held_out):
    targets = torch.tensor([0] * 600 + [1] * 300 + [2] * 100)[
        torch.randperm(1000, generator=torch.Generator().manual_seed(1))
    ]
    kept, held = stratified_split(targets, held_out, seed=0)
    assert len(held) == held_out
    assert sorted([*kept.tolist(), *held.tolist()]) == list(range(1000))
    for label, share in enumerate((0.6, 0.3, 0.1)):
        assert abs(int((targets[held] == label).sum()) - share * held_out) < 1


def test_a_stratified_split_depends_on_the_seed_alone():
    targets = torch.randint(0, 3, (500,), generator=torch.Generator().manual_seed(1))
    first, again, other = (stratified_split(targets, 50, seed)[1] for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_validation_samples_come_from_the_training_split_only():
    splits = some_splits()
    held = hold_out_validation(splits)
    assert (len(held.train), len(held.validation), len(held.test)) == (180, 20, 50)
    rows = [tuple(row.flatten().tolist()) for row in torch.cat([held.train.inputs, held.validation.inputs])]
    assert sorted(rows) == sorted(tuple(row.flatten().tolist()) for row in splits.train.inputs)
    assert torch.equal(held.test.inputs, splits.test.inputs)


def test_a_validation_split_of_the_dataset_is_kept():
    splits = dataclasses.replace(some_splits(), validation=some_splits(30, 5).train)
    assert hold_out_validation(splits) is splits


def test_the_fingerprint_depends_on_every_sample_and_target():
    splits = some_splits()
    assert fingerprint(splits) == fingerprint(some_splits())
    for tensor in (splits.train.inputs, splits.train.targets, splits.test.inputs, splits.test.targets):
        changed = fingerprint(splits)
        tensor.view(-1)[-1] ^= 1
        assert fingerprint(splits) != changed


def test_batches_cover_a_split_once_in_order():
    split = some_splits().train
    batches = list(split.batches(64))
    assert [len(batch) for batch in batches] == [64, 64, 64, 8]
    assert torch.equal(torch.cat([batch.inputs for batch in batches]), split.inputs)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda s: Split(s.inputs.float(), s.targets), "float32"),
        (lambda s: Split(s.inputs[:, :, :3], s.targets), "shape"),
        (lambda s: Split(s.inputs, s.targets[:-1]), "targets"),
        (lambda s: Split(s.inputs, s.targets + 1), "outside"),
        (lambda s: Split(s.inputs, s.targets.float()), "float32"),
        (lambda s: Split(s.inputs[:0], s.targets[:0]), "empty"),
        (lambda s: Split(s.inputs[:-1], s.targets[:-1]), "samples"),
    ],
)
def test_data_that_contradicts_its_declaration_is_refused(change, problem, tiny_registry):
    bars = tiny_registry.dataset("bars")
    good = some_splits(200, 60)
    task = tiny_registry.task(bars.task)
    kind = tiny_registry.input_of(bars.input, bars.input_shape)
    check_splits(bars, task, kind, good)
    with pytest.raises(DataError, match=problem):
        check_splits(bars, task, kind, Splits(change(good.train), good.test))


def test_every_split_is_checked_and_named_and_the_test_split_only_if_it_was_read(tiny_registry):
    bars = tiny_registry.dataset("bars")
    good, wrong = some_splits(200, 60), Split(torch.zeros(0, 1), torch.zeros(0))
    declared = (bars, tiny_registry.task(bars.task), tiny_registry.input_of(bars.input, bars.input_shape))
    for name in ("train", "test", "validation"):
        with pytest.raises(DataError, match=f"^Dataset bars: the {name} split "):
            check_splits(*declared, dataclasses.replace(good, **{name: wrong}), usual=False)
    check_splits(*declared, dataclasses.replace(good, test=wrong), with_test=False)
    with pytest.raises(DataError, match="the train split"):
        check_splits(*declared, dataclasses.replace(good, train=wrong), with_test=False)


def test_preprocess_standardises_images_by_channel():
    images = torch.randint(0, 256, (50, 3, 5, 6), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    images[:, 1] = images[:, 1] // 4
    out = Preprocess.fit(images)(images)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5, rtol=0)


def test_preprocess_standardises_columns_and_leaves_a_constant_one_finite():
    columns = torch.randn(100, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 1000.0, 0.0]) + 5
    out = Preprocess.fit(columns)(columns)
    torch.testing.assert_close(out.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(out.std(0, correction=0), torch.tensor([1.0, 1.0, 0.0]), atol=1e-4, rtol=0)


def test_preprocess_computes_in_its_own_precision():
    images = torch.randint(0, 256, (4, 1, 5, 5)).to(torch.uint8)
    assert Preprocess.fit(images).double()(images).dtype == torch.float64


def test_digits_are_centred_as_in_mnist(registry, tmp_path):
    data = load_dataset(registry.dataset("digits"), tmp_path)
    images = torch.cat([data.splits.train.inputs, data.splits.validation.inputs, data.splits.test.inputs]).double()
    assert len(images) == 1797
    weight = images.sum((1, 2, 3))
    for axis, size in ((2, 28), (3, 28)):
        place = torch.arange(size, dtype=torch.float64).view([-1 if d == axis else 1 for d in range(4)])
        centre = (images * place).sum((1, 2, 3)) / weight
        # half a pixel, unless a centred digit would not fit into the image
        assert (abs(centre - 13.5) <= 0.5 + 1e-9).double().mean() > 0.99
    assert images.max() == 255
    assert (images[:, :, :2, :2] == 0).all()


def test_digits_are_the_images_of_scikit_learn(registry, tmp_path):
    from sklearn.datasets import load_digits

    data = load_dataset(registry.dataset("digits"), tmp_path)
    targets = torch.cat([data.splits.train.targets, data.splits.validation.targets, data.splits.test.targets])
    assert np.array_equal(np.bincount(targets), np.bincount(load_digits().target))
    assert data.fingerprint == registry.dataset("digits").fingerprint


def test_without_data_and_network_the_stand_in_is_used_and_reported(registry, tmp_path, no_network, caplog):
    data = load_for(registry.architecture("resnet-mini"), registry, "mnist", tmp_path, fall_back=True)
    assert data.spec.name == "digits"
    assert data.stand_in_for == "mnist"
    assert str(data) == "digits (in place of mnist)"
    message = caplog.records[0].getMessage()
    for part in ("mnist", "digits", str(tmp_path), "zoo fetch mnist", "--data-dir"):
        assert part in message
    assert "\n" not in message
    assert not (tmp_path / "MNIST").exists()


def test_a_dataset_requested_by_name_has_no_stand_in(registry, tmp_path, no_network):
    with pytest.raises(DataUnavailable, match="zoo fetch mnist"):
        load_for(registry.architecture("resnet-mini"), registry, "mnist", tmp_path, fall_back=False)


def test_a_loader_that_fails_is_named_in_one_line(tiny_registry, tmp_path):
    def fails(folder, download):
        raise KeyError("column\nx")

    spec = dataclasses.replace(tiny_registry.dataset("bars"), loader=fails)
    with pytest.raises(DataError, match=r"Cannot read bars .*KeyError") as caught:
        load_dataset(spec, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_loader_that_returns_something_else_is_named(tiny_registry, tmp_path):
    spec = dataclasses.replace(tiny_registry.dataset("bars"), loader=lambda folder, download: (1, 2))
    with pytest.raises(DataError, match=r"bars returned tuple, not zoo\.Splits"):
        load_dataset(spec, tmp_path)


def test_four_samples_include_one_for_validation():
    splits = some_splits(4, 2)
    held = hold_out_validation(splits)
    assert (len(held.train), len(held.validation)) == (3, 1)


def test_data_with_another_fingerprint_is_refused(tiny_registry, tmp_path):
    spec = dataclasses.replace(tiny_registry.dataset("bars"), fingerprint="0" * 64)
    with pytest.raises(DataError, match=r"^bars is other data than published .* Reinstall the package"):
        load_dataset(spec, tmp_path)


def test_data_for_another_task_is_refused(registry, tmp_path):
    with pytest.raises(DataError, match="resnet-mini learns classification, but line is for regression"):
        load_for(registry.architecture("resnet-mini"), registry, "line", tmp_path, fall_back=False)
