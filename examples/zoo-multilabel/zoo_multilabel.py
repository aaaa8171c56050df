"""The task ``multilabel``, the dataset ``several-digits`` and the network ``multilabel-mini``. Imports no torch."""

from zoo import Architecture, Dataset, Metric, Task, hookimpl


@hookimpl
def register_tasks(register):
    register(
        Task(
            name="multilabel",
            summary="any number of labels for each sample",
            methods="zoo_multilabel_parts:Multilabel",
            predicts="discrete",
            metrics=(
                Metric(name="exact_match", title="exact match", percent=True),
                Metric(name="label_accuracy", title="label accuracy", percent=True),
                Metric(name="macro_f1", title="macro F1"),
            ),
            outputs=("logits", "probabilities"),
            constant="most frequent answer for each label",
            hyperparameters=("label_smoothing",),
            pipelines={"image": "image-classification"},
        )
    )


@hookimpl
def register_datasets(register):
    register(
        Dataset(
            name="several-digits",
            summary="one to three handwritten digits in an image; the labels are the digits that occur",
            task="multilabel",
            loader="zoo_multilabel_parts:load_several_digits",
            input_shape=(1, 16, 24),
            num_outputs=10,
            labels=tuple(map(str, range(10))),
            sizes={"train": 4_000, "test": 800},
            licence="CC-BY-4.0",
            source="scikit-learn's load_digits: Alpaydin and Kaynak 1998, https://doi.org/10.24432/C50P49",
        )
    )


@hookimpl
def register_architectures(register):
    register(
        Architecture(
            name="multilabel-mini",
            summary="three convolutions, the largest value of each channel, one linear layer",
            task="multilabel",
            builder="zoo_multilabel_parts:build",
            dataset="several-digits",
            parameters=19_258,
            hyperparameters={"epochs": 12, "batch_size": 50, "lr": 0.02},
        )
    )
