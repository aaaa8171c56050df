"""`zoo check` finds what is wrong with recipe parts."""

from types import SimpleNamespace

import pytest
import torch

import zoo
from zoo.conformance import recipe_parts
from zoo.conformance.check import CheckedItem, Problem
from zoo.registry.plugin import Plugin


def results(registry, name):
    return {result.check: result for result in zoo.check(name, registry=registry)}


def add(registry, hook, spec):
    def register(self, register):
        register(spec)

    implementation = type("Plugin", (), {hook: zoo.hookimpl(register, specname=hook)})()
    plugin = Plugin("parts", "zoo-parts", "1", "parts")
    registry.add(plugin, implementation)
    assert plugin.errors == []


class Forgets(torch.optim.SGD):
    """It counts its steps outside of its state, so a resumed run takes other steps."""

    steps = 0

    def step(self, closure=None):
        self.steps += 1
        for group in self.param_groups:
            group["lr"] /= self.steps
        return super().step(closure)


def build_forgets(parameters, *, lr, momentum, weight_decay):
    return Forgets(parameters, lr=100 * lr)


def build_good(parameters, *, lr, momentum, weight_decay):
    return torch.optim.RMSprop(parameters, lr=lr)


def own_random(shape, generator):
    return torch.rand(shape[0])


def good_draw(shape, generator):
    return torch.rand(shape[0], generator=generator)


def good_apply(inputs, drawn):
    return inputs


def in_place(inputs, drawn):
    return inputs.add_(1)


def of_the_batch(inputs, drawn):
    return inputs.float() * 0 + inputs.float().mean()


def too_bright(inputs, drawn):
    return inputs.float() * 2


def random_apply(inputs, drawn):
    return torch.where(torch.rand(len(inputs))[:, None, None, None] < 0.5, inputs, 0)


def one_number(shape, generator):
    return torch.rand((), generator=generator)


def smaller(inputs, drawn):
    return inputs[..., 1:]


def for_each_sample(outputs, targets):
    return torch.nn.functional.cross_entropy(outputs, targets, reduction="none")


def of_the_targets(outputs, targets):
    return targets.float().requires_grad_().mean()


def infinite(outputs, targets):
    return torch.nn.functional.cross_entropy(outputs, targets) / 0


def summed(outputs, targets):
    return torch.nn.functional.cross_entropy(outputs, targets, reduction="sum")


def detached(outputs, targets):
    return torch.nn.functional.cross_entropy(outputs, targets).detach()


def parts(**fields):
    return {"name": "mine", "summary": "mine"} | fields


@pytest.mark.parametrize(
    ("hook", "spec", "failed", "remedy"),
    [
        ("register_optimizers", zoo.Optimizer(**parts(build=build_forgets)), "resume", "optimizer.state, as tensors"),
        ("register_schedules", zoo.Schedule(**parts(factor=lambda progress: -1.0)), "factors", "at least 0"),
        ("register_schedules", zoo.Schedule(**parts(factor=lambda progress: "x")), "factors", "at least 0"),
        ("register_augmentations", (own_random, good_apply), "draws", "generator alone"),
        ("register_augmentations", (good_draw, in_place), "applies", "new tensor"),
        ("register_augmentations", (good_draw, of_the_batch), "applies", "own row"),
        ("register_augmentations", (good_draw, too_bright), "applies", "Clamp"),
        ("register_augmentations", (good_draw, random_apply), "applies", "in draw"),
        ("register_losses", summed, "averages", "accumulate"),
        ("register_losses", detached, "computes", ""),
    ],
)
def test_a_fault_of_a_part_is_found(registry, hook, spec, failed, remedy):
    if hook == "register_augmentations":
        spec = zoo.Augmentation(**parts(draw=spec[0], apply=spec[1]))
    elif hook == "register_losses":
        spec = zoo.Loss(**parts(compute=spec, tasks=("classification", "regression")[:1]))
    add(registry, hook, spec)
    result = results(registry, "mine")[failed]
    assert result.status == "failed"
    assert remedy in result.remedy


@pytest.mark.parametrize(
    ("hook", "spec"),
    [
        ("register_optimizers", zoo.Optimizer(**parts(build=build_good))),
        (
            "register_losses",
            zoo.Loss(
                **parts(
                    compute=lambda outputs, targets: (outputs - targets).abs().mean(),
                    tasks=("regression",),
                )
            ),
        ),
        (
            "register_losses",
            zoo.Loss(
                **parts(
                    compute=lambda outputs, targets: torch.nn.functional.soft_margin_loss(
                        outputs[:, 0], 2.0 * targets - 1
                    ),
                    tasks=("binary",),
                )
            ),
        ),
    ],
)
def test_a_sound_part_passes(registry, hook, spec):
    add(registry, hook, spec)
    assert {result.status for result in results(registry, "mine").values()} == {"passed"}


@pytest.mark.parametrize(
    ("spec", "check", "reason", "remedy"),
    [
        ((one_number, good_apply), "draws", "no tensor with one row for each sample", "[N, …]"),
        ((good_draw, smaller), "applies", "changes the shape or the type", "of the shape of the inputs"),
        (for_each_sample, "computes", "for classification it returns no scalar tensor", ".mean()"),
        (of_the_targets, "computes", "the loss or its gradient is missing or not finite", "from the outputs"),
        (infinite, "computes", "the loss or its gradient is missing or not finite", "from the outputs"),
    ],
)
def test_a_result_of_another_form_is_found(registry, spec, check, reason, remedy):
    if isinstance(spec, tuple):
        kind, part = "augmentation", zoo.Augmentation(**parts(draw=spec[0], apply=spec[1]))
    else:
        kind, part = "loss", zoo.Loss(**parts(compute=spec, tasks=("classification",)))
    add(registry, "register_augmentations" if kind == "augmentation" else "register_losses", part)
    workspace = SimpleNamespace(registry=registry, item=CheckedItem(kind, "mine", None), cache={})
    with pytest.raises(Problem, match=reason) as caught:
        getattr(recipe_parts, check)(workspace)
    assert remedy in caught.value.remedy
