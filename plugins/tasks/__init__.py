"""The tasks of the built-in networks: one class out of several, yes or no, numbers."""

from __future__ import annotations

from collections.abc import Callable

from zoo import Metric, Task, hookimpl

_ACCURACY = Metric(name="accuracy", percent=True)


@hookimpl
def register_tasks(register: Callable[[Task], None]) -> None:
    """Register all three; for user files, the first one that fits is taken."""
    register(
        Task(
            name="classification",
            summary="one class out of several",
            methods="zoo.plugins.tasks.methods:Classification",
            predicts="class",
            metrics=(_ACCURACY,),
            outputs=("logits", "probabilities"),
            constant="most frequent class",
            hyperparameters=("label_smoothing",),
            pipelines={"image": "image-classification", "table": "tabular-classification"},
        )
    )
    register(
        Task(
            name="binary",
            summary="yes or no",
            methods="zoo.plugins.tasks.methods:Binary",
            predicts="class",
            metrics=(_ACCURACY, Metric(name="auc", title="AUC"), Metric(name="f1", title="F1")),
            outputs=("logits", "probabilities"),
            num_outputs=1,
            labels=("no", "yes"),
            constant="most frequent class",
            hyperparameters=("label_smoothing",),
            pipelines={"image": "image-classification", "table": "tabular-classification"},
        )
    )
    register(
        Task(
            name="regression",
            summary="one number or several",
            methods="zoo.plugins.tasks.methods:Regression",
            predicts="numbers",
            metrics=(
                Metric(name="mae", title="MAE", higher_is_better=False),
                Metric(name="rmse", title="RMSE", higher_is_better=False),
                Metric(name="r2", title="R²"),
            ),
            outputs=("prediction",),
            constant="median of the training targets",
            hyperparameters=("target_scale", "huber"),
            pipelines={"image": "image-feature-extraction", "table": "tabular-regression"},
        )
    )
