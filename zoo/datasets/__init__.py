"""The datasets that come with the zoo, registered like any other plugin's."""

from __future__ import annotations

from collections.abc import Callable

from zoo import Dataset, hookimpl

DIGITS = tuple("0123456789")


@hookimpl
def register_datasets(register: Callable[[Dataset], None]) -> None:
    """Register ``mnist`` and ``digits``."""
    register(
        Dataset(
            name="mnist",
            summary="handwritten digits, 28x28 grey",
            task="classification",
            loader="zoo.datasets.mnist:load",
            input_shape=(1, 28, 28),
            num_outputs=10,
            labels=DIGITS,
            sizes={"train": 60_000, "test": 10_000},
            files=(
                "MNIST/raw/train-images-idx3-ubyte",
                "MNIST/raw/train-labels-idx1-ubyte",
                "MNIST/raw/t10k-images-idx3-ubyte",
                "MNIST/raw/t10k-labels-idx1-ubyte",
            ),
            fingerprint="11de40ec28a7c150195b86fd3a818037e73f1e8d04ab1621d02836dbdf8a2d54",
            licence="CC BY-SA 3.0",
            source="LeCun, Cortes, Burges: The MNIST database of handwritten digits",
            stand_in="digits",
        )
    )
    register(
        Dataset(
            name="digits",
            summary="handwritten digits bundled with scikit-learn, 8x8 enlarged and centred on 28x28 grey",
            task="classification",
            loader="zoo.datasets.digits:load",
            input_shape=(1, 28, 28),
            num_outputs=10,
            labels=DIGITS,
            sizes={"train": 1_437, "test": 360},
            fingerprint="b0dcde4097afbe24c04f3f857ba04712b82e5f5b1ea23cc1c335600690108516",
            licence="CC BY 4.0",
            source="Alpaydin, Kaynak: Optical Recognition of Handwritten Digits, UCI, 1998 (its test part)",
            # forty times fewer samples than MNIST: more passes, smaller batches
            hyperparameters={"epochs": 30, "batch_size": 64},
        )
    )
