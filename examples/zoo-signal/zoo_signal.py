"""The dataset ``heart-rhythms`` and the network ``signal-cnn``: the rhythm of a simulated heart. Imports no torch."""

from zoo import Architecture, Dataset, Option, hookimpl

RHYTHMS = ("regular", "early beat", "pause")
LENGTH = 256


@hookimpl
def register_datasets(register):
    register(
        Dataset(
            name="heart-rhythms",
            summary="four seconds of a simulated heart in millivolts, 64 values a second; for no medical use",
            task="classification",
            loader="zoo_signal_parts:load",
            input_shape=(1, LENGTH),
            num_outputs=len(RHYTHMS),
            labels=RHYTHMS,
            sizes={"train": 1_800, "test": 450},
            fingerprint="21c52cd90a9668a775d30eac02e048ba0f0bd0e60a1eb50bd214f59053e2825e",
            licence="CC0-1.0",
            source="simulated when it is loaded",
        )
    )


@hookimpl
def register_architectures(register):
    register(
        Architecture(
            name="signal-cnn",
            summary="convolutions over time with growing distances, then the mean and the maximum over time",
            task="classification",
            builder="zoo_signal_parts:SignalCNN",
            dataset="heart-rhythms",
            parameters=2_491,
            hyperparameters={"epochs": 8, "batch_size": 50, "lr": 0.02},
            options=(Option(name="width", default=8, help="channels of each convolution", minimum=1),),
            tags=("signal",),
        )
    )
