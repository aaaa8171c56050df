"""Attacks on the certificate: what is edited in file or certificate, alone and with everything else made to fit.

Each attack is refused as it is. If the attacker also makes hash, digest, description and reference vectors fit, it is
refused where the checkpoint is, and never accepted elsewhere.
"""

import contextlib
import json
import shutil

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import zoo
from zoo.exporting.certificate import digest, interface
from zoo.exporting.reference_vectors import ReferenceVectors
from zoo.files import sha256
from zoo.specs.references import resolve_reference

NETWORK = "softmax-regression"


pytestmark = pytest.mark.usefixtures("in_this_process", "rebuilt_once")


@pytest.fixture(scope="session")
def runs(softmax_runs):
    return softmax_runs


@pytest.fixture(scope="session")
def made(runs, made_once):
    def export(folder):
        zoo.export(NETWORK, output=folder / "model.onnx", runs_dir=runs, data_dir=runs / "data")

    return made_once("attacked", export)


class Target:
    """A copy of file and certificate."""

    def __init__(self, made, folder):
        shutil.copytree(made, folder)
        self.path = folder / "model.onnx"
        self.certificate = folder / "model.onnx.json"

    def edit(self, on_model=None, on_certificate=None):
        """Change the file and the certificate, and nothing else."""
        if on_model:
            model = onnx.load(self.path)
            on_model(model)
            self.path.write_bytes(model.SerializeToString())
        if on_certificate:
            content = json.loads(self.certificate.read_text())
            on_certificate(content)
            self.certificate.write_text(json.dumps(content))

    def forge(self, *, whole=True):
        """Make the certificate fit the file: hash, size, description, interface, figures, reference vectors, digest."""
        content = json.loads(self.certificate.read_text())
        if whole:
            self._fit(content)
        if "digest" in content:
            content["digest"] = digest(content)
        self.certificate.write_text(json.dumps(content))

    def _fit(self, content):
        inspection = zoo.create_registry().exporter("onnx").inspect
        found = resolve_reference(inspection)(self.path)
        content["file"] |= {"sha256": sha256(self.path), "bytes": self.path.stat().st_size}
        content["model"] = {key: value for key, value in found.description.items() if key != "precision"}
        content["form"]["reduction"] = found.description.get("precision", "")
        content["interface"], content["contents"] = interface(found), found.figures
        for check in content["checks"]:
            if check["gate"].endswith("structure"):
                check |= {"figures": found.figures, "summary": found.summary}
            if check["gate"].endswith("budget"):
                check["figures"]["bytes"] = self.path.stat().st_size
        with contextlib.suppress(Exception):  # onnxruntime cannot run the file, so its outputs stay
            vectors = ReferenceVectors.from_json(content["reference_vectors"])
            runtimes = resolve_reference(zoo.create_registry().exporter("onnx").open)(self.path)
            outputs = runtimes.usual.run(vectors.tensor())
            names = [output.name for output in found.outputs]
            made = ReferenceVectors(vectors.inputs, dict(zip(names, outputs, strict=True)), vectors.limits)
            content["reference_vectors"] = made.to_json()


@pytest.fixture
def target(made, tmp_path):
    return Target(made, tmp_path / "copy")


def metadata(key, change):
    def attack(model):
        (entry,) = [entry for entry in model.metadata_props if entry.key == key]
        try:
            old = json.loads(entry.value)
        except ValueError:
            old = entry.value
        new = change(old)
        entry.value = new if isinstance(new, str) else json.dumps(new)

    return attack


def add_metadata(key, value):
    return lambda model: model.metadata_props.add(key=key, value=value)


def scaled(factor):
    def attack(model):
        for tensor in model.graph.initializer:
            values = numpy_helper.to_array(tensor)
            if values.ndim == 2:
                tensor.CopyFrom(numpy_helper.from_array(values * np.float32(factor), tensor.name))

    return attack


def one_weight(change):
    def attack(model):
        tensor = next(tensor for tensor in model.graph.initializer if len(tensor.dims) == 2)
        values = numpy_helper.to_array(tensor).copy()
        values.flat[100] = change(values.flat[100])
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))

    return attack


def both(*attacks):
    return lambda model: [attack(model) for attack in attacks]


def renamed(kind, name):
    def attack(model):
        item = getattr(model.graph, kind)[0]
        for node in model.graph.node:
            for names in (node.input, node.output):
                names[:] = [name if old == item.name else old for old in names]
        item.name = name

    return attack


def exchanged_outputs(model):
    first, second = model.graph.output
    kept = onnx.ValueInfoProto()
    kept.CopyFrom(first)
    first.CopyFrom(second)
    second.CopyFrom(kept)


def another_type(model):
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT8


def version(**numbers):
    def attack(model):
        model.ir_version = numbers.get("ir", model.ir_version)
        model.opset_import[0].version = numbers.get("opset", model.opset_import[0].version)

    return attack


def added_to_logits(*nodes, result, constants=()):
    """Add ``result``, which the nodes compute, to the logits before anything uses them."""

    def attack(model):
        for node in model.graph.node:
            node.input[:] = ["wrong" if name == "logits" else name for name in node.input]
        place = next(i for i, node in enumerate(model.graph.node) if "logits" in node.output)
        model.graph.node[place].output[0] = "right"
        more = [*nodes, helper.make_node("Add", ["right", result], ["logits"])]
        for node in model.graph.node:
            node.input[:] = ["logits" if name == "wrong" else name for name in node.input]
        kept = list(model.graph.node)
        del model.graph.node[:]
        model.graph.node.extend([*kept[: place + 1], *more, *kept[place + 1 :]])
        model.graph.initializer.extend(
            numpy_helper.from_array(np.asarray(value), name) for name, value in dict(constants).items()
        )

    return attack


def at_batch(operator, size):
    """Wrong logits at this batch size only, or above it."""
    return added_to_logits(
        helper.make_node("Shape", ["input"], ["shape_"], start=0, end=1),
        helper.make_node(operator, ["shape_", "size_"], ["hit_"]),
        helper.make_node("Cast", ["hit_"], ["one_"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["one_", "much_"], ["more_"]),
        result="more_",
        constants={"size_": np.int64([size]), "much_": np.float32(100)},
    )


def on_two_pixels():
    """Wrong logits if two neighbouring pixels of the first row are white."""
    return added_to_logits(
        helper.make_node("Slice", ["input", "from_", "to_", "axes_"], ["pixels_"]),
        helper.make_node("Cast", ["pixels_"], ["values_"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMin", ["values_", "axes_"], ["least_"], keepdims=1),
        helper.make_node("Reshape", ["least_", "flat_"], ["each_"]),
        helper.make_node("Equal", ["each_", "white_"], ["hit_"]),
        helper.make_node("Cast", ["hit_"], ["one_"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["one_", "much_"], ["more_"]),
        result="more_",
        constants={
            "from_": np.int64([0, 0]),
            "to_": np.int64([1, 2]),
            "axes_": np.int64([2, 3]),
            "flat_": np.int64([-1, 1]),
            "white_": np.float32(255),
            "much_": np.float32(np.arange(10) * 10),
        },
    )


def random_zero(model):
    added_to_logits(
        helper.make_node("RandomUniformLike", ["right"], ["noise_"]),
        helper.make_node("Mul", ["noise_", "zero_"], ["more_"]),
        result="more_",
        constants={"zero_": np.float32(0)},
    )(model)


def dropout(model):
    added_to_logits(
        helper.make_node("Dropout", ["right", "ratio_", "train_"], ["kept_"]),
        helper.make_node("Mul", ["kept_", "zero_"], ["more_"]),
        result="more_",
        constants={"ratio_": np.float32(0.5), "train_": np.bool_(True), "zero_": np.float32(0)},
    )(model)


def unused_nan(model):
    tensor = numpy_helper.from_array(np.float32([np.nan, 1]), "nan_")
    model.graph.node.insert(0, helper.make_node("Constant", [], ["nan_"], value=tensor))


def branch(model):
    """The same logits, by a branch that computes others for a batch of 1,000."""
    body = [
        helper.make_graph(
            [helper.make_node("Constant", [], [f"part{i}_"], value=numpy_helper.from_array(np.float32(value)))],
            f"branch{i}",
            [],
            [helper.make_tensor_value_info(f"part{i}_", TensorProto.FLOAT, [])],
        )
        for i, value in enumerate((100, 0))
    ]
    added_to_logits(
        helper.make_node("Size", ["input"], ["size_"]),
        helper.make_node("Greater", ["size_", "many_"], ["hit_"]),
        helper.make_node("If", ["hit_"], ["more_"], then_branch=body[0], else_branch=body[1]),
        result="more_",
        constants={"many_": np.int64(784_000)},
    )(model)


def nan_in_a_branch(model):
    branch(model)
    (node,) = [node for node in model.graph.node if node.op_type == "If"]
    node.attribute[0].g.node[0].attribute[0].t.CopyFrom(numpy_helper.from_array(np.float32(np.nan)))


def custom_operator(model):
    model.opset_import.add(domain="evil", version=1)
    model.graph.node.add(op_type="Anything", domain="evil", input=["input"], output=["anything_"])


def external_data(model):
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    tensor.ClearField("raw_data")


def external_constant(model):
    unused_nan(model)
    tensor = model.graph.node[0].attribute[0].t
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")


def sparse_weights(model):
    sparse = onnx.SparseTensorProto(dims=[4])
    sparse.values.CopyFrom(numpy_helper.from_array(np.float32([1]), "sparse_"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.int64([0]), "places_"))
    model.graph.sparse_initializer.append(sparse)


def other_options(value):
    return lambda versions: versions | {"torch": value}


ON_THE_FILE = {
    "logits times 0 with precision foo": both(add_metadata("precision", '"foo"'), scaled(0)),
    "logits times 0 with precision int8": both(add_metadata("precision", "int8"), scaled(0)),
    "weights times 1.01": scaled(1.01),
    "weights times 1.01, unknown checkpoint": both(scaled(1.01), metadata("checkpoint_sha256", lambda _: "0" * 64)),
    "one weight by one bit": one_weight(lambda value: np.nextafter(value, np.float32(9))),
    "weights times 1.01, other versions": both(scaled(1.01), metadata("versions", other_options("1.0"))),
    "labels swapped": metadata("labels", lambda labels: [labels[1], labels[0], *labels[2:]]),
    "labels emptied": metadata("labels", lambda _: []),
    "columns": metadata("columns", lambda _: [{"name": "x", "kind": "number"}]),
    "another dataset": metadata("dataset", lambda _: "mnist"),
    "another fingerprint": metadata("dataset_fingerprint", lambda value: value[::-1]),
    "metrics": metadata("test", lambda test: test | {"accuracy": 1.0}),
    "no metrics but loss": metadata("test", lambda test: {"loss": test["loss"]}),
    "validation": metadata("validation", lambda test: test | {"accuracy": 1.0}),
    "normalisation": metadata("normalisation", lambda value: value | {"mean": [0.0]}),
    "without normalisation": metadata("normalises", lambda _: False),
    "another task": metadata("task", lambda _: "regression"),
    "input renamed": renamed("input", "picture"),
    "output renamed": renamed("output", "scores"),
    "outputs exchanged": exchanged_outputs,
    "another type": another_type,
    "opset": version(opset=21),
    "IR": version(ir=9),
    "random numbers times 0": random_zero,
    "dropout in training mode": dropout,
    "NaN in a Constant": unused_nan,
    "NaN in a branch": nan_in_a_branch,
    "a branch": branch,
    "an operator of another domain": custom_operator,
    "weights in another file": external_data,
    "a constant in another file": external_constant,
    "sparse weights": sparse_weights,
    "an entry twice": add_metadata("labels", '["a"]'),
    "wrong at batch size 5": at_batch("Equal", 5),
    "wrong above batch size 250": at_batch("Greater", 250),
    "wrong above batch size 5000": at_batch("Greater", 5000),
    "wrong on two white pixels": on_two_pixels(),
    "comment": lambda model: setattr(model.graph, "doc_string", "hello"),
}


def check_named(content, gate):
    return next(check for check in content["checks"] if check["gate"] == gate)


def figures(gate, **changed):
    return lambda content: check_named(content, gate)["figures"].update(changed)


def entry(path, value):
    def attack(content):
        *parents, last = path.split(".")
        for parent in parents:
            content = content[parent]
        content[last] = value

    return attack


def without_gate(gate):
    return lambda content: content["checks"].remove(check_named(content, gate))


def failed_gate(content):
    check_named(content, "providers")["passed"] = False


def extra_gate(content):
    content["checks"].append({"gate": "blessed", "passed": True, "summary": "by experts", "figures": {}})


def extra_own_gate(content):
    gate = {"gate": "blessed", "passed": True, "summary": "by experts", "figures": {}}
    content["checks"].insert([check["gate"] for check in content["checks"]].index("numerics"), gate)


def better_accuracy(content):
    check = check_named(content, "test split")
    check["figures"]["accuracy"] = 1.0
    check["summary"] = "accuracy 100% on 360 test samples of digits, equal to the recorded value"


def better_summary(content):
    check_named(content, "test split")["summary"] = "accuracy 100%"


def limits(value):
    return lambda content: content["reference_vectors"].update(limits=[value, value])


def zero_outputs(content):
    for output in content["reference_vectors"]["outputs"]:
        output["base64"] = "A" * len(output["base64"].rstrip("=")) + "=" * output["base64"].count("=")


ON_THE_CERTIFICATE = {
    "accuracy": better_accuracy,
    "accuracy in words": better_summary,
    "more samples": figures("test split", samples=10_000),
    "not passed": entry("passed", False),
    "a failed gate": failed_gate,
    "no numerics": without_gate("numerics"),
    "no opset": without_gate("opset"),
    "no independence": without_gate("independence"),
    "an unknown gate": extra_gate,
    "an unknown gate of the exporter": extra_own_gate,
    "a gate twice": lambda content: content["checks"].append(content["checks"][-1]),
    "no checks": entry("checks", None),
    "empty checks": entry("checks", []),
    "error above the limit": figures("numerics", worst={"error": 1.0, "limit": 1e-6}),
    "provider above the limit": figures("providers", ran={"CPU optimised": {"of_limit": 7.0}}),
    "limits of -1": limits(-1),
    "limits of 0": limits(0),
    "infinite limits": limits(float("inf")),
    "limits of 1e30": limits(1e30),
    "limits as texts": limits("1"),
    "no limits": entry("reference_vectors.limits", None),
    "no outputs": entry("reference_vectors.outputs", []),
    "no reference vectors": entry("reference_vectors", None),
    "outputs of zero": zero_outputs,
    "another shape": entry("reference_vectors.input.shape", [1, 1, 28, 28]),
    "another name": entry("file.name", "other.onnx"),
    "another size": entry("file.bytes", 17),
    "another opset": figures("opset", written=21),
    "another IR": entry("contents.ir_version", 3),
    "other nodes": figures("structure", nodes=1),
    "another data set": entry("evaluated_on", "mnist"),
    "other options": entry("form.options", {"opset": 21}),
    "unknown options": entry("form.options", {"opset": 20, "evil": 1}),
    "other versions": entry("versions", {"torch": "1.0"}),
    "another format": entry("format", 5),
    "format true": entry("format", True),
    "an unknown entry": entry("approved", "yes"),
    "an input of another type": entry("interface.inputs", [{"name": "input", "type": "float32", "shape": ["batch"]}]),
}


def verify(zoo_command, target, runs=None):
    """The exit code and the line of the error."""
    where = ["--runs-dir", runs, "--data-dir", runs / "data"] if runs else ["--runs-dir", target.path.parent]
    result = zoo_command("verify", target.path, *where)
    return result.code, result.error if result.code else ""


def test_an_untouched_file_is_proven(target, runs, zoo_command):
    assert verify(zoo_command, target, runs)[0] == 0
    code, error = verify(zoo_command, target)
    assert code == 3
    assert "is not among the runs in" in error


@pytest.mark.parametrize("attack", ON_THE_FILE)
def test_an_edited_file_is_refused(attack, target, zoo_command):
    target.edit(on_model=ON_THE_FILE[attack])
    assert verify(zoo_command, target)[0] == 1


@pytest.mark.parametrize("attack", ON_THE_FILE)
def test_an_edited_file_with_a_fitting_certificate_is_refused(attack, target, runs, zoo_command):
    target.edit(on_model=ON_THE_FILE[attack])
    target.forge()
    assert verify(zoo_command, target, runs)[0] == 1
    assert verify(zoo_command, target)[0] in (1, 3)


@pytest.mark.parametrize("attack", ON_THE_CERTIFICATE)
def test_an_edited_certificate_is_refused(attack, target, zoo_command):
    target.edit(on_certificate=ON_THE_CERTIFICATE[attack])
    assert verify(zoo_command, target)[0] == 1


@pytest.mark.parametrize("attack", ON_THE_CERTIFICATE)
def test_an_edited_certificate_with_a_fitting_digest_is_refused(attack, target, runs, zoo_command):
    target.edit(on_certificate=ON_THE_CERTIFICATE[attack])
    target.forge(whole=False)
    code, error = verify(zoo_command, target, runs)
    assert code == 1, error
    assert verify(zoo_command, target)[0] in (1, 3)


@pytest.fixture(scope="session")
def made_int8(runs, made_once):
    given = {"reduction": "int8", "max_drop": 3.0, "runs_dir": runs, "data_dir": runs / "data"}
    return made_once("attacked-int8", lambda folder: zoo.export(NETWORK, output=folder / "model.onnx", **given))


@pytest.mark.parametrize("max_drop", [1e9, 1e400, "all", None, -1.0])
def test_a_smaller_form_does_not_choose_its_own_budget(max_drop, made_int8, tmp_path, runs, zoo_command):
    target = Target(made_int8, tmp_path / "copy")
    target.edit(
        on_model=lambda model: [
            tensor.CopyFrom(numpy_helper.from_array(0 * numpy_helper.to_array(tensor), tensor.name))
            for tensor in model.graph.initializer
            if tensor.data_type == TensorProto.INT8
        ],
        on_certificate=figures("int8 budget", max_drop=max_drop, drop=0.0),
    )
    target.forge()
    assert verify(zoo_command, target, runs)[0] == 1
    assert verify(zoo_command, target)[0] == 1


def test_a_run_that_was_trained_further_is_named(target, runs, tmp_path, zoo_command):
    target.edit(on_model=metadata("checkpoint_sha256", lambda _: "0" * 64))
    target.forge()
    code, error = verify(zoo_command, target, runs)
    assert code == 1
    assert "the run was trained further, or the file is not from it" in error
