"""The declarations of the image datasets."""

from __future__ import annotations

from zoo import Dataset

DIGITS = tuple("0123456789")
IDX_FILES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")

IMAGES = (
    Dataset(
        name="mnist",
        summary="handwritten digits, 28x28 grey",
        task="classification",
        loader="zoo.plugins.datasets.vision:load_mnist",
        input_shape=(1, 28, 28),
        num_outputs=10,
        labels=DIGITS,
        sizes={"train": 60_000, "test": 10_000},
        files=tuple(f"MNIST/raw/{name}-ubyte" for name in IDX_FILES),
        fingerprint="11de40ec28a7c150195b86fd3a818037e73f1e8d04ab1621d02836dbdf8a2d54",
        licence="CC BY-SA 3.0",
        source="LeCun, Cortes, Burges: The MNIST database of handwritten digits",
        stand_in="digits",
    ),
    Dataset(
        name="fashion-mnist",
        summary="photographs of clothes, 28x28 grey",
        task="classification",
        loader="zoo.plugins.datasets.vision:load_fashion_mnist",
        input_shape=(1, 28, 28),
        num_outputs=10,
        labels=(
            "T-shirt/top",
            "trouser",
            "pullover",
            "dress",
            "coat",
            "sandal",
            "shirt",
            "sneaker",
            "bag",
            "ankle boot",
        ),
        sizes={"train": 60_000, "test": 10_000},
        files=tuple(f"FashionMNIST/raw/{name}-ubyte" for name in IDX_FILES),
        fingerprint="b42e0f3189f494f730119201c9e1a41654a875ffd564ea07b7cf8032d5327c02",
        licence="MIT",
        source="Xiao, Rasul, Vollgraf: Fashion-MNIST, https://arxiv.org/abs/1708.07747",
        stand_in="digits",
    ),
    Dataset(
        name="cifar10",
        summary="photographs of animals and vehicles, 32x32 in colour",
        task="classification",
        loader="zoo.plugins.datasets.vision:load_cifar10",
        input_shape=(3, 32, 32),
        num_outputs=10,
        labels=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        sizes={"train": 50_000, "test": 10_000},
        files=tuple(
            f"cifar-10-batches-py/{name}"
            for name in ("batches.meta", *(f"data_batch_{part}" for part in range(1, 6)), "test_batch")
        ),
        licence="not stated",
        source="Krizhevsky: Learning multiple layers of features from tiny images, 2009",
        stand_in="digits",
        hyperparameters={"epochs": 15, "shift": 4, "flip": True},
    ),
    Dataset(
        name="digits",
        summary="handwritten digits bundled with scikit-learn, 8x8 enlarged and centred on 28x28 grey",
        task="classification",
        loader="zoo.plugins.datasets.digits:load",
        input_shape=(1, 28, 28),
        num_outputs=10,
        labels=DIGITS,
        sizes={"train": 1_437, "test": 360},
        fingerprint="b0dcde4097afbe24c04f3f857ba04712b82e5f5b1ea23cc1c335600690108516",
        licence="CC BY 4.0",
        source="Alpaydin, Kaynak: Optical Recognition of Handwritten Digits, UCI, 1998 (its test part)",
        # forty times fewer samples than MNIST: more passes, smaller batches
        hyperparameters={"epochs": 30, "batch_size": 64},
    ),
)
