"""Draws the plots of the documentation: ``python docs/pictures.py [NAME...]`` writes docs/images/NAME.png.

``python docs/pictures.py --check`` draws nothing. It compares the numbers that each picture depends on, in
docs/images/pictures.json, with those of today: recorded results, recipes and data. The exit code is 1 if one differs.
The picture googlenet-mini trains for minutes, or takes the run of ``--run FOLDER``.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import zoo
from zoo.specs.hyperparameters import resolve
from zoo.specs.results import recorded_results

IMAGES = Path(__file__).parent / "images"
NUMBERS = IMAGES / "pictures.json"
COMPARED, TRAINED, SEARCHED = "mnist", "googlenet-mini", "lenet"


def compared() -> dict:
    """What docs/images/compare.png shows: every recorded result on MNIST and its costs."""
    registry = zoo.create_registry()
    records = {spec.name: recorded_results(spec) for spec in registry.architectures.values()}
    return {
        name: {
            "accuracy": [trial["test"]["accuracy"] for trial in record["trials"]],
            **{cost: record[cost] for cost in ("parameters", "bytes", "latency_seconds")},
        }
        for name, record in records.items()
        if record and record["dataset"] == COMPARED
    }


def recipe(name: str) -> dict:
    """What a training of an architecture depends on, beside its code."""
    registry = zoo.create_registry()
    spec = registry.architecture(name)
    options = {option.name: option.default for option in spec.options}
    data = registry.dataset(spec.dataset).fingerprint
    return {
        "parameters": spec.parameters,
        "data": data,
        "options": options,
        "recipe": dict(spec.hyperparameters),
    }


def trained() -> dict:
    """What docs/images/googlenet-mini.png depends on: a recipe, and the record, which other weights would change.

    It shows a training with seed 0. On another processor or with other threads, its last digits differ from the record.
    """
    record = recorded_results(zoo.create_registry().architecture(TRAINED))
    assert record is not None
    first = next(trial for trial in record["trials"] if trial["seed"] == 0)
    return {**recipe(TRAINED), "accuracy": first["test"]["accuracy"]}


def searched() -> dict:
    """What docs/images/find-lr.png shows: the learning-rate finder on LeNet."""
    from zoo.training import lr_finder

    names = ("LOWEST", "HIGHEST", "STEPS", "SMOOTHING", "FALLEN", "DIVERGED")
    return {**recipe(SEARCHED), "finder": {name: getattr(lr_finder, name) for name in names}}


def draw_compared(path: Path, _: Path | None) -> None:
    """The accuracy against the recorded costs. The runs of this machine are left out."""
    with tempfile.TemporaryDirectory() as empty:
        found = zoo.compare(dataset=COMPARED, runs_dir=empty)
    for candidate in found.candidates:
        candidate.costs["latency"] = compared()[candidate.name]["latency_seconds"]
    zoo.draw_comparison(found, path)


def draw_trained(path: Path, folder: Path | None) -> None:
    """The curves of a training with seed 0."""
    run = zoo.Run.read(folder) if folder else zoo.train(TRAINED, seed=0)
    expected = resolve(recipe(TRAINED)["recipe"]).as_dict()
    if run.config["seed"] or run.config["hyperparameters"] != expected:
        sys.exit(f"{run.folder} is not a training of {TRAINED} with its recipe and seed 0.")
    path.write_bytes(run.curves.read_bytes())
    print(f"test accuracy {run.config['results']['test']['accuracy']:.2%}, recorded {trained()['accuracy']:.2%}")


def draw_searched(path: Path, _: Path | None) -> None:
    """The loss over the learning rate."""
    zoo.find_lr(SEARCHED, output=path, device="cpu")


PICTURES = {
    "compare": (compared, draw_compared),
    "googlenet-mini": (trained, draw_trained),
    "find-lr": (searched, draw_searched),
}


def stale(recorded: dict) -> list[str]:
    """A line for each picture whose numbers differ from those of today, or that is missing."""
    lines = []
    for name, (numbers, _) in PICTURES.items():
        today, then = json.loads(json.dumps(numbers())), recorded.get(name, {})
        changed = sorted(key for key in {*today, *then} if today.get(key) != then.get(key))
        if changed or not (IMAGES / f"{name}.png").is_file():
            what = ", ".join(changed) or "the file is missing"
            lines.append(f"docs/images/{name}.png is out of date ({what}). Run: python docs/pictures.py {name}")
    return lines


def main() -> int:
    """Draw or check."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PICTURES)}; default: all")
    parser.add_argument("--check", action="store_true", help="only say which pictures are out of date")
    parser.add_argument("--run", type=Path, help=f"a finished run of {TRAINED} to draw, in place of a new training")
    arguments = parser.parse_args()
    recorded = json.loads(NUMBERS.read_text()) if NUMBERS.is_file() else {}
    if arguments.check:
        lines = stale(recorded)
        print("\n".join(lines), file=sys.stderr, end="\n" if lines else "")
        return bool(lines)
    for name in arguments.names or PICTURES:
        numbers, draw = PICTURES[name]
        draw(IMAGES / f"{name}.png", arguments.run)
        recorded[name] = numbers()
        NUMBERS.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
