"""The rules of the code base: imports between packages, start-up, declarations, length of files."""

import ast
import configparser
import itertools
import operator
import re
import subprocess
import sys
from pathlib import Path

import pytest

import zoo

ROOT = Path(__file__).parent.parent
CLIENTS = ("plugins", "exporters", "zoo/commands")
ROOMS = (
    ("commands",),
    ("commandline",),
    ("conformance",),
    ("reports",),
    ("tuning",),
    ("evaluation",),
    ("verification",),
    ("training", "exporting", "drawing"),
    ("models",),
    ("inputs",),
    ("data", "runs"),
    ("registry",),
    ("specs",),
)
"""The packages of the library from the top down. Each imports from those below it and from the modules of ``zoo/``."""
ROOM_OF = {room: place for place, rooms in enumerate(ROOMS) for room in rooms}
BASE = len(ROOMS)
PLUGINS = ("plugins", "exporters")
HEAVY = {"torch", "torchvision", "onnx", "onnxruntime", "sklearn", "matplotlib", "numpy", "polars", "rich", "optuna"}
TABLES = {"list", "info resnet-mini", "datasets", "plugins", "list --sort accuracy --pareto"}
"""The light commands that print a table, with rich."""
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
    "plugins --available --json",
    "install --help",
    "runs",
    "runs --json",
    "train --help",
    "tune --help",
    "export --help",
    "eval --help",
    "predict --help",
    "demo --help",
    "draw --help",
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


@pytest.mark.parametrize("path", python_files("zoo"), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_from_rooms_below(path):
    own = path.relative_to(ROOT).parent.parts
    if path == ROOT / "zoo" / "__main__.py":
        return  # cli.py is the command itself
    for module, name in imports(path):
        level = len(module) - len(module.lstrip("."))
        if not level:
            # a public name would be a way around the order; hooks use them for type checkers only
            assert module != "zoo" or own[1:] == ("commands",) or path.stem == "hookspecs"
            assert not module.startswith("zoo.") or own[1:] == ("commands",)
            continue
        absolute = [*own[: len(own) - level + 1], *filter(None, module.lstrip(".").split("."))]
        room = ROOM_OF.get(absolute[1] if len(absolute) > 1 else name, BASE)
        here = ROOM_OF.get(own[1], BASE) if len(own) > 1 else BASE
        assert absolute[:2] == list(own[:2]) or room > here or room == here == BASE, (
            f"{module} is not below {'/'.join(own)}"
        )


def test_every_folder_is_a_room():
    folders = {path.name for path in (ROOT / "zoo").iterdir() if (path / "__init__.py").is_file()}
    assert folders == ROOM_OF.keys()


@pytest.mark.parametrize("room", ["", *itertools.chain(*ROOMS)])
def test_a_room_has_few_modules(room):
    modules = {path.stem for path in (ROOT / "zoo" / room).glob("*.py")} - {"__init__", "__main__"}
    assert 0 < len(modules) <= 15


def test_imports_inside_a_room_have_no_cycles():
    graph = {}
    for path in python_files("zoo"):
        here = path.relative_to(ROOT).parent.parts
        needed = [(module[1:], name) for module, name in imports(path) if re.match(r"\.[^.]|\.$", module)]
        graph[(*here, path.stem)] = {(*here, module or name) for module, name in needed}
    done: set[tuple[str, ...]] = set()

    def visit(module, trail):
        assert module not in trail, f"a circle of imports: {[*trail, module]}"
        if module not in done:
            for needed in graph.get(module, ()):
                visit(needed, [*trail, module])
            done.add(module)

    for module in graph:
        visit(module, [])
    assert len(done) >= len(graph) > 100


def test_the_stub_lists_all_public_names():
    stub = (ROOT / "zoo" / "__init__.pyi").read_text()
    named = {alias.asname for node in ast.parse(stub).body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert named == set(zoo.__all__)


@pytest.mark.parametrize("name", zoo.__all__)
def test_every_public_name_exists_and_has_a_docstring(name):
    doc = getattr(zoo, name).__doc__
    if name == "hookimpl":
        return  # an instance of pluggy's marker; its class has the docstring
    assert doc is not None
    # a docstring generated by dataclasses starts with the signature
    assert not doc.startswith(f"{name}(")


@pytest.mark.parametrize(("old", "new"), zoo._RENAMED.items())
def test_the_error_for_an_old_name_shows_the_new_name(old, new):
    with pytest.raises(AttributeError, match=f"zoo.{old} is now zoo.{new}"):
        getattr(zoo, old)
    assert operator.attrgetter(new)(zoo)


@pytest.mark.parametrize("command", LIGHT_COMMANDS)
def test_light_commands_have_no_heavy_imports(command):
    script = (
        "import sys, cli\n"
        "try:\n    cli.main(sys.argv[1:])\n"
        "finally:\n    print('HEAVY', sorted({m.split('.')[0] for m in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script, *command.split()], capture_output=True, text=True)
    imported = ast.literal_eval(done.stderr.rpartition("HEAVY ")[2])
    assert not (HEAVY - ({"rich"} if command in TABLES else set())) & set(imported)


def test_a_short_training_imports_only_what_it_needs(tmp_path):
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


def test_setup_cfg_lists_every_package_and_every_plugin():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    packages = set(config["options"]["packages"].split())
    plugins = {f"zoo.{top}.{init.parent.name}" for top in PLUGINS for init in (ROOT / top).glob("*/__init__.py")}
    assert packages == {"zoo", *(f"zoo.{room}" for room in ROOM_OF), *(f"zoo.{top}" for top in PLUGINS), *plugins}
    points = {line.partition("=")[2].strip() for line in config["options.entry_points"]["zoo"].split("\n") if line}
    assert points == plugins
    assert config["metadata"]["version"] == zoo.__version__


def test_files_are_short():
    for path in [ROOT / "cli.py", *python_files("zoo"), *python_files("plugins"), *python_files("exporters")]:
        lines = len(path.read_text().splitlines())
        assert lines <= 300, f"{path.name} has {lines} lines"
