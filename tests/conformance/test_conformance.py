"""The conformance suite: built-in plugins pass; each broken requirement fails with a reason and a remedy."""

import ast
import io
import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import zoo
from zoo import create_registry
from zoo.conformance.check import CheckedItem, find_items, open_workspace, run_check
from zoo.conformance.contract import REQUIREMENTS
from zoo.specs.references import resolve_reference


class Plugin:
    """A plugin that registers the given declarations."""

    def __init__(self, *specs):
        self.specs = specs

    def _give(self, kind, register):
        for spec in self.specs:
            if isinstance(spec, kind):
                register(spec)

    @zoo.hookimpl
    def register_architectures(self, register):
        self._give(zoo.Architecture, register)

    @zoo.hookimpl
    def register_datasets(self, register):
        self._give(zoo.Dataset, register)

    @zoo.hookimpl
    def register_exporters(self, register):
        self._give(zoo.Exporter, register)


def result_of(spec, check, tmp_path, **settings):
    """The result of one check of a declaration."""
    registry = create_registry()
    registry.add(zoo.Plugin("theirs", "third-party", "1.0", "theirs"), Plugin(spec))
    (item,) = [item for item in find_items(registry, ["theirs"]) if item.kind != "plugin"]
    (requirement,) = [requirement for requirement in REQUIREMENTS[item.kind] if requirement.name == check]
    with open_workspace(item, registry, tmp_path, **settings) as workspace:
        return run_check(workspace, requirement)


def architecture(builder, parameters=None, **fields):
    if parameters is None:
        network = builder((1, 28, 28), 10)
        parameters = sum(p.numel() for p in network.parameters())
    fields = {"task": "classification", "dataset": "digits"} | fields
    return zoo.Architecture(name="theirs-net", summary="s", builder=builder, parameters=parameters, **fields)


def flat(shape):
    return torch.Size(shape).numel()


def good(input_shape, num_outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(flat(input_shape), 8), nn.ReLU(), nn.Linear(8, num_outputs))


class Wrapped(nn.Module):
    """The good network. Subclasses add an error to it."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.inner = good(input_shape, num_outputs)
        self.register_buffer("seen", torch.zeros(()))
        self.more()

    def more(self):
        pass

    def forward(self, inputs):
        return self.inner(inputs)


class Unused(Wrapped):
    def more(self):
        self.unused = nn.Linear(2, 2)


class Squeezed(Wrapped):
    def forward(self, inputs):
        return self.inner(inputs).squeeze()


class Mixed(Wrapped):
    def forward(self, inputs):
        outputs = self.inner(inputs)
        return outputs - outputs.mean(dim=0)


class Softmax(Wrapped):
    def forward(self, inputs):
        return self.inner(inputs).softmax(dim=1)


class DeepSoftmax(Wrapped):
    """With random weights of standard deviation 3 its activations overflow."""

    def __init__(self, *args):
        super().__init__(*args)
        self.deep = nn.Sequential(*(nn.Linear(10, 10) for _ in range(40)))

    def forward(self, inputs):
        return self.deep(self.inner(inputs)).softmax(dim=1)


class AlwaysDropping(Wrapped):
    def forward(self, inputs):
        return nn.functional.dropout(self.inner(inputs), 0.5, training=True)


class Counting(Wrapped):
    def forward(self, inputs):
        self.seen += 1
        return self.inner(inputs)


class Detached(Wrapped):
    def forward(self, inputs):
        return self.inner(inputs).detach() + 0 * sum(p.sum() for p in self.parameters())


class Infinite(Wrapped):
    def forward(self, inputs):
        return self.inner(inputs) / self.seen


class Forgetful(Wrapped):
    """Keeps state outside parameters and buffers."""

    scale = 1.0

    def forward(self, inputs):
        if self.training:
            self.scale += 0.5
        return self.inner(inputs) * self.scale


class Tuple(Wrapped):
    def forward(self, inputs):
        return self.inner(inputs), inputs


class Unset(Wrapped):
    """Has a weight that is not a number, as torch.empty() can leave it."""

    def more(self):
        self.inner[3].bias.data[1] = float("nan")


def unseeded(input_shape, num_outputs):
    import random

    network = good(input_shape, num_outputs)
    nn.init.constant_(network[1].bias, random.SystemRandom().random())
    return network


def fixed_inputs(input_shape, num_outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, num_outputs))


def fixed_outputs(input_shape, num_outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(flat(input_shape), 10))


BROKEN_NETWORKS = {
    "parameters": (architecture(good, parameters=5), "Declare parameters=6_370."),
    "dataset": (architecture(good, dataset="digitz"), "Did you mean 'digits'?"),
    "shapes": (architecture(fixed_inputs), "input_shape"),
    "shapes ": (architecture(fixed_outputs), "num_outputs"),
    "shapes  ": (architecture(Infinite), "not finite"),
    "shapes   ": (architecture(Tuple), "not a tensor"),
    "shapes    ": (architecture(Unset), "inner.3.bias has values that are NaN or infinite Initialise it"),
    "batches": (architecture(Squeezed), "squeeze"),
    "batches ": (architecture(Mixed), "other samples of the batch"),
    "gradients": (architecture(Unused), "unused.weight gets no gradient"),
    "logits": (architecture(Softmax), "softmax"),
    "logits ": (architecture(DeepSoftmax), "softmax"),
    "seed": (architecture(unseeded), "1.bias differs"),
    "evaluation": (architecture(AlwaysDropping), "self.training"),
    "evaluation ": (architecture(Counting), "changes seen"),
    "learns": (architecture(Detached), "detach"),
    "checkpoint": (architecture(Forgetful), "registered buffers"),
    "resume": (architecture(Forgetful), "differs between"),
    "export": (architecture(AlwaysDropping), "self.training"),
    "weights": (architecture(good, weights=zoo.data_folder() / "none.safetensors"), "does not exist"),
}


@pytest.mark.parametrize("case", BROKEN_NETWORKS)
def test_an_architecture_that_breaks_the_contract_fails_with_a_remedy(case, tmp_path):
    spec, expected = BROKEN_NETWORKS[case]
    result = result_of(spec, case.strip(), tmp_path)
    assert result.status == "failed", result
    assert result.remedy
    assert expected in f"{result.reason} {result.remedy}"
    assert "\n" not in result.reason + result.remedy


def test_a_correct_architecture_meets_every_requirement(tmp_path):
    registry = create_registry()
    registry.add(zoo.Plugin("theirs", "third-party", "1.0", "theirs"), Plugin(architecture(good)))
    results = list(zoo.check("theirs-net", registry=registry, data_dir=tmp_path))
    assert [result.check for result in results] == [requirement.name for requirement in REQUIREMENTS["architecture"]]
    assert {result.status for result in results} == {"passed"}, results
    assert "zoo-check-data" not in registry.datasets  # the checks use a copy of the registry


def dataset(load, **fields):
    fields = {
        "task": "classification",
        "input_shape": (1, 4, 4),
        "num_outputs": 2,
        "labels": ("a", "b"),
        "licence": "MIT",
        "source": "made up",
        "sizes": {"train": 40, "test": 12},
    } | fields
    return zoo.Dataset(name="theirs-data", summary="s", loader=load, **fields)


def splits(seed=1, train=40, test=12, classes=2):
    random = torch.Generator().manual_seed(seed)

    def split(size):
        return zoo.Split(
            torch.randint(0, 256, (size, 1, 4, 4), generator=random).to(torch.uint8), torch.arange(size) % classes
        )

    return zoo.Splits(split(train), split(test))


def load_good(folder, download):
    return splits()


def load_missing(folder, download):
    raise FileNotFoundError(folder / "theirs.bin")


def load_eagerly(folder, download):
    import urllib.request

    urllib.request.urlopen("http://localhost:9/theirs.bin")


def load_anew(folder, download):
    return splits(seed=int(torch.seed() % 10**6))


def load_one_class(folder, download):
    return splits(classes=1)


def load_nothing(folder, download):
    return None


def load_with_error(folder, download):
    return {}["x"]


def load_leaking(folder, download):
    made = splits()
    return zoo.Splits(made.train, made.train.take(torch.arange(12)))


FINGERPRINT = f'If the new data is right, declare fingerprint="{zoo.fingerprint(splits())}".'
BROKEN_DATASETS = {
    "described": (dataset(load_good, licence=""), "Declare licence="),
    "described ": (dataset(load_good, labels=()), "Declare labels="),
    "offline": (dataset(load_missing, files=("theirs.bin",)), "zoo.DataUnavailable"),
    "offline ": (dataset(load_eagerly, files=("theirs.bin",)), "Download only if `download` is true"),
    "offline  ": (dataset(load_good, files=("theirs.bin",)), "it is bundled"),
    "loads": (dataset(load_good, input_shape=(1, 5, 5)), "(1, 4, 4)"),
    "loads ": (dataset(load_good, sizes={"train": 41}), "40 samples, not 41"),
    "offline   ": (dataset(load_missing), "Declare files=(…), and raise zoo.DataUnavailable"),
    "offline    ": (dataset(load_good, files=("theirs.bin",), sizes={"train": 41}), "it is bundled"),
    "loads  ": (dataset(load_nothing), "returned NoneType, not zoo.Splits. Return zoo.Splits(train, test)"),
    "loads   ": (dataset(load_with_error), "KeyError: 'x'. Correct the loader"),
    "loads    ": (dataset(load_good, fingerprint="0" * 64), FINGERPRINT),
    "fingerprint": (dataset(load_anew), "different data"),
    "labels": (dataset(load_one_class), "is of class b"),
    "disjoint": (dataset(load_leaking), "12 of 12"),
    "stand-in": (dataset(load_good, stand_in="mnist"), "mnist is not bundled"),
    "stand-in ": (dataset(load_good, stand_in="iris"), "of shape (4,)"),
}


@pytest.mark.parametrize("case", BROKEN_DATASETS)
def test_a_dataset_that_breaks_the_contract_fails_with_a_remedy(case, tmp_path):
    spec, expected = BROKEN_DATASETS[case]
    result = result_of(spec, case.strip(), tmp_path)
    assert result.status == "failed", result
    assert result.remedy
    assert expected in f"{result.reason} {result.remedy}"


@pytest.mark.parametrize("check", [requirement.name for requirement in REQUIREMENTS["dataset"]])
def test_a_correct_dataset_meets_every_requirement(check, tmp_path):
    assert result_of(dataset(load_good), check, tmp_path).status == "passed"


def test_a_missing_dataset_is_skipped_with_the_command_that_downloads_it(tmp_path):
    def load(folder, download):
        raise zoo.DataUnavailable("theirs.bin is not there")

    result = result_of(dataset(load, files=("theirs.bin",)), "loads", tmp_path)
    assert result.status == "skipped"
    assert "zoo fetch theirs-data" in result.reason


def write(source, path):
    buffer = io.BytesIO()
    torch.save(source.model.state_dict(), buffer)
    path.write_bytes(buffer.getvalue())


def check_weights(source, path):
    written = torch.load(path, weights_only=True)
    same = all(torch.equal(tensor, written[name]) for name, tensor in source.model.state_dict().items())
    yield zoo.Check("weights", same, "every weight is in the file")


def check_nothing(source, path):
    yield zoo.Check("exists", path.is_file(), "there is a file")


def check_never(source, path):
    yield zoo.Check("never", False, "never passes")


def write_randomly(source, path):
    path.write_bytes(str(torch.seed()).encode())


def exporter(write, check):
    return zoo.Exporter(name="theirs", summary="s", suffix=".bin", write=write, check=check)


@pytest.mark.parametrize(
    ("write", "check", "requirement", "expected"),
    [
        (write, check_never, "writes", "it refuses a correct network"),
        (write_randomly, check_nothing, "repeatable", "time stamps"),
        (write, check_nothing, "refuses-other-weights", "in_float64()"),
        (write, check_nothing, "refuses-damage", "truncated"),
    ],
)
def test_an_exporter_that_breaks_the_contract_fails_with_a_remedy(write, check, requirement, expected, tmp_path):
    result = result_of(exporter(write, check), requirement, tmp_path)
    assert result.status == "failed", result
    assert expected in f"{result.reason} {result.remedy}"


def write_nothing(source, path):
    pass


def write_folder(source, path):
    path.mkdir()


def write_with_error(source, path):
    raise ValueError("boom")


def check_without_result(source, path):
    return iter(())


def check_with_true(source, path):
    yield True


@pytest.mark.parametrize(
    ("write", "check", "reason", "remedy"),
    [
        (write_nothing, check_weights, "wrote no file", "Let `write` write the file at the path that it gets"),
        (write_folder, check_weights, "as a folder", "Write one file"),
        (write_with_error, check_weights, "fails for a correct network", "Correct that error"),
        (write, check_without_result, "it has no checks", "at least one zoo.Check"),
        (write, check_with_true, "fails for a correct network", "`check` yields zoo.Check(...)"),
    ],
)
def test_an_exporter_that_writes_or_checks_nothing_gets_another_remedy(write, check, reason, remedy, tmp_path):
    result = result_of(exporter(write, check), "writes", tmp_path)
    assert result.status == "failed"
    assert reason in result.reason
    assert remedy in result.remedy
    assert ".log" not in result.reason  # it is removed with the folder of the checks


def test_a_bundled_dataset_that_is_not_as_declared_fails_one_check(registry, tmp_path):
    registry.add(zoo.Plugin("theirs", "third-party", "1.0", "theirs"), Plugin(dataset(load_good, sizes={"train": 41})))
    results = {result.check: result for result in zoo.check("theirs-data", registry=registry, data_dir=tmp_path)}
    assert [name for name, result in results.items() if result.status == "failed"] == ["loads"]
    assert results["offline"].reason == "it cannot be loaded; the check `loads` says why"
    assert {results[name].reason for name in ("fingerprint", "labels", "disjoint")} == {"loads failed"}


def test_shipped_weights_that_are_no_numbers_fail(tmp_path, registry, monkeypatch):
    loaded = zoo.load("lenet").module
    loaded.get_parameter(next(name for name, _ in loaded.named_parameters())).data.view(-1)[0] = float("inf")
    trained = SimpleNamespace(module=loaded, metadata={"data": {"name": "mnist"}})
    monkeypatch.setattr("zoo.conformance.training.load_shipped", lambda name, registry: trained)
    (item,) = [item for item in find_items(registry, ["lenet"]) if item.kind == "architecture"]
    (requirement,) = [requirement for requirement in REQUIREMENTS["architecture"] if requirement.name == "weights"]
    with open_workspace(item, registry, tmp_path) as workspace:
        result = run_check(workspace, requirement)
    assert result.status == "failed"
    assert "in weights.safetensors has values that are NaN or infinite" in result.reason


@pytest.mark.parametrize("requirement", [requirement.name for requirement in REQUIREMENTS["exporter"]])
def test_a_correct_exporter_meets_every_requirement(requirement, tmp_path):
    assert result_of(exporter(write, check_weights), requirement, tmp_path).status == "passed"


@pytest.mark.parametrize("name", ["digits", "diabetes-mlp"])
def test_a_built_in_dataset_or_architecture_meets_every_requirement(name, registry):
    assert {result.status for result in zoo.check(name, registry=registry)} == {"passed"}


@pytest.mark.slow
@pytest.mark.parametrize("item", find_items(create_registry(), ["pluggy-zoo"]), ids=str)
def test_every_built_in_item_meets_every_requirement(item, registry):
    failed = [result for result in zoo.check(item.name, registry=registry) if result.status == "failed"]
    assert not failed


def test_an_architecture_that_is_not_listed_is_checked_too(registry):
    results = {result.check: result for result in zoo.check("torchvision/vgg11", registry=registry)}
    assert results["parameters"].status == "passed"
    assert results["shapes"].status == "passed"
    assert results["learns"].status == "skipped"
    assert "only its shapes are checked" in results["learns"].reason


def test_checks_that_need_a_failed_one_are_skipped(registry, tmp_path):
    def broken(input_shape, num_outputs):
        raise RuntimeError("no network today")

    registry.add(zoo.Plugin("theirs", "third-party", "1.0", "theirs"), Plugin(architecture(broken, parameters=1)))
    results = {result.check: result for result in zoo.check("theirs", registry=registry)}
    assert [name for name, result in results.items() if result.status == "failed"] == ["shapes"]
    assert "no network today" in results["shapes"].reason
    after = [results[name] for name in ("parameters", "learns", "trains", "resume", "export", "weights")]
    assert {(result.status, result.reason) for result in after} == {("skipped", "shapes failed")}


def test_what_needs_a_check_comes_after_it():
    for requirements in REQUIREMENTS.values():
        names = [requirement.name for requirement in requirements]
        for place, requirement in enumerate(requirements):
            assert requirement.needs in ["", *names[:place]]


FAMILY = """
@zoo.hookimpl
def find_architecture(name):
    {find}
@zoo.hookimpl
def sample_architectures():
    return {samples}
def net(name):
    return zoo.Architecture(name=name, summary="s", task="classification", builder="zoo.plugins.lenet.model:build",
                            dataset="digits", parameters=61_706)
"""


@pytest.mark.parametrize(
    ("find", "samples", "status", "reason"),
    [
        ("return net(name) if name.startswith('my/') else None", "('my/one', 'my/two')", "passed", "2 samples: my/one"),
        ("return net(name) if name.startswith('my/') else None", "()", "skipped", "implement the hook sample_arch"),
        ("return net(name) if name == 'my/one' else None", "('my/one', 'my/two')", "failed", "does not know 'my/two'"),
        ("return net(name)", "('my/one',)", "failed", "knows 'zoo-check/no-such-network'"),
        ("raise KeyError(name)", "('my/one',)", "failed", "find_architecture: KeyError"),
        ("return net('other')", "()", "failed", "find_architecture returned"),
        ("return None", "'my/one'", "failed", "sample_architectures returned 'my/one', not a tuple"),
        ("return None", "7 / 0", "failed", "sample_architectures: ZeroDivisionError"),
    ],
)
def test_a_family_is_looked_up_by_its_samples(add_plugin, find, samples, status, reason):
    point = add_plugin("family", FAMILY.format(find=find, samples=samples))
    registry = create_registry([point])
    item = CheckedItem("plugin", "family", registry.plugins[0])
    (requirement,) = [requirement for requirement in REQUIREMENTS["plugin"] if requirement.name == "family"]
    with open_workspace(item, registry) as workspace:
        result = run_check(workspace, requirement)
    assert result.status == status
    assert reason in result.reason


def test_samples_of_a_family_are_checked_with_its_plugin(add_plugin, registry):
    find = "return net(name) if name.startswith('my/') else None"
    point = add_plugin("family", FAMILY.format(find=find, samples="('my/one',)"))
    registry = create_registry([point])
    assert [str(item) for item in find_items(registry, ["family"])] == ["plugin family", "architecture my/one"]


def test_each_requirement_has_a_function_that_checks_it():
    for requirements in REQUIREMENTS.values():
        for requirement in requirements:
            name = requirement.name.replace("-", "_")
            function = resolve_reference(f"zoo.conformance.{requirement.module}:{name}")
            assert function.__doc__
            assert requirement.description


HEAVY = """
import {heavy}
@zoo.hookimpl
def register_architectures(register):
    register(zoo.Architecture(name="x", summary="s", task="classification", builder="{builder}",
                              dataset="digits", parameters=1))
"""


def plugin_results(point, registry):
    registry = create_registry([point])
    return {result.check: result for result in zoo.check(point.name, registry=registry) if result.kind == "plugin"}


@pytest.mark.slow
def test_a_plugin_that_imports_torch_fails(add_plugin, registry):
    results = plugin_results(add_plugin("theirs", HEAVY.format(heavy="torch", builder="math:prod")), registry)
    assert results["cheap"].status == "failed"
    assert "torch" in results["cheap"].reason
    assert results["loads"].status == results["references"].status == "passed"
    light = plugin_results(add_plugin("light", HEAVY.format(heavy="math", builder="math:prodd")), registry)
    assert light["cheap"].status == "passed"
    assert light["references"].status == "failed"
    assert "prodd" in light["references"].reason


def test_a_plugin_that_fails_to_load_fails(add_plugin, registry):
    results = plugin_results(add_plugin("theirs", "import nothing_of_that_name"), registry)
    assert results["loads"].status == "failed"
    assert "nothing_of_that_name" in results["loads"].reason
    later = [results[name] for name in ("cheap", "global-state", "references", "family")]
    assert {(result.status, result.reason) for result in later} == {("skipped", "loads failed")}


@pytest.mark.parametrize("given", ["{}", "[{}]", "({},)"])
def test_a_plugin_that_returns_in_place_of_registering_fails(add_plugin, registry, given):
    made = 'zoo.Schedule(name="s", summary="s", factor="math:sqrt")'
    source = f"@zoo.hookimpl\ndef register_schedules(register):\n    return {given.format(made)}\n"
    results = plugin_results(add_plugin("theirs", source), registry)
    assert results["loads"].status == "failed"
    assert "call register(...) for each" in results["loads"].reason


def test_the_command_prints_one_result_per_line_and_fails_if_a_check_fails(zoo_command, registry):
    correct = zoo_command("check", "iris")
    assert correct.code == 0
    assert "  passed   fingerprint" in correct.out
    assert correct.out.splitlines()[-1].endswith(" passed")
    registry.add(zoo.Plugin("theirs", "third-party", "1.0", "theirs"), Plugin(dataset(load_good, licence="")))
    broken = zoo_command("check", "theirs-data")
    assert broken.code == 1
    assert "  FAILED   described              it declares no licence" in broken.out
    assert "Declare licence='…'." in broken.out
    facts = json.loads(zoo_command("check", "theirs-data", "--json").out)
    assert [fact["check"] for fact in facts if fact["status"] == "failed"] == ["described"]
    assert "Did you mean 'resnet-mini'?" in zoo_command("check", "resnet-mni").error


def test_without_a_name_everything_is_checked_except_the_built_in_plugins(zoo_command, registry):
    assert "No plugin is installed" in zoo_command("check").err
    registry.add(zoo.Plugin("theirs", "third-party", "1.0", "theirs"), Plugin(dataset(load_good)))
    assert {fact["name"] for fact in json.loads(zoo_command("check", "--json").out)} == {"theirs", "theirs-data"}


COMMAND = """
import click
@zoo.hookimpl
def register_commands(cli):
    @cli.command("wave")
    def wave():
        {doc}
"""


def test_a_command_without_an_example_fails(add_plugin, tmp_path):
    point = add_plugin("waver", COMMAND.format(doc='"""Wave."""'))
    folder = tmp_path / "files"
    folder.mkdir()
    source = (tmp_path / "third-party" / f"{point.value}.py").read_text()
    (folder / "waver.py").write_text(source)

    def run():
        command = [sys.executable, "-m", "zoo", "--plugins-dir", str(folder), "check", "wave", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
        return {fact["check"]: fact for fact in json.loads(done.stdout)}

    results = run()
    assert results["help"]["status"] == "failed"
    assert "shows no example" in results["help"]["reason"]
    assert results["cheap"]["status"] == "passed"
    (folder / "waver.py").write_text(source.replace("Wave.", "Wave.\\n\\n    \\b\\n    zoo wave"))
    assert run()["help"]["status"] == "passed"


@pytest.mark.slow
def test_the_pytest_plugin_makes_one_test_of_each_check(pytester_folder):
    done = pytester_folder('@pytest.mark.zoo("iris")\n@pytest.mark.filterwarnings("error")')
    assert done.returncode == 0, done.stdout
    ids = re.findall(r"test_it\[(\S+)\] PASSED", done.stdout)
    assert ids[:2] == ["dataset-iris-described", "dataset-iris-offline"]
    assert len(ids) == len(REQUIREMENTS["dataset"])


def test_the_pytest_plugin_names_a_plugin_that_is_not_installed(pytester_folder):
    done = pytester_folder('@pytest.mark.zoo("linear-regresion")')
    assert done.returncode != 0
    assert "Did you mean 'linear-regression'?" in done.stdout + done.stderr
    assert "pip install -e ." in done.stdout + done.stderr


@pytest.fixture
def pytester_folder(tmp_path):
    """Runs the three-line test file of a plugin author in a new process."""

    def run(marker):
        (tmp_path / "test_theirs.py").write_text(
            f"import pytest\n\n{marker}\ndef test_it(zoo_check):\n    zoo_check()\n"
        )
        command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", str(tmp_path / "test_theirs.py")]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    return run


def test_the_pytest_plugin_imports_nothing_heavy():
    script = "import sys, zoo.conformance.pytest_plugin; print(sorted({m.partition('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "click", "pluggy_zoo"} & set(ast.literal_eval(done.stdout))


def test_an_item_is_printed_as_its_kind_and_name(registry):
    assert str(CheckedItem("architecture", "lenet", registry.plugins[0])) == "architecture lenet"
