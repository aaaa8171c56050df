"""Fuzzing of what reads the JSON of runs, certificates and exported files, with atheris: `pip install atheris`.

    python benchmarks/fuzz_json.py run|metrics|certificate|metadata [CORPUS] [-max_total_time=SECONDS]

Each input is a file of tests/fixtures with one or more values exchanged, removed, repeated or moved; now and then also
its bytes change. It may be refused by a ZooError of one line. What is accepted is used as the commands use it; there,
any exception is a crash.
"""

from __future__ import annotations

import copy
import json
import os
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["zoo.runs", "zoo.verification", "zoo.models.description", "zoo.schema"]):
    from zoo.models.description import ModelDescription
    from zoo.runs import finding, record
    from zoo.runs.run import Run
    from zoo.verification import binding, certificate_file

import zoo
from zoo import ZooError
from zoo.commandline import views
from zoo.evaluation.measurement import random_batch
from zoo.specs.references import resolve_reference

FIXTURES = Path(__file__).parents[1] / "tests" / "fixtures"
BOUND = FIXTURES / "0.1-bound" / "linear-regression.onnx"
SCRATCH = Path(tempfile.mkdtemp(prefix="zoo-fuzz-"))
EXPORTER = zoo.create_registry().exporter("onnx")
INSPECTION = resolve_reference(EXPORTER.inspect or "")(BOUND)
RIGHT = json.loads(BOUND.with_name(f"{BOUND.name}.json").read_bytes())
STRANGE: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**53, 2**63, 2**64, 10**400, 0.0, -0.0, 1e308, 1e-320, "", " ", "NaN",
    "\n", "\0", "\ud800", "\x1b[31m", "../..", "a" * 300, [], {}, [[]], [None], {"": 0}, {"accuracy": 2}, [0] * 9,
)  # fmt: skip


def mutate(content: bytes, largest: int, seed: int) -> bytes:
    """Exchange, remove, repeat or move values of a JSON text; sometimes change its bytes."""
    source = random.Random(seed)
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return bytes(atheris.Mutate(content, largest))
    if source.random() < 0.05:
        return bytes(atheris.Mutate(content, largest))
    for _ in range(source.choice((1, 1, 1, 2, 5))):
        places = list(_places(value))
        if not places:
            break
        holder, key = source.choice(places)
        action = source.randrange(5)
        if action == 0:
            del holder[key]
        elif action == 1:
            other, place = source.choice(places)
            holder[key] = copy.deepcopy(other[place]) if _is_there(other, place) else None
        elif action == 2 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif action == 3 and type(holder[key]) in (int, float) and abs(holder[key]) < 1e300:
            holder[key] = holder[key] * source.choice((-1, 2, 0.5, 1e300)) + source.choice((0, 1, 1e-9))
        else:
            holder[key] = copy.deepcopy(source.choice(STRANGE))
    return json.dumps(value).encode()[:largest]


def _places(value: Any) -> Any:
    """Every place of a value in lists and objects, as the container and the key."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _is_there(holder: Any, key: Any) -> bool:
    return key in holder if isinstance(holder, dict) else key < len(holder)


def check_message(error: Exception) -> None:
    """An error is one line of bounded length."""
    assert "\n" not in str(error)
    assert len(str(error)) < 2_000


def read_run(content: bytes) -> None:
    """A run is listed, ranked and shown."""
    (SCRATCH / "run.json").write_bytes(content)
    try:
        run = Run.read(SCRATCH)
    except ZooError as error:
        check_message(error)
        return
    finding.rank(run)
    views.runs([run], [])
    json.dumps(run.config)


def read_metrics(content: bytes) -> None:
    """The epochs that are read rise, and become a table."""
    (SCRATCH / "metrics.jsonl").write_bytes(content.replace(b"}, {", b"}\n{").strip(b"[]") + b"\n")
    entries, error = record.read_entries(SCRATCH / "metrics.jsonl")
    if error is not None:
        check_message(error)
    epochs = [entry["epoch"] for entry in entries]
    assert epochs == sorted(set(epochs))
    if error is None:
        Run(SCRATCH, {}).write_table()


def read_certificate(content: bytes) -> None:
    """A certificate is refused, or compared with the file; one with other content does not pass."""
    try:
        certificate = certificate_file.parse_certificate(content, Path("net.onnx.json"))
    except ZooError as error:
        check_message(error)
        return
    check = binding.check_certificate(file_of(certificate), certificate)
    assert "\n" not in check.summary
    binding.check_hash_of(file_of(certificate), certificate)
    binding.exported_on(file_of(certificate))
    if check.passed:
        assert json.loads(content) == RIGHT or certificate.bound is None


def read_metadata(content: bytes) -> None:
    """The description of an exported file is refused, or enough to make an input and to name the answers."""
    try:
        read = json.loads(content)
    except (ValueError, RecursionError):
        return
    if not isinstance(read, dict):
        return
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in read.items()}
    try:
        description = ModelDescription.from_metadata(texts)
    except ZooError as error:
        check_message(error)
        return
    for place in range(3):
        description.label(place)
    _ = description.calibration, description.mean_pixel, description.takes_images
    if len(description.input_shape) * max(description.input_shape) < 10**4 and len(description.input_shape) < 4:
        random_batch(description, 1)


def file_of(certificate: certificate_file.RecordedCertificate) -> binding.FileUnderTest:
    """The exported file of the fixtures, with this certificate."""
    known = RIGHT["file"]
    return binding.FileUnderTest(
        path=BOUND,
        sha256=known["sha256"],
        bytes=known["bytes"],
        exporter=EXPORTER,
        inspection=INSPECTION,
        certificate=certificate,
        max_drop=1.0,
    )


def seeds(kind: str) -> list[bytes]:
    """The inputs to begin with."""
    certificates = [path.read_bytes() for path in sorted(FIXTURES.glob("*/*.onnx.json"))]
    if kind == "certificate":
        return certificates
    if kind == "metadata":
        return [json.dumps(json.loads(content)["model"]).encode() for content in certificates]
    if kind == "run":
        return [path.read_bytes() for path in sorted(FIXTURES.glob("*/run/run.json"))]
    lines = [path.read_text().splitlines()[:3] for path in sorted(FIXTURES.glob("*/run/metrics.jsonl"))]
    return [json.dumps([json.loads(line) for line in few]).encode() for few in lines]


def main() -> None:
    """Fuzz the reader that is named first."""
    kind = sys.argv.pop(1)
    targets = {"run": read_run, "metrics": read_metrics, "certificate": read_certificate, "metadata": read_metadata}
    corpus = Path(tempfile.mkdtemp(prefix="zoo-seeds-"))
    for number, content in enumerate(seeds(kind)):
        (corpus / str(number)).write_bytes(content)
    os.nice(10)
    atheris.Setup([*sys.argv, "-max_len=200000", str(corpus)], targets[kind], custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
