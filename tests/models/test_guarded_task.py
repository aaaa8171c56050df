"""Faults in a task of a plugin: one line names the task, the method and what to return."""

import pickle

import pytest
import tiny_plugin
import torch
from zoo.plugins.tasks.methods import Classification, Regression

import zoo
from zoo.errors import MethodError
from zoo.models.guarded_task import load_task
from zoo.specs.hyperparameters import resolve

CHANGES: dict[str, object] = {}
"""What the methods of :class:`Changed` return instead, by name; an exception is raised."""
OUTPUTS, TARGETS = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0])
ARGUMENTS = {
    "fit": (TARGETS, resolve({})),
    "restore": (None,),
    "to": (torch.device("cpu"),),
    "network_targets": (TARGETS,),
    "postprocess": (),
    "loss": (OUTPUTS, TARGETS, resolve({})),
    "measure": (OUTPUTS, TARGETS),
    "metric_of_each": (OUTPUTS, TARGETS),
    "summarise": (OUTPUTS, TARGETS),
    "baseline": (TARGETS, TARGETS),
    "score": ({"loss": 1.0, "accuracy": 0.5},),
    "decisions": (OUTPUTS,),
    "margins": (OUTPUTS,),
    "answers": (),
    "target_problem": (TARGETS, 3),
    "example_targets": (4, (1, 4, 4), 3, torch.Generator()),
    "describe": (OUTPUTS[0].numpy(), ("a", "b", "c")),
}


class Changed(Classification):
    """The methods of classification, with some changed; methods of its own, so that an error has a place."""

    whole_split = True


def changed(name):
    def method(self, *arguments):
        if name not in CHANGES:
            return getattr(super(Changed, self), name)(*arguments)
        if isinstance(CHANGES[name], BaseException):
            raise CHANGES[name]
        return CHANGES[name]

    return method


for name in ARGUMENTS:
    setattr(Changed, name, changed(name))


@pytest.fixture
def change(monkeypatch):
    def set_change(name, value):
        monkeypatch.setitem(CHANGES, name, value)

    return set_change


class Faulty:
    @zoo.hookimpl
    def register_tasks(self, register):
        metrics = (zoo.Metric(name="accuracy", percent=True),)
        register(
            zoo.Task(
                name="faulty",
                summary="s",
                methods=Changed,
                predicts="class",
                metrics=metrics,
                outputs=("logits", "probabilities"),
            )
        )

    @zoo.hookimpl
    def register_datasets(self, register):
        shapes = {"input_shape": (1, 4, 4), "num_outputs": 2, "loader": tiny_plugin.load}
        register(zoo.Dataset(name="faulty-bars", summary="s", task="faulty", **shapes))

    @zoo.hookimpl
    def register_architectures(self, register):
        options = (zoo.Option(name="dropout", default=0.0), zoo.Option(name="bias", default=True))
        net = {"dataset": "faulty-bars", "builder": tiny_plugin.build, "parameters": 354, "options": options}
        register(zoo.Architecture(name="faulty-net", summary="s", task="faulty", **net))


@pytest.fixture
def faulty(registry):
    plugin = zoo.Plugin("faulty", "zoo-faulty", "1.0", "faulty")
    registry.add(plugin, Faulty())
    assert not plugin.errors
    return registry


@pytest.mark.parametrize("method", ARGUMENTS)
def test_an_exception_names_task_method_and_line(method, faulty, change):
    change(method, RuntimeError("broken\nin two lines"))
    task = load_task(faulty.task("faulty"))
    with pytest.raises(zoo.PluginError) as caught:
        getattr(task, method)(*ARGUMENTS[method])
    text = str(caught.value)
    assert text.startswith(f"Task 'faulty': test_guarded_task:Changed.{method} failed at {__file__}:")
    assert text.endswith(": RuntimeError: broken in two lines.")


@pytest.mark.parametrize(
    ("method", "value", "text"),
    [
        ("fit", None, "returned None; return an object of the class"),
        ("restore", 1, "returned 1; return an object of the class"),
        ("network_targets", TARGETS[:2], r"returned int64 \[2\]; return a tensor with a row for each of the 4 samples"),
        ("postprocess", 3, "returned 3; return a torch.nn.Module"),
        ("loss", torch.zeros(4), r"returned float32 \[4\]; return a float scalar"),
        ("loss", 0.5, "returned 0.5; return a float scalar"),
        ("measure", TARGETS, r"returned int64 \[4\]; return a dictionary of tensors"),
        ("measure", {"accuracy": torch.ones(4)}, "returned accuracy, but no loss: loss and accuracy are needed"),
        (
            "measure",
            {"loss": OUTPUTS, "accuracy": torch.ones(4)},
            r"returned float32 \[4, 3\] for loss; .* tensor \[4\]",
        ),
        ("measure", {"loss": torch.ones(4), "accuracy": TARGETS}, r"returned int64 \[4\] for accuracy; .* float"),
        (
            "metric_of_each",
            OUTPUTS,
            r"returned float32 \[4, 3\]; return a float tensor \[4\], one number for each sample",
        ),
        ("summarise", {"auc": torch.ones(())}, r"return a dictionary from names to numbers: float\(…\)"),
        ("baseline", 0.5, "returned 0.5; return a dictionary from names to numbers"),
        ("score", 0.5, "returned 0.5; return a tuple of numbers"),
        ("decisions", OUTPUTS[:, 0] > 0, r"returned bool \[4\]; return int64"),
        ("margins", TARGETS, r"returned int64 \[4\]; return a float tensor"),
        ("answers", None, "returned None; return a torch.nn.Module"),
        ("target_problem", None, "returned None; return a text"),
        ("example_targets", TARGETS[:1], "a row for each of the 4 samples"),
        ("describe", 1.0, "returned 1.0; return a dictionary from names to numbers"),
    ],
)
def test_a_wrong_result_is_named_with_what_to_return(method, value, text, faulty, change):
    change(method, value)
    task = load_task(faulty.task("faulty"))
    with pytest.raises(zoo.PluginError, match=text) as caught:
        getattr(task, method)(*ARGUMENTS[method])
    assert str(caught.value).startswith(f"Task 'faulty': test_guarded_task:Changed.{method} ")


def test_a_loss_without_a_gradient_is_refused_in_a_training_only(faulty, change):
    change("loss", torch.ones(()))
    task = load_task(faulty.task("faulty"))
    assert task.loss(OUTPUTS, TARGETS, resolve({})) == 1
    with pytest.raises(zoo.PluginError, match="returned a number without a gradient: compute it from the outputs"):
        task.loss(OUTPUTS.clone().requires_grad_(), TARGETS, resolve({}))


@pytest.mark.parametrize(
    "error", [zoo.DataError("a scale needs positive targets"), torch.OutOfMemoryError("no memory")]
)
def test_errors_with_messages_of_their_own_are_kept(error, faulty, change):
    change("fit", error)
    with pytest.raises(type(error)) as caught:
        load_task(faulty.task("faulty")).fit(TARGETS, resolve({}))
    assert caught.value is error


def test_a_method_that_is_needed_and_missing_says_so(faulty, change):
    change("describe", NotImplementedError())
    with pytest.raises(zoo.PluginError, match=r"Changed\.describe is needed here, and it is not implemented"):
        load_task(faulty.task("faulty")).describe(*ARGUMENTS["describe"])


def test_a_task_without_its_declaration_is_refused(faulty):
    class Forgets(Classification):
        def __init__(self, spec):
            pass

    task = faulty.task("faulty")
    object.__setattr__(task, "methods", Forgets)
    with pytest.raises(zoo.PluginError, match=r"Forgets.__init__ must call super\(\).__init__\(spec\)"):
        load_task(task)


def test_a_fitted_task_is_guarded_and_can_be_sent_to_another_process(registry):
    targets = torch.tensor([[1.0], [3.0]])
    fitted = load_task(registry.task("regression")).fit(targets, resolve({})).to(torch.device("cpu"))
    again = pickle.loads(pickle.dumps(fitted.methods))
    assert isinstance(again, Regression)
    assert torch.equal(again.network_targets(targets), fitted.network_targets(targets))
    with pytest.raises(MethodError, match=r"Task 'regression': zoo.plugins.tasks.methods:Regression.loss failed at "):
        fitted.loss(torch.zeros(2, 1, 5, 5), torch.zeros(3, 4, 7), resolve({}))


@pytest.mark.parametrize(
    ("method", "value"),
    [("loss", RuntimeError("x")), ("measure", {"loss": OUTPUTS, "accuracy": OUTPUTS}), ("score", 1.0), ("fit", 1)],
)
def test_a_training_with_a_faulty_task_ends_with_one_line(method, value, faulty, change, runs_dir, zoo_command):
    change(method, value)
    shown = zoo_command("train", "faulty-net", "--epochs", 1, "--runs-dir", runs_dir, registry=faulty)
    assert shown.code == 1
    assert shown.error.startswith(f"Task 'faulty': test_guarded_task:Changed.{method} ")
    assert "unexpected" not in shown.err


class Fails(torch.nn.Module):
    def forward(self, outputs):
        raise RuntimeError("no conversion")


def test_a_module_behind_the_network_that_fails_is_named(faulty, change, runs_dir):
    change("postprocess", Fails())
    with pytest.raises(zoo.PluginError, match=r"Changed.postprocess failed at .*: RuntimeError: no conversion"):
        zoo.train("faulty-net", registry=faulty, runs_dir=runs_dir, epochs=1)


@pytest.mark.parametrize(
    ("method", "value", "check"),
    [("measure", {"loss": OUTPUTS}, "metrics"), ("fit", None, "loss"), ("to", 1, "trains")],
)
def test_zoo_check_reports_a_fault_of_a_task_once(method, value, check, faulty, change, tmp_path):
    change(method, value)
    results = list(zoo.check("faulty", registry=faulty, data_dir=tmp_path))
    about = [result for result in results if f"Changed.{method}" in result.reason]
    assert (about[0].check, about[0].status) == (check, "failed")
    assert {result.status for result in about[1:]} == {"skipped"}
    assert "it needs what failed above" in " ".join(result.reason for result in about[1:]) or check == "trains"
    resumes = [result.status for result in results if result.check == "resume"]
    assert resumes == ["skipped"]
