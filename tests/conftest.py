"""Fixtures. Every test has its own plugin manager, working directory, runs folder and data folder.

The tests have to pass with the arithmetic of every processor. ``ATEN_CPU_CAPABILITY=default``,
``ONEDNN_MAX_CPU_ISA=SSE41``, ``ZOO_TEST_THREADS=4`` and ``ZOO_TEST_ONEDNN=off`` give the arithmetic of other machines.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import signal
import site
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

# Test processes share cores. Threads of torch that spin while they wait take them from each other: two processes with
# two threads each on two cores took 71 s in place of 27. OpenMP reads it once, when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import pytest
import torch
from filelock import FileLock

import zoo
from cli import cli
from zoo import EntryPoint, Registry, Run, create_registry
from zoo.commandline import run_command
from zoo.exporting.source import ExportSource, make_source
from zoo.formatting import METRICS
from zoo.models.trained import load_trained

MNIST_FILE = "MNIST/raw/train-images-idx3-ubyte"
REAL_DATA = os.environ.get("ZOO_DATA")

# A shell starts programs in the background with SIGINT ignored; the tests send that signal to themselves.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# One thread unless asked for: no contention between small operations.
torch.set_num_threads(int(os.environ.get("ZOO_TEST_THREADS", "1")))
torch.backends.mkldnn.set_flags(os.environ.get("ZOO_TEST_ONEDNN") != "off")
OWN_METRICS = dict(METRICS)
"""Before any plugin declared more: a registry adds the metrics of its plugins, for the rest of the process."""
CAMPAIGN_SECONDS = 7_200
"""For one test; others have those of setup.cfg. A kill at each operation of a command takes long on a busy machine."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip tests that this machine cannot run, with the reason, and long tests without ``-m slow``, ``-m campaign``."""
    has_mnist = REAL_DATA is not None and (Path(REAL_DATA) / MNIST_FILE).is_file()
    for item in items:
        if item.get_closest_marker("mnist") and not has_mnist:
            item.add_marker(pytest.mark.skip(reason=f"needs {MNIST_FILE} in $ZOO_DATA"))
        if item.get_closest_marker("cuda") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
        if item.get_closest_marker("campaign") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(CAMPAIGN_SECONDS))
        for mark in ("slow", "campaign"):
            if item.get_closest_marker(mark) and mark not in config.getoption("markexpr"):
                item.add_marker(pytest.mark.skip(reason=f"takes minutes; run with -m {mark}"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape file names that are not UTF-8 in captured output: pytest-xdist cannot send them between processes."""
    report = yield
    report.sections = [
        (title, text.encode("utf-8", "backslashreplace").decode("utf-8")) for title, text in report.sections
    ]
    return report


@pytest.fixture(scope="session", autouse=True)
def operators_read_once() -> None:
    """Let torch's exporter read its operators once for all exports: more than half of the time of a small export."""
    try:
        from torch._export import utils
        from torch.onnx._internal._lazy_import import onnxscript_apis
        from torch.onnx._internal.exporter import _schemas

        signature, find = _schemas.op_signature_from_function, utils._materialize_cpp_cia_ops
    except (ImportError, AttributeError):  # another version of torch: the tests only take longer
        return

    @functools.cache
    def parsed() -> object:
        return importlib.import_module(onnxscript_apis._name).get_torchlib_ops()

    onnxscript_apis.get_torchlib_ops = parsed
    _schemas.op_signature_from_function = functools.cache(signature)
    utils._materialize_cpp_cia_ops = functools.cache(find)


@pytest.fixture(autouse=True)
def clean_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory and data folder, no variables of the user, no metrics of an earlier test's plugins."""
    for name in [name for name in os.environ if name.startswith("ZOO_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ZOO_DATA", str(tmp_path / "data"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    METRICS.clear()
    METRICS.update(OWN_METRICS)


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A fresh registry of the installed plugins: a copy, because it takes a fifth of the time of another search."""
    if any(name.startswith("ZOO_") and name != "ZOO_DATA" for name in os.environ):
        yield create_registry()
        return
    shared, metrics = _installed_plugins()
    METRICS.update(metrics)
    before = repr(shared.plugins)
    yield shared.copy()
    if repr(shared.plugins) != before:  # the records of plugins are shared with the copy
        _installed_plugins.cache_clear()


@functools.cache
def _installed_plugins() -> tuple[Registry, dict[str, str]]:
    """The registry of the installed plugins, and the formats of their metrics. Change neither."""
    return create_registry(), dict(METRICS)


@pytest.fixture
def no_plugin_modules() -> Generator[None]:
    """What this test imports from plugin files is forgotten after it: the files are gone then."""
    before, path = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(Path.cwd())):
            del sys.modules[name]
    sys.path[:] = path


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    """An empty folder for runs."""
    return tmp_path / "runs"


@pytest.fixture
def mnist_dir() -> Path:
    """The folder with the real MNIST; for tests marked ``mnist``."""
    assert REAL_DATA is not None
    return Path(REAL_DATA)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection fails at once, as on a machine without a network."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setattr("socket.create_connection", refuse)


@dataclass(frozen=True)
class Result:
    """The result of a command."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The error line, without ``Error: ``."""
        lines = [line for line in self.err.splitlines() if line.startswith("Error: ")]
        assert len(lines) == 1, self.err
        assert self.err.rstrip().endswith(lines[0]), self.err
        assert "Traceback" not in self.err
        return lines[0].removeprefix("Error: ")


ZooCommand = Callable[..., Result]


@pytest.fixture
def zoo_command(capsys: pytest.CaptureFixture[str], registry: Registry) -> ZooCommand:
    """A function that runs the ``zoo`` command in this process."""

    def run(*arguments: object, registry: Registry | None = registry) -> Result:
        capsys.readouterr()
        code = run_command(cli, [str(argument) for argument in arguments], registry)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run


@pytest.fixture
def add_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., EntryPoint]:
    """A function that writes the source of a plugin to an importable module and returns its entry point."""
    folder = tmp_path / "third-party"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))

    def add(name: str, source: str, distribution: str = "third-party") -> EntryPoint:
        module = f"{name.replace('-', '_')}_{abs(hash(tmp_path)) % 10**9}"
        (folder / f"{module}.py").write_text("import zoo\n" + source)
        return EntryPoint(distribution, "1.0", name, module)

    return add


@pytest.fixture(scope="session")
def tiny() -> object:
    """The plugin in ``tiny_plugin.py``; a training of its network takes a second."""
    spec = importlib.util.spec_from_file_location("tiny_plugin", Path(__file__).with_name("tiny_plugin.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["tiny_plugin"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tiny_registry(registry: Registry, tiny: object) -> Registry:
    """The installed plugins and the tiny one."""
    registry.add(zoo.Plugin("tiny", "third-party", "1.0", "tiny_plugin"), tiny)
    return registry


MadeOnce = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MadeOnce]:
    """A function ``(name, fill) -> folder`` whose folder is filled once for all processes of tests. Read it only.

    A test that writes there would change what other tests see, in some orders only. So this is found at the end.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def make(name: str, fill: Callable[[Path], object]) -> Path:
        folder, done = root / "made-once" / name, root / "made-once" / f"{name}.done"
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not done.exists():
                fill(folder)
                done.touch()
        return folder

    yield make
    for done in (root / "made-once").glob("*.done"):
        files = (path for path in done.with_suffix("").rglob("*") if path.is_file())
        written = [path for path in files if path.stat().st_mtime_ns > done.stat().st_mtime_ns]
        assert not written, f"A test has written into a folder that all tests share: {written}"


@pytest.fixture(scope="session")
def digits_runs(made_once: MadeOnce) -> Path:
    """A folder with one real training of resnet-mini on the digits. Read it only."""
    return made_once("digits-runs", _train_on_digits)


def _train_on_digits(folder: Path) -> None:
    zoo.train("resnet-mini", dataset="digits", epochs=6, runs_dir=folder, data_dir=folder / "data")


@pytest.fixture
def digits_run(digits_runs: Path, registry: Registry) -> Run:
    """The run in :func:`digits_runs`."""
    return zoo.find_run("resnet-mini", digits_runs, registry.architectures)


@pytest.fixture(scope="session")
def digits_file(digits_runs: Path, made_once: MadeOnce) -> Path:
    """The run in :func:`digits_runs`, exported to ONNX. Read it only."""

    def export(folder: Path) -> None:
        zoo.export("resnet-mini", "onnx", folder / "model.onnx", runs_dir=digits_runs, data_dir=digits_runs / "data")

    return made_once("digits-file", export) / "model.onnx"


@pytest.fixture(scope="session")
def softmax_runs(made_once: MadeOnce) -> Path:
    """A folder with one training of softmax-regression on the digits. Read it only."""

    def train(folder: Path) -> None:
        zoo.train("softmax-regression", dataset="digits", epochs=3, runs_dir=folder, data_dir=folder / "data")

    return made_once("softmax-runs", train)


@pytest.fixture(scope="session")
def tiny_runs(made_once: MadeOnce, tiny: object) -> Path:
    """A folder with one training of the network in ``tiny_plugin.py``. Read it only."""
    registry = create_registry()
    registry.add(zoo.Plugin("tiny", "third-party", "1.0", "tiny_plugin"), tiny)

    def train(folder: Path) -> None:
        zoo.train("tiny-cnn", registry=registry, runs_dir=folder, epochs=2, device="cpu", data_dir=folder / "data")

    return made_once("tiny-runs", train)


@pytest.fixture(scope="module")
def source(digits_runs: Path) -> ExportSource:
    """The model of the run in :func:`digits_runs` and its data, as exporters get them."""
    registry = create_registry()
    run = zoo.find_run("resnet-mini", digits_runs, registry.architectures)
    return make_source(load_trained(run, registry), zoo.load_dataset(registry.dataset("digits"), digits_runs))


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """A function that runs ``python -m …`` in a new virtual environment and returns its standard output.

    The environment can import the packages that are installed here, so torch is not downloaded again. Packages that are
    installed in it are not visible here.
    """
    home = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    # the setuptools of Python 3.11 is too old for the present licence field
    subprocess.run([python, "-m", "pip", "uninstall", "-y", "-q", "setuptools"], check=True)
    query = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    lines = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
    Path(packages, "_outer.pth").write_text("\n".join(lines))
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ZOO_", "PYTHON"))}
    environment["ZOO_DATA"] = str(home / "data")

    def run(*arguments: object, folder: Path, code: int = 0) -> str:
        command = [str(python), "-m", *map(str, arguments)]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    return run
