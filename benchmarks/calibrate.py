"""Calibrate the shipped weights on the validation splits, and record it in the results that ship with them.

    python benchmarks/calibrate.py [NAMES]      # default: all classifiers with shipped weights

A training records its calibration itself. This is for weights that were recorded before, so that their files need not
change. The validation split is the one of the training; no test split is used.
"""

from __future__ import annotations

import sys

import torch

import zoo
from zoo.files import write_json
from zoo.models.inference import calibrate, confidence
from zoo.models.scores import logits_of
from zoo.models.trained import load_shipped
from zoo.specs.results import recorded_results


def main() -> None:
    """Print a table, and write ``calibration`` into each ``results.json``."""
    registry = zoo.create_registry()
    names = sys.argv[1:] or sorted(name for name, spec in registry.architectures.items() if spec.shipped_weights)
    print(f"{'name':<22}{'temperature':>12}{'limit':>8}{'right':>8}{'marked':>8}{'right above':>13}")
    for name in names:
        trained = load_shipped(name, registry)
        if not trained.task.decides:
            continue
        dataset = registry.dataset(trained.metadata["data"]["name"])
        loaded = zoo.load_dataset(dataset, zoo.data_folder())
        if loaded.fingerprint != trained.metadata["data"]["fingerprint"]:
            print(f"{name:<22}trained on other data than is here")
            continue
        split = loaded.splits.validation
        assert split is not None
        logits = logits_of(trained.module, split, torch.device("cpu"))
        right = (trained.task.decisions(logits) == split.targets).numpy()
        found = calibrate(logits.numpy(), split.targets.numpy())
        if found is None:
            continue
        sure = confidence(logits.numpy(), found["temperature"]) >= found["limit"]
        print(
            f"{name:<22}{found['temperature']:>12.3f}{found['limit']:>8.3f}{right.mean():>8.2%}{(~sure).mean():>8.2%}"
            f"{right[sure].mean():>13.2%}",
            flush=True,
        )
        path = registry.architecture(name).results
        assert path is not None
        record = recorded_results(registry.architecture(name))
        assert record is not None
        write_json(path, record | {"calibration": {"weights_sha256": trained.sha256, **found}})


if __name__ == "__main__":
    main()
