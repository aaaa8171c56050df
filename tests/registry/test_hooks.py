"""Every hook is called with its documented arguments and is in the reference."""

import inspect
from pathlib import Path

import pytest

import zoo
from zoo.registry.declared import sample_architectures
from zoo.specs import hookspecs

HOOKS = sorted(name for name, value in vars(hookspecs).items() if hasattr(value, "zoo_spec"))
REFERENCE = (Path(__file__).parents[2] / "docs" / "reference.md").read_text()


class Everything:
    """A plugin that implements every hook and records its arguments."""

    def __init__(self):
        self.calls = {}
        for name in HOOKS:
            names = list(inspect.signature(getattr(hookspecs, name)).parameters)
            scope = {"calls": self.calls}
            exec(f"def {name}({', '.join(names)}): calls.setdefault({name!r}, locals())", scope)
            setattr(self, name, zoo.hookimpl(scope[name]))


@pytest.fixture
def everything(tiny_registry, runs_dir, zoo_command, monkeypatch):
    """What each hook was called with during a training run, a look-up and a command."""
    # the training ends before the first progress report
    monkeypatch.setattr("zoo.training.loop.PROGRESS_SECONDS", 0.0)
    plugin = Everything()
    tiny_registry.add(zoo.Plugin("everything", "third-party", "1.0", "everything"), plugin)
    run = zoo.train("tiny-cnn", registry=tiny_registry, runs_dir=runs_dir, epochs=1)
    zoo.export(str(run.folder), "onnx", runs_dir / "net.onnx", log=["everything"], registry=tiny_registry)
    with pytest.raises(zoo.UnknownName):
        tiny_registry.architecture("nobody-knows-it")
    (added,) = [found for found in tiny_registry.plugins if found.name == "everything"]
    assert sample_architectures(tiny_registry, added) == []  # and an error: it returns None
    assert zoo_command("plugins", registry=tiny_registry).code == 0
    return plugin.calls


def test_every_hook_is_called_with_its_arguments(everything):
    assert sorted(everything) == HOOKS
    for name, given in everything.items():
        assert list(given) == list(inspect.signature(getattr(hookspecs, name)).parameters)
        assert all(value is not None for value in given.values())
    assert isinstance(everything["train_started"]["start"], zoo.TrainingStart)
    assert isinstance(everything["train_progressed"]["progress"], zoo.Progress)
    assert everything["epoch_ended"]["metrics"]["epoch"] == 1
    assert everything["train_ended"]["run"].status == "finished"
    assert everything["file_exported"]["certificate"].file.name == "net.onnx"
    assert everything["find_architecture"]["name"] == "nobody-knows-it"
    for name in ("architectures", "datasets", "exporters", "optimizers", "schedules", "augmentations", "losses"):
        assert callable(everything[f"register_{name}"]["register"])


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_documented(name):
    arguments = ", ".join(inspect.signature(getattr(hookspecs, name)).parameters)
    section = REFERENCE.partition(f"### {name}({arguments})\n")[2].partition("###")[0]
    assert len(section.split()) >= 5
    assert inspect.getdoc(getattr(hookspecs, name))


@pytest.mark.parametrize("name", ["Architecture", "Dataset", "Column", "Option", "Exporter", "ExportSource", "Check",
                                  "Split", "Splits", "TrainingStart", "Progress", "EpochMetrics"])  # fmt: skip
def test_every_field_is_documented_with_its_meaning(name):
    section = REFERENCE.partition(f"### zoo.{name}\n")[2].partition("\n#")[0]
    cls = getattr(zoo, name)
    for field in getattr(cls, "__dataclass_fields__", cls.__annotations__):
        (row,) = [line for line in section.splitlines() if line.startswith(f"| `{field}` ")]
        assert len(row.split(" | ")[-1].strip("| ").split()) >= 1, row
