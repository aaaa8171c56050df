"""The plugin contract: what every plugin must do, and everything that it registers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement of the plugin contract.

    Args:
        name: of the check.
        description: what is required.
        module: the module of this package with the function that checks it.
        needs: the check without which this one says nothing; if it fails, this one is skipped.
    """

    name: str
    description: str
    module: str
    needs: str = ""


def _requirements(module: str, needs: str = "", **descriptions: str) -> tuple[Requirement, ...]:
    """The requirements by name. Each of them needs the check ``needs``."""
    return tuple(Requirement(name.replace("_", "-"), text, module, needs) for name, text in descriptions.items())


REQUIREMENTS: dict[str, tuple[Requirement, ...]] = {
    "plugin": _requirements(
        "plugin",
        loads="it can be imported, and everything that it registers is accepted",
        package="its package declares which versions of pluggy-zoo it supports",
    )
    + _requirements(
        "plugin",
        needs="loads",
        cheap="importing it is fast and imports no heavy package",
        global_state="loading it replaces nothing in builtins, click, pluggy, torch or zoo, nor changes the process",
        references="every import string names something that exists and can be called",
        family="find_architecture knows its sample names, and returns None for any other name",
    ),
    "architecture": _requirements(
        "architecture",
        dataset="its dataset is registered and has the same task",
    )
    + _requirements(
        "architecture",
        needs="dataset",
        shapes="it builds for several input shapes and output counts, or refuses with ValueError; outputs are finite",
    )
    + _requirements(
        "architecture",
        needs="shapes",
        parameters="the number of trainable parameters is as declared",
        batches="the output of a sample does not depend on the rest of the batch, also at batch size 1",
        gradients="every parameter gets a finite gradient",
        logits="it returns logits or raw predictions, not probabilities",
        seed="the same seed gives the same weights",
        evaluation="in evaluation mode it is deterministic and does not change its state",
        learns="it can overfit a single batch",
    )
    + _requirements(
        "training",
        needs="shapes",
        trains="the trainer of the zoo can train it",
        checkpoint="a checkpoint that is loaded again gives the same outputs",
        resume="a run that is stopped after an epoch and resumed gives the same weights as one that was not stopped",
        export="it can be exported to an ONNX file that passes all gates",
        weights="the weights and results that it ships exist and can be read",
    ),
    "dataset": _requirements(
        "dataset",
        described="it declares its licence, source, sizes and classes",
        offline="with download=False it uses no network; if files are missing it raises zoo.DataUnavailable",
        stand_in="its stand-in is bundled and has the same task and number of dimensions",
        loads="shapes, types, ranges and sizes are as declared",
    )
    + _requirements(
        "dataset",
        needs="loads",
        fingerprint="loading it twice gives the same data, with the declared fingerprint if there is one",
        labels="every class occurs in the training split and in the test split",
        disjoint="the test samples are not in the training split",
    ),
    "exporter": _requirements(
        "exporter",
        writes="it exports a correct network, and its own checks pass",
    )
    + _requirements(
        "exporter",
        needs="writes",
        repeatable="the same network gives the same bytes",
        refuses_other_weights="its checks refuse a file with slightly different weights",
        refuses_damage="its checks refuse a truncated file",
    ),
    "task": _requirements(
        "methods",
        loss="its training loss is a finite scalar with finite gradients",
    )
    + _requirements(
        "methods",
        needs="loss",
        averages="its loss is a mean over the batch: a batch in two parts gives the same loss",
        metrics="it computes the metrics that it declares; those of a sample do not depend on the batch",
        choice="a lower loss, or a better main metric, gives a higher score",
        decisions="discrete predictions change only if the outputs change by their margin or more",
        answers="an exported model has the outputs that it declares",
        describes="a prediction is described by named numbers",
    ),
    "input": _requirements(
        "methods",
        examples="its random samples have the declared type and shape, and it finds no fault with them",
    )
    + _requirements(
        "methods",
        needs="examples",
        normalises="its normalisation treats each sample alone, gives finite inputs, and can be loaded again",
        hostile="its hostile inputs have the shape and type of samples, depend on the seed only, and become finite",
        exports="a network behind its normalisation trains, and exports to an ONNX file that passes all gates",
        reads="whatever a user's file holds, it is read as samples or gives an error in one line",
    ),
    "optimizer": _requirements(
        "recipe_parts",
        trains="a network trains with it",
        resume="a run that is stopped after an epoch and resumed gives the same weights as one that was not stopped",
    ),
    "schedule": _requirements(
        "recipe_parts",
        factors="it gives a finite factor of at least 0 everywhere, always the same",
        trains="a network trains with it",
        resume="a run that is stopped after an epoch and resumed gives the same weights as one that was not stopped",
    ),
    "augmentation": _requirements(
        "recipe_parts",
        draws="everything random comes from the generator that it gets",
        applies="it keeps shape and range, changes nothing in place, and treats each sample alone",
        trains="a network trains with it",
        resume="a run that is stopped after an epoch and resumed gives the same weights as one that was not stopped",
    ),
    "loss": _requirements(
        "recipe_parts",
        computes="it gives a finite scalar with finite gradients for each of its tasks",
        averages="it is a mean over the batch: a batch in two parts gives the same loss",
        trains="a network trains with it",
        resume="a run that is stopped after an epoch and resumed gives the same weights as one that was not stopped",
    ),
    "command": _requirements(
        "command",
        help="its help describes it and shows an example",
        cheap="its help imports no heavy package",
    ),
}
"""What each kind of item must meet, in the order of the checks."""
