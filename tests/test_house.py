"""The rules of the house: who imports whom, what start-up costs, what is declared where."""

import ast
import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from zoo import specs, tasks

ROOT = Path(__file__).parent.parent
CLIENTS = ("plugins", "exporters", "zoo/datasets", "zoo/commands")
FOLDERS = ("plugins", "exporters", "datasets", "commands")
HEAVY = {"torch", "torchvision", "onnx", "onnxruntime", "sklearn", "matplotlib", "numpy", "rich"}
LIGHT_COMMANDS = [
    "--help",
    "--version",
    "list",
    "list --json",
    "info resnet-mini",
    "info resnet-mini --json",
    "datasets",
    "datasets --json",
    "plugins",
    "plugins --json",
    "runs",
    "runs --json",
    "train --help",
    "export --help",
    "eval --help",
    "predict --help",
    "demo --help",
    "verify --help",
    "check --help",
    "new --help",
    "completion bash",
    "report --help",
    "compare --help",
    "bench --help",
    "list --sort accuracy --pareto",
    "train resnet-mini --lr nonsense",
]


def imports(path):
    """All modules that a file imports, relative ones made absolute within ``zoo``; names of ``from`` imports too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, None
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield "." * node.level + (node.module or ""), alias.name


def python_files(folder):
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize(
    "path",
    [ROOT / "cli.py", *(path for folder in CLIENTS for path in python_files(folder))],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_clients_use_public_names_only(path):
    for module, name in imports(path):
        if module == "zoo":
            assert name is None or name in zoo.__all__
        if module.startswith("zoo."):
            assert module == "zoo.commandline", f"{module} is not for clients"
        assert not module.startswith(("plugins", "exporters", ".."))


@pytest.mark.parametrize("path", sorted((ROOT / "zoo").glob("*.py")), ids=lambda path: path.name)
def test_the_library_names_no_plugin_exporter_or_command(path):
    for module, _ in imports(path):
        assert not module.startswith(
            tuple(
                f"{zoo}.{folder}" for zoo in ("zoo", "") for folder in ("plugins", "exporters", "datasets", "commands")
            )
        )
        assert module != "cli" or path.name == "__main__.py"


def test_imports_inside_the_library_run_one_way():
    graph = {
        path.stem: {module.removeprefix(".") or name for module, name in imports(path) if module.startswith(".")}
        for path in (ROOT / "zoo").glob("*.py")
        if path.stem != "__init__"
    }
    done: set[str] = set()

    def visit(module, trail):
        assert module not in trail, f"a circle of imports: {' → '.join([*trail, module])}"
        if module not in done:
            for needed in graph.get(module, ()):
                visit(needed, [*trail, module])
            done.add(module)

    for module in graph:
        visit(module, [])
    assert len(done) >= len(graph)


def test_the_stub_names_what_the_package_exports():
    stub = (ROOT / "zoo" / "__init__.pyi").read_text()
    named = {alias.asname for node in ast.parse(stub).body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert named == set(zoo.__all__)


@pytest.mark.parametrize("name", zoo.__all__)
def test_every_public_name_exists_and_is_explained(name):
    doc = getattr(zoo, name).__doc__
    if name == "hookimpl":
        return  # an instance of pluggy's marker; its class explains it
    assert doc is not None
    # what dataclasses make up themselves begins with the signature
    assert not doc.startswith(f"{name}(")


@pytest.mark.parametrize("command", LIGHT_COMMANDS)
def test_start_up_imports_nothing_heavy(command):
    script = (
        "import sys, cli\n"
        "try:\n    cli.main(sys.argv[1:])\n"
        "finally:\n    print('HEAVY', sorted({m.split('.')[0] for m in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script, *command.split()], capture_output=True, text=True)
    imported = ast.literal_eval(done.stderr.rpartition("HEAVY ")[2])
    assert not HEAVY & set(imported)


def test_a_short_training_does_not_wait_for_what_it_does_not_need(tmp_path):
    script = (
        "import sys, cli\n"
        "try:\n    cli.main(sys.argv[1:])\n"
        "finally:\n    print('LOADED', sorted(sys.modules), file=sys.stderr)"
    )
    command = f"train mnist-mlp --dataset digits --epochs 1 --device cpu --runs-dir {tmp_path}"
    done = subprocess.run([sys.executable, "-c", script, *command.split()], capture_output=True, text=True)
    loaded = set(ast.literal_eval(done.stderr.rpartition("LOADED ")[2]))
    assert "torch.optim.adamw" in loaded
    # each costs more than an epoch of MNIST
    assert not {"torch._dynamo", "torch._inductor", "torchvision", "sympy", "onnx", "onnxruntime"} & loaded


def test_the_tasks_that_can_be_declared_are_those_that_can_be_trained():
    assert set(specs.TASK_NAMES) == tasks.TASKS.keys()


def test_setup_cfg_lists_every_package_and_every_plugin():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    packages = set(config["options"]["packages"].split())
    bare = {"zoo", "zoo.commands", "zoo.plugins", "zoo.exporters"}
    expected = bare | {"zoo.datasets"}
    for top in ("plugins", "exporters"):
        for init in (ROOT / top).glob("*/__init__.py"):
            expected.add(f"zoo.{top}.{init.parent.name}")
    assert packages == expected
    points = {line.partition("=")[2].strip() for line in config["options.entry_points"]["zoo"].split("\n") if line}
    assert points == expected - bare
    assert config["metadata"]["version"] == zoo.__version__


def test_files_stay_readable():
    for path in [ROOT / "cli.py", *python_files("zoo"), *python_files("plugins"), *python_files("exporters")]:
        lines = len(path.read_text().splitlines())
        assert lines <= 300, f"{path.name} has {lines} lines"


def test_the_architecture_page_names_every_module_once():
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = [line for line in page.splitlines() if line.startswith("| `")]
    named = [name for line in table for name in re.findall(r"`([^`]+)`", line.split("|")[1])]
    modules = {path.stem for path in (ROOT / "zoo").glob("*.py")} - {"__init__", "__main__"}
    assert len(named) == len(set(named))
    assert set(named) == {"checks_…" if name.startswith("checks_") else name for name in modules}
