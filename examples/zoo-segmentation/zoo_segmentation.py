"""The task ``segmentation``, the dataset ``shapes`` and the network ``segment-mini``. Imports no torch."""

from zoo import Architecture, Dataset, Metric, Task, hookimpl

LABELS = ("background", "circle", "square", "triangle")


@hookimpl
def register_tasks(register):
    register(
        Task(
            name="segmentation",
            summary="the class of each pixel",
            methods="zoo_segmentation_parts:Segmentation",
            predicts="discrete",
            metrics=(
                Metric(name="iou", title="IoU", percent=True),
                Metric(name="pixel_accuracy", title="pixel accuracy", percent=True),
            ),
            outputs=("logits", "probabilities"),
            constant="most frequent class of a pixel",
            hyperparameters=("label_smoothing",),
            pipelines={"image": "image-segmentation"},
        )
    )


@hookimpl
def register_datasets(register):
    register(
        Dataset(
            name="shapes",
            summary="drawn circles, squares and triangles on a noisy background, with a mask",
            task="segmentation",
            loader="zoo_segmentation_parts:load_shapes",
            input_shape=(1, 32, 32),
            num_outputs=len(LABELS),
            labels=LABELS,
            sizes={"train": 2_000, "test": 400},
            fingerprint="7aa6a35eaab7c5ea5b993e7ac80fedebadc2b20504a314f121ccf31b1501ce93",
            licence="CC0-1.0",
            source="drawn when it is loaded",
        )
    )


@hookimpl
def register_architectures(register):
    register(
        Architecture(
            name="segment-mini",
            summary="two scales: convolutions at half the resolution, joined with those at full resolution",
            task="segmentation",
            builder="zoo_segmentation_parts:SegmentMini",
            dataset="shapes",
            parameters=13_156,
            hyperparameters={"epochs": 8, "batch_size": 50, "lr": 0.01},
            source="Ronneberger, Fischer, Brox 2015, https://arxiv.org/abs/1505.04597",
        )
    )
