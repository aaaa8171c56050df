"""Recipe parts of plugins: chosen by name, checked, recorded, resumed bit for bit, and named when they fail."""

import json

import pytest
import torch
from builtin_tasks import TASKS
from training_helpers import tensors_of, train

import zoo
from zoo import InvalidValue, PluginError, UnknownName, UsageError
from zoo.commandline import views
from zoo.registry.declared import check_declared
from zoo.registry.entry_points import find_entry_points
from zoo.registry.plugin import Plugin
from zoo.registry.recipe_parts import part_options
from zoo.runs.command_line import repeat_command
from zoo.specs import hyperparameters
from zoo.specs.hyperparameters import resolve
from zoo.specs.recipe_parts import PARTS
from zoo.training.recipe_parts import RecipeParts, load_parts


class Momentum(torch.optim.Optimizer):
    """Gradient descent with an average of the gradients as state."""

    def __init__(self, parameters, lr, decay, state):
        super().__init__(parameters, {"lr": lr})
        self.decay, self.kind = decay, state

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                average = state.setdefault("average", torch.zeros_like(parameter))
                if self.kind == "number":
                    state["count"] = 1
                average.mul_(self.decay).add_(parameter.grad)
                parameter.sub_(average, alpha=group["lr"])


def build(parameters, *, lr, momentum, weight_decay, decay, state):
    if state == "fails":
        raise RuntimeError("no\nmemory")
    if state == "refuses":
        raise ValueError("decay and state\ndo not go together.")
    if state == "call":
        return Momentum(parameters, rate=lr)
    if state == "other":
        return "nothing"
    if state == "fewer":
        parameters = parameters[1:]
    return Momentum(parameters, lr, decay, state)


def factor(progress, power, bad):
    if power > 90:
        raise TypeError("power is too large")
    return bad or (1 - progress) ** power


def left_of_run(progress):
    return 1 - progress


def failing(progress):
    raise ValueError("no such progress")


WHOLE = (0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0)
"""The rates of that schedule after a warm-up of three steps of ten."""


def draw(shape, generator, strength, kind):
    return torch.rand(shape[0] - (kind == "short"), generator=generator)


def apply(inputs, drawn, strength, kind):
    if strength > 1:
        raise ValueError("strength is at most 1")
    if kind == "shape":
        return inputs[:, :1, :1]
    if kind == "type":
        return inputs.double()
    return (inputs * (1 - strength * drawn[:, None, None, None])).float()


def scaled(outputs, targets, scale):
    if scale < 0:
        raise ValueError("scale is negative")
    loss = scale * torch.nn.functional.cross_entropy(outputs, targets)
    return loss if scale < 100 else loss[None]


def absolute(outputs, targets):
    return (outputs - targets).abs().mean()


STATES = ("tensor", "number", "fails", "refuses", "call", "other", "fewer")


class Parts:
    @zoo.hookimpl
    def register_optimizers(self, register):
        options = (
            zoo.Option(name="decay", default=0.5, minimum=0, below=1),
            zoo.Option(
                name="state",
                default="tensor",
                choices=("tensor", "number", "fails", "refuses", "call", "other", "fewer"),
            ),
        )
        register(zoo.Optimizer(name="average", summary="averages", build=build, options=options))

    @zoo.hookimpl
    def register_schedules(self, register):
        options = (zoo.Option(name="power", default=1.0, above=0), zoo.Option(name="bad", default=0.0))
        register(zoo.Schedule(name="falls", summary="falls", factor=factor, options=options))
        register(zoo.Schedule(name="plain", summary="fails", factor=failing))
        steps = (zoo.Option(name="steps", default=1),)
        register(zoo.Schedule(name="short", summary="lacks its option", factor=left_of_run, options=steps))
        register(zoo.Schedule(name="whole", summary="falls", factor=left_of_run, whole_run=True))
        options = (zoo.Option(name="decay", default=0.1), zoo.Option(name="dropout", default=0.1))
        register(zoo.Schedule(name="clash", summary="an option of the optimiser", factor=factor, options=options))

    @zoo.hookimpl
    def register_augmentations(self, register):
        options = (
            zoo.Option(name="strength", default=0.2),
            zoo.Option(name="kind", default="good", choices=("good", "short", "shape", "type")),
        )
        register(zoo.Augmentation(name="darker", summary="darker images", draw=draw, apply=apply, options=options))

    @zoo.hookimpl
    def register_losses(self, register):
        options = (zoo.Option(name="scale", default=1.0),)
        tasks = ("classification",)
        register(zoo.Loss(name="scaled", summary="scaled", compute=scaled, tasks=tasks, options=options))
        register(zoo.Loss(name="absolute", summary="L1", compute=absolute, tasks=("regression",)))


PLUGIN = Plugin("parts", "zoo-parts", "1.5", "parts")
ALL = {"optimizer": "average", "schedule": "falls", "augment": "darker", "loss": "scaled", "lr": 0.01}


@pytest.fixture
def with_parts(tiny_registry):
    tiny_registry.add(PLUGIN, Parts())
    assert not PLUGIN.errors
    return tiny_registry


class StopAfterSecond:
    @zoo.hookimpl
    def epoch_ended(self, run, metrics):
        if metrics["epoch"] == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize("mixup", [0.0, 0.4])
def test_a_training_with_all_parts_resumes_bit_for_bit(with_parts, runs_dir, mixup):
    settings = ALL | {"decay": 0.7, "power": 2.0, "strength": 0.3, "scale": 1.5, "mixup": mixup, "accumulate": 2}
    whole = train(with_parts, runs_dir, **settings)
    stopping = with_parts.copy()
    stopping.listen(StopAfterSecond())
    with pytest.raises(KeyboardInterrupt):
        train(stopping, runs_dir, checkpoint_epochs=1, **settings)
    (stopped,) = [run for run in zoo.list_runs(runs_dir) if run.status == "interrupted"]
    resumed = zoo.resume(str(stopped.folder), registry=with_parts)
    wanted, found = tensors_of(whole.last), tensors_of(resumed.last)
    assert wanted.keys() == found.keys()
    assert all(torch.equal(tensor, found[name]) for name, tensor in wanted.items())
    assert any(name.endswith(".average") for name in wanted)


@pytest.mark.parametrize("setting", ["decay", "power", "strength", "scale"])
def test_each_part_and_its_option_reach_the_training(with_parts, runs_dir, setting):
    usual = train(with_parts, runs_dir, epochs=1, **ALL)
    default = usual.config["hyperparameters"][setting]
    same = train(with_parts, runs_dir, epochs=1, **ALL, **{setting: default})
    other = train(with_parts, runs_dir, epochs=1, **ALL, **{setting: default / 2})
    losses = [run.metrics()[0]["train"]["loss"] for run in (usual, same, other)]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_the_schedule_follows_the_warm_up(with_parts):
    h = resolve({"schedule": "falls", "power": 1.0, "lr": 0.4, "warmup": 0.3}, parts=part_options(with_parts))
    parts = load_parts(h, "classification", with_parts)
    linear = resolve({"schedule": "linear", "lr": 0.4, "warmup": 0.3})
    built_in = load_parts(linear, "classification", with_parts)
    for step in range(50):
        assert parts.rate(h, step, 50) == pytest.approx(built_in.rate(linear, step, 50), rel=1e-12)


def test_a_schedule_can_count_the_whole_run(with_parts):
    h = resolve({"schedule": "whole", "lr": 1.0, "warmup": 0.3})
    parts = load_parts(h, "classification", with_parts)
    assert [parts.rate(h, step, 10) for step in range(10)] == pytest.approx([0.1 / 0.3, 0.2 / 0.3, *WHOLE])


def test_the_augmentation_does_not_depend_on_how_a_batch_is_divided(with_parts):
    h = resolve(ALL, parts=part_options(with_parts))
    parts = load_parts(h, "classification", with_parts)
    images = torch.full((10, 1, 4, 4), 200, dtype=torch.uint8)
    whole = parts.augment(images, 10, slice(0, 10), (3, 1, 5))
    halves = [parts.augment(images[part], 10, part, (3, 1, 5)) for part in (slice(0, 5), slice(5, 10))]
    assert torch.equal(whole, torch.cat(halves))
    assert len(whole[:, 0, 0, 0].unique()) == 10
    mixed = parts.augment(images, 5, slice(0, 5), (3, 1, 5))  # five images, then their partners
    assert torch.equal(mixed[5:], mixed[:5].roll(-1, 0))
    for position in ((4, 1, 5), (3, 2, 5), (3, 1, 6)):
        assert not torch.equal(whole, parts.augment(images, 10, slice(0, 10), position))


def test_a_loss_of_a_regression_gets_standardised_targets(with_parts):
    h = resolve({"loss": "absolute"}, parts=part_options(with_parts))
    parts = load_parts(h, "regression", with_parts)
    targets = torch.tensor([[10.0], [30.0]])
    task = TASKS["regression"].fit(targets, h)
    assert parts.loss(task, torch.zeros(2, 1), targets, h) == pytest.approx(1.0)


def test_a_run_records_the_parts_and_its_command_repeats_them(with_parts, runs_dir):
    run = train(with_parts, runs_dir, epochs=1, **ALL, decay=0.75)
    record = json.loads((run.folder / "run.json").read_text())
    assert record["hyperparameters"]["decay"] == 0.75
    assert record["recipe_plugins"]["optimizer"] == PLUGIN.origin
    assert record["recipe_plugins"].keys() == {"optimizer", "schedule", "augment", "loss"}
    command = repeat_command(run.config, with_parts)
    assert "--set optimizer=average" in command
    assert "--set decay=0.75" in command


def test_a_run_without_its_plugin_is_loaded_but_not_resumed(tiny_registry, runs_dir):
    with_parts = tiny_registry.copy()
    with_parts.add(PLUGIN, Parts())
    run = train(with_parts, runs_dir, epochs=2, **ALL)
    assert zoo.load(str(run.folder), registry=tiny_registry)
    with pytest.raises(PluginError, match=r"optimizer average .* zoo-parts 1\.5.*pip install zoo-parts==1\.5"):
        zoo.resume(str(run.folder), epochs=3, registry=tiny_registry)


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        (
            {"optimizer": "averag"},
            UnknownName,
            "no optimizer named 'averag'. Did you mean 'average'.* sgd, adamw, average",
        ),
        ({"augment": "dark"}, UnknownName, "no augmentation named 'dark'"),
        ({"decay": 0.1}, UnknownName, "no setting of .* named 'decay'"),
        ({"optimizer": "average", "decays": 0.1}, UnknownName, "named 'decays'. Did you mean 'decay'"),
        ({"optimizer": "average", "decay": 1}, InvalidValue, "decay must be a number .at least 0 and below 1., not 1"),
        ({"optimizer": "average", "schedule": "clash"}, InvalidValue, "schedule clash cannot train .*'decay'"),
        ({"schedule": "clash"}, InvalidValue, "both have 'dropout'"),
        ({"loss": "scaled", "label_smoothing": 0.1}, UsageError, "loss=scaled replaces the loss that has it"),
        ({"loss": "absolute"}, UsageError, "The loss absolute is for regression, not for classification"),
        ({"optimizer": "average", "state": "fails"}, PluginError, "optimizer average failed: RuntimeError: no memory"),
        (
            {"optimizer": "average", "state": "refuses", "lr": 0.02},
            UsageError,
            "^The optimizer average cannot be built with lr=0.02, momentum=0.9, weight_decay=0.0001, decay=0.5, "
            "state=refuses: decay and state do not go together.$",
        ),
        (
            {"schedule": "falls", "power": 99.0},
            UsageError,
            "schedule falls cannot be built with power=99, bad=0: power",
        ),
        (
            {"augment": "darker", "strength": 2.0},
            UsageError,
            "augment darker cannot be built with strength=2, kind=good",
        ),
        ({"loss": "scaled", "scale": -1.0}, UsageError, "loss scaled cannot be built with scale=-1: scale is negative"),
        ({"schedule": "plain"}, PluginError, "schedule plain failed: ValueError: no such progress"),
        ({"schedule": "short"}, PluginError, "schedule short failed: TypeError: .*'steps'"),
        ({"optimizer": "average", "state": "other"}, PluginError, "build returned str, not a torch.optim.Optimizer"),
        ({"optimizer": "average", "state": "fewer"}, PluginError, "left out some of the parameters"),
        ({"optimizer": "average", "state": "number"}, PluginError, "keeps 'count' of type int"),
        ({"schedule": "falls", "bad": -1.0}, PluginError, "schedule falls failed: the factor .* is -1.0"),
        ({"augment": "darker", "kind": "short"}, PluginError, r"draw must return a tensor with \d+ rows"),
        ({"augment": "darker", "kind": "shape"}, PluginError, "augment darker failed: apply must return"),
        ({"augment": "darker", "kind": "type"}, PluginError, "apply returned torch.float64"),
        ({"loss": "scaled", "scale": 100.0}, PluginError, "loss scaled failed: compute must return a scalar"),
    ],
)
def test_what_is_wrong_with_a_part_is_one_line(with_parts, runs_dir, settings, error, text):
    with pytest.raises(error, match=text) as caught:
        train(with_parts, runs_dir, epochs=1, **settings)
    assert "\n" not in str(caught.value)


def test_another_part_drops_the_options_of_the_one_before(with_parts):
    parts = part_options(with_parts)
    own = {"optimizer": "average", "decay": 0.9}
    assert resolve(own, {"optimizer": "adamw"}, parts=parts).part_options == {}
    assert resolve(own, {"lr": 1.0}, parts=parts).part_options == {"decay": 0.9, "state": "tensor"}
    with pytest.raises(UnknownName, match="decay"):
        resolve(own, {"optimizer": "adamw", "decay": 0.9}, parts=parts)


def test_a_recipe_that_names_a_missing_part_is_reported(tiny_registry):
    class Nets:
        @zoo.hookimpl
        def register_architectures(self, register):
            for name, recipe in (("one", {"optimizer": "lionn"}), ("two", {"optimizer": "average", "decay": 7})):
                register(
                    zoo.Architecture(
                        name=f"net-{name}",
                        summary="a net",
                        task="classification",
                        builder="zoo.plugins.lenet.model:build",
                        dataset="mnist",
                        parameters=1,
                        hyperparameters=recipe,
                    )
                )

    plugin = Plugin("nets", "zoo-nets", "1", "nets")
    tiny_registry.add(PLUGIN, Parts())
    tiny_registry.add(plugin, Nets())
    assert plugin.errors == []
    check_declared(tiny_registry)
    assert "net-one': There is no optimizer named 'lionn'" in plugin.errors[0]
    assert "net-two': decay must be a number" in plugin.errors[1]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"name": "own"}, "own stands for no part; choose another name"),
        ({"options": (zoo.Option(name="lr", default=1.0),)}, "option 'lr' has the name of a hyperparameter"),
        ({"options": (zoo.Option(name="a", default=1), zoo.Option(name="a", default=1))}, "two options named 'a'"),
        ({"build": "nowhere"}, "not of the form"),
    ],
)
def test_a_wrong_declaration_is_refused(fields, text):
    with pytest.raises(PluginError, match=text):
        zoo.Optimizer(**{"name": "mine", "summary": "mine", "build": build} | fields)


def test_a_part_of_the_zoo_is_registered_like_that_of_a_stranger(tiny_registry):
    class Same:
        @zoo.hookimpl
        def register_optimizers(self, register):
            register(zoo.Optimizer(name="sgd", summary="another", build=build))

    plugin = Plugin("same", "zoo-same", "1.0", "same")
    tiny_registry.add(plugin, Same())
    (problem,) = plugin.errors
    assert problem.startswith("optimizer 'sgd' is already registered by recipe-parts (pluggy-zoo ")
    assert list(tiny_registry.recipe_parts("optimizer")) == ["sgd", "adamw"]
    assert list(tiny_registry.recipe_parts("schedule")) == ["one-cycle", "linear", "step", "constant"]


def test_without_the_plugin_of_the_zoo_there_is_no_optimiser(runs_dir):
    registry = zoo.create_registry([point for point in find_entry_points() if point.name != "recipe-parts"])
    with pytest.raises(UnknownName, match="no optimizer named 'adamw'"):
        zoo.train("diabetes-mlp", registry=registry, runs_dir=runs_dir)


def test_an_option_of_a_part_that_is_not_chosen_says_which_part_has_it(with_parts, runs_dir, zoo_command):
    hint = "power is an option of schedule=falls; add --set schedule=falls."
    with pytest.raises(UnknownName, match=hint):
        train(with_parts, runs_dir, power=2.0)
    shown = zoo_command("train", "tiny-cnn", "--set", "power=2", registry=with_parts)
    assert shown.code == 2
    assert shown.error.endswith(hint)
    both = zoo_command("train", "tiny-cnn", "--set", "decay=0.3", registry=with_parts).error
    assert "optimizer=average and of schedule=clash; add --set optimizer=average or --set schedule=clash." in both
    other = zoo_command("train", "tiny-cnn", "--set", "powerr=2", registry=with_parts).error
    assert "add --set" not in other


def test_info_describes_the_parts_of_the_recipe_and_the_kind_of_input(with_parts, zoo_command):
    shown = zoo_command("info", "tiny-cnn", registry=with_parts).out
    assert "\ninput       image\n" in shown
    assert "\noptimizer   sgd: SGD with Nesterov momentum (pluggy-zoo)\n" in shown
    facts = zoo.architecture_facts(with_parts, with_parts.architecture("tiny-cnn"))
    for setting in facts["hyperparameters"]:
        setting["default"] = {"optimizer": "average"}.get(setting["name"], setting["default"])
    described = "\n".join(views.architecture(facts))
    assert "\noptimizer   average: averages (zoo-parts)\n" in described
    (allowed,) = [setting["allowed"] for setting in facts["hyperparameters"] if setting["name"] == "optimizer"]
    assert allowed == "one of sgd, adamw, average"
    listed = zoo_command("datasets", registry=with_parts).out
    assert any(line.split()[:2] == ["bars", "image"] for line in listed.splitlines())


def test_a_loss_names_a_task():
    with pytest.raises(PluginError, match="tasks must name at least one task"):
        zoo.Loss(name="mine", summary="mine", compute=absolute, tasks=())


def test_the_optimizer_of_a_plugin_gets_the_values_of_the_recipe():
    given = {}

    def build(parameters, **values):
        given.update(values)
        return torch.optim.SGD(parameters, lr=values["lr"])

    parts = RecipeParts(build=build, factor=float, whole_run=False, draw=None, apply=None, compute=None, names={})
    recipe = resolve({"lr": 0.3, "momentum": 0.8, "weight_decay": 0.02})
    parts.optimizer(torch.nn.Linear(2, 2), recipe)
    assert given == {"lr": 0.3, "momentum": 0.8, "weight_decay": 0.02}


def test_the_parts_that_are_known_without_a_registry_are_those_of_the_zoo():
    registry = zoo.create_registry([point for point in find_entry_points() if point.distribution == "pluggy-zoo"])
    parts = [part for kind in PARTS for part in registry.recipe_parts(kind).values()]
    assert {part.name for part in parts if not part.options} == hyperparameters._WITHOUT_OPTIONS


def test_a_foreign_table_is_learned_with_the_first_optimiser_that_suits_tables(runs_dir, caplog):
    class Suits:
        @zoo.hookimpl
        def register_optimizers(self, register):
            register(zoo.Optimizer(name="sgd", summary="the default", build="zoo.plugins.recipe_parts.optimizers:sgd"))
            options = (zoo.Option(name="decay", default=0.25), zoo.Option(name="state", default="tensor"))
            known = {"build": build, "options": options}
            register(zoo.Optimizer(name="level", summary="for tables", lr_for_tables=0.004, **known))

    registry = zoo.create_registry([point for point in find_entry_points() if point.name != "recipe-parts"])
    registry.add(zoo.Plugin("suits", "zoo-suits", "1.0", "suits"), Suits())

    class Rates:
        @zoo.hookimpl
        def register_schedules(self, register):
            register(zoo.Schedule(name="one-cycle", summary="s", factor=left_of_run))
            register(zoo.Schedule(name="constant", summary="s", factor=left_of_run))

    registry.add(zoo.Plugin("rates", "zoo-rates", "1.0", "rates"), Rates())
    table = runs_dir.with_name("table.csv")
    table.write_text("x,y,answer\n" + "".join(f"{k},{k * k % 7},{k % 2}\n" for k in range(120)))
    options = {"dataset": table, "data_options": {"target": "answer"}, "registry": registry, "device": "cpu"}
    run = zoo.train("logistic-regression", runs_dir=runs_dir, epochs=1, **options)
    assert run.config["hyperparameters"]["optimizer"] == "level"
    assert run.config["hyperparameters"]["decay"] == 0.25
    assert "optimizer level instead of sgd" in caplog.text


def test_a_learning_rate_for_tables_is_above_0():
    with pytest.raises(PluginError, match="lr_for_tables must be above 0"):
        zoo.Optimizer(name="mine", summary="mine", build=build, lr_for_tables=0.0)
