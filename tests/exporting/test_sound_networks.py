"""Sound networks are exported; a network that no file can repeat is refused with the reason, the line and a remedy."""

import random
import re
import time

import numpy as np
import pytest
import torch
from builtin_tasks import TASKS
from torch import nn
from torch.nn import functional

import zoo
from zoo import ExportError, ExportRefused
from zoo.exporting.gates import Gates, require_all
from zoo.exporting.model_checks import check_determinism, check_independence
from zoo.exporting.numerics import check_numerics, make_cases
from zoo.exporting.request import ExportRequest
from zoo.exporting.source import ExportSource
from zoo.inputs.preprocess import Preprocess
from zoo.models.float64 import Float64Reference


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.linear = nn.Linear(4 * 64, 3)

    def features(self, x):
        return torch.relu(self.conv(x))

    def head(self, h):
        return self.linear(h.flatten(1))

    def forward(self, x):
        return self.head(self.features(x))


class Cast(Small):
    def forward(self, x):
        x = (x * 20 + 100).to(torch.uint8).float()
        return self.head(self.features(x / 100))


class CastHalf(Small):
    def forward(self, x):
        return self.head(self.features(x).half().float())


class HalfParameters(Small):
    def __init__(self):
        super().__init__()
        self.half()

    def forward(self, x):
        return self.head(self.features(x.half())).float()


class BF16Parameters(Small):
    def __init__(self):
        super().__init__()
        self.bfloat16()

    def forward(self, x):
        return self.head(self.features(x.bfloat16())).float()


class HalfWeightsCastUp(Small):
    def __init__(self):
        super().__init__()
        self.linear.half()

    def head(self, h):
        return functional.linear(h.flatten(1), self.linear.weight.float(), self.linear.bias.float())


class HalfOutput(Small):
    def forward(self, x):
        return super().forward(x).half()


class Ema(Small):
    def __init__(self):
        super().__init__()
        self.register_buffer("ema", torch.zeros(4, 1, 1))

    def forward(self, x):
        h = self.features(x)
        self.ema.mul_(0.9).add_(h.detach().mean((0, 2, 3)).view(4, 1, 1), alpha=0.1)
        return self.head(h - self.ema)


class EmaUnused(Ema):
    def forward(self, x):
        h = self.features(x)
        self.ema = 0.9 * self.ema + 0.1 * h.mean((0, 2, 3)).view(4, 1, 1)
        return self.head(h)


class FloatOfBias(Small):
    def forward(self, x):
        return super().forward(x) + float(self.linear.bias[0])


class NanOnBlack(Small):
    def forward(self, x):
        x = x - x.amin((1, 2, 3), keepdim=True)
        x = x / x.amax((1, 2, 3), keepdim=True)
        return self.head(self.features(x))


class LenX(Small):
    def forward(self, x):
        return self.linear(self.features(x).view(len(x), -1))


class BranchOnBatch(Small):
    def forward(self, x):
        h = self.features(x)
        if x.shape[0] > 8:
            h = h * 2
        return self.head(h)


class RowLoop(Small):
    def forward(self, x):
        h = self.features(x)
        return torch.stack([self.linear(row.flatten()) for row in h])


class GridSample(Small):
    def forward(self, x):
        theta = torch.eye(2, 3).expand(x.shape[0], 2, 3)
        grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
        return self.head(self.features(functional.grid_sample(x, grid, align_corners=False)))


class Resized(Small):
    """To a size whose quotient float32 cannot represent; onnxruntime computes every place in the image from it."""

    def __init__(self, mode="bilinear"):
        super().__init__()
        self.mode = mode

    def forward(self, x):
        x = functional.interpolate(x[:, :, :7, :7], size=(30, 30), mode=self.mode)
        return super().forward(functional.interpolate(x, size=(8, 8), mode=self.mode))


class Cubic(Resized):
    def __init__(self):
        super().__init__("bicubic")


class AdaptiveMax(Small):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(16, 3)

    def forward(self, x):
        return self.head(functional.adaptive_max_pool2d(self.features(x), 2))


class AdaptiveMaxOdd(Small):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4 * 9, 3)

    def forward(self, x):
        return self.head(functional.adaptive_max_pool2d(self.features(x), 3))


class RareDropout(Small):
    def forward(self, x):
        return self.head(functional.dropout(self.features(x), 1e-4, training=True))


class DropoutP0(Small):
    def forward(self, x):
        return self.head(functional.dropout(self.features(x), 0.0, training=True))


class Autocast(Small):
    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            h = self.features(x)
        return self.head(h.float())


class TupleOut(Small):
    def forward(self, x):
        h = self.features(x)
        return self.head(h), h


class DictOut(Small):
    def forward(self, x):
        return {"logits": super().forward(x)}


class Counter(Small):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return super().forward(x)


class CounterUsed(Counter):
    def forward(self, x):
        self.calls += 1
        return self.head(self.features(x)) * (1 + 1e-3 * self.calls)


class CounterGlobal(Small):
    calls = [0]  # noqa: RUF012 - the fault of this network

    def forward(self, x):
        self.calls[0] += 1
        return self.head(self.features(x)) * (1 + 1e-3 * self.calls[0])


class Time(Small):
    def forward(self, x):
        return super().forward(x) * (1 + 1e-12 * time.time())


class PyRandom(Small):
    def forward(self, x):
        return super().forward(x) * (1 + 1e-3 * random.random())


class RareBranch(Small):
    """Another result once in a million calls."""

    def draw(self):
        return random.random()

    def forward(self, x):
        x = super().forward(x)
        return x + 1 if self.draw() < 1e-6 else x


class RareChoice(RareBranch):
    def draw(self):
        return random.randint(0, 10**6)  # a function in Python, which calls one in C


class RareNumpy(RareBranch):
    def draw(self):
        return np.random.rand()


class RareOwn(RareBranch):
    def __init__(self):
        super().__init__()
        self.generator = np.random.default_rng(0)

    def draw(self):
        return self.generator.random()


class FixedNumbers(Small):
    """Numbers of a generator that is made in every call, which are always the same; and a clock without effect."""

    def forward(self, x):
        begun = time.perf_counter()
        noise = np.random.default_rng(0).random(3) + random.Random(0).random()
        x = super().forward(x) + torch.tensor(noise, dtype=torch.float32)
        self.seconds = time.perf_counter() - begun
        return x


class Complex(Small):
    def forward(self, x):
        h = torch.fft.fft2(self.features(x)).abs()
        return self.head(h)


class IntOutput(Small):
    def forward(self, x):
        return super().forward(x).argmax(1, keepdim=True).expand(-1, 3).contiguous()


class InPlace(Small):
    def forward(self, x):
        x.mul_(2).clamp_(max=1)
        return super().forward(x)


class RandInBuffer(Small):
    def __init__(self):
        super().__init__()
        self.register_buffer("noise", torch.zeros(4, 1, 1))

    def forward(self, x):
        self.noise.uniform_()
        return self.head(self.features(x) + 0 * self.noise)


class MeanOfBatch(Small):
    def forward(self, x):
        h = super().forward(x)
        return h - h.mean(0) * 1e-4


class Reshape2(Small):
    def forward(self, x):
        return self.linear(self.features(x).view(16, -1))


class Bug(Small):
    def forward(self, x):
        return self.linear(self.features(x))


class StraightThrough(Small):
    def forward(self, x):
        h = self.features(x)
        q = (h * 16).round() / 16
        return self.head(h + (q - h).detach())


def source_of(network, preprocess=True):
    """The network behind a normalisation, with images as data."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (40, 1, 8, 8), generator=generator).to(torch.uint8)
    normalise = Preprocess(torch.full((1, 1, 1), 127.0), torch.full((1, 1, 1), 70.0)) if preprocess else nn.Identity()
    task = TASKS["classification"]
    model = nn.Sequential(nn.Sequential(normalise, network), task.answers()).eval()
    test = zoo.Split(images if preprocess else (images.float() - 127) / 70, torch.zeros(40, dtype=torch.int64))
    return ExportSource("net", model, task, test, None, {"architecture": "net", "labels": ["a", "b", "c"]})


def checks_of(source, registry, path, **options):
    gates = Gates(source, ExportRequest(registry.exporter("onnx"), path, options), path)
    return {check.gate: check for check in require_all(gates.write_and_check(), path)}


@pytest.mark.parametrize(
    "network",
    [
        HalfParameters,
        GridSample,
        Resized,
        Complex,
        *(
            pytest.param(network, marks=pytest.mark.slow)
            for network in (Cast, CastHalf, HalfWeightsCastUp, HalfOutput, Cubic, AdaptiveMax, StraightThrough)
        ),
    ],
)
def test_a_sound_network_is_exported(network, registry, tmp_path):
    checks = checks_of(source_of(network()), registry, tmp_path / "m.onnx")
    worst = checks["numerics"].figures["worst"]
    assert worst["error"] < worst["limit"]
    # the limit follows the rounding of the network: float16 has 11 bits, float32 has 24
    largest = 2e-3 if network in (CastHalf, HalfParameters, HalfOutput) else 1e-4
    assert worst["limit"] < largest


@pytest.mark.parametrize("network", [Counter, DropoutP0, EmaUnused, FixedNumbers, InPlace])
def test_what_has_no_effect_on_outputs_is_not_refused(network):
    source = source_of(network())
    assert check_determinism(source).passed
    assert check_independence(source).passed


HERE = r" at \S*test_sound_networks\.py:\d+ "
UNSOUND = [
    (Ema, rf"its ema changes in forward{HERE}\(`self\.ema\.mul_.*only if self\.training"),
    (NanOnBlack, rf"NaN or infinity for inputs of the kind 'all zero'{HERE}\(`x = x / x\.amax.*small number"),
    (RareDropout, rf"draws random numbers in evaluation mode: bernoulli\(\){HERE}.*dropout.*only if self\.training"),
    (RandInBuffer, rf"draws random numbers in evaluation mode: uniform\(\){HERE}\(`self\.noise\.uniform_"),
    (Autocast, rf"uses torch\.autocast in forward{HERE}\(`with torch\.autocast.*\.half\(\)"),
    (TupleOut, rf"returns a tuple{HERE}\(`TupleOut\.forward`\): return the logits alone"),
    (DictOut, rf"returns a dict{HERE}\(`DictOut\.forward`\): return the logits alone"),
    (IntOutput, rf"gives outputs of the type int64{HERE}.*return float logits"),
    (CounterUsed, rf"its calls changes in forward{HERE}\(`self\.calls \+= 1`\)"),
    (CounterGlobal, rf"its calls changes in forward{HERE}"),
    (Time, rf"it calls time\.time\(\){HERE}.*only if self\.training"),
    (PyRandom, rf"it calls random\.random\(\){HERE}.*only if self\.training"),
    (RareBranch, rf"random numbers.*: it calls random\.random\(\){HERE}\(`return random.*only if self\.training"),
    (RareChoice, rf"random numbers.*: it calls random\.randint\(\){HERE}\(`return random.*only if self\.training"),
    (RareNumpy, rf"random numbers.*: numbers of numpy\.random{HERE}\(`RareNumpy\.forward`\).*only if self\.training"),
    (RareOwn, rf"random numbers.*: numbers of its generator{HERE}\(`RareOwn\.forward`\)"),
    (Bug, rf"cannot run a batch of 16 test samples: mat1 and mat2.*{HERE}"),
    (Reshape2, rf"cannot run a batch of 3 test samples: mat1 and mat2.*{HERE}"),
]


@pytest.mark.parametrize(("network", "words"), UNSOUND, ids=lambda value: getattr(value, "__name__", ""))
def test_a_network_that_no_file_can_repeat_is_refused_at_its_line(network, words):
    source = source_of(network())
    before = {name: value.clone() for name, value in source.model.state_dict().items()}
    check = check_determinism(source)
    assert not check.passed
    assert re.search(words, check.summary), check.summary
    assert "\n" not in check.summary
    # the checks run on copies
    assert all(torch.equal(value, before[name]) for name, value in source.model.state_dict().items())


def test_a_network_that_changes_its_input_is_refused_at_its_line():
    check = check_determinism(source_of(InPlace(), preprocess=False))
    assert re.search(rf"changes its input in place{HERE}\(`x\.mul_.*gives a new tensor", check.summary)


UNTRACEABLE = [
    (FloatOfBias, rf"turns a tensor into a Python number.*{HERE}.*float\(self\.linear\.bias.*the tensor itself"),
    (LenX, rf"batch size is fixed at 3.*{HERE}.*use x\.shape\[0\] instead"),
    (BranchOnBatch, rf"branches on the batch size{HERE}\(`if x\.shape\[0\] > 8:`\).*remove the branch"),
    (RowLoop, rf"batch size is fixed at 3.*{HERE}.*compute the whole batch at once"),
    (AdaptiveMaxOdd, rf"no operator for aten\.adaptive_max_pool2d{HERE}"),
    (BF16Parameters, rf"computes in bfloat16{HERE}.*Use float16"),
]


@pytest.mark.parametrize(("network", "words"), UNTRACEABLE, ids=lambda value: getattr(value, "__name__", ""))
def test_a_network_that_cannot_be_written_is_refused_at_its_line(network, words, registry, tmp_path):
    with pytest.raises(ExportError) as caught:
        checks_of(source_of(network()), registry, tmp_path / "m.onnx")
    assert re.search(words, str(caught.value)), caught.value
    assert "\n" not in str(caught.value)


def batch_effect(strength):
    class MeanOfBatch(Small):
        def forward(self, x):
            h = super().forward(x)
            return h - h.mean(0) * strength

    return MeanOfBatch()


@pytest.mark.parametrize("strength", [1e-1, 1e-4, 1e-7])
def test_a_slight_effect_of_the_batch_is_refused_at_its_line(strength):
    check = check_independence(source_of(batch_effect(strength)))
    assert re.search(rf"depend on the other samples of the batch.*{HERE}\(`return h - h\.mean", check.summary)


class OtherInFloat32(Small):
    """As imprecise in float32 as if a part of it were computed in another way there."""

    def forward(self, x):
        x = super().forward(x)
        return x * 1.005 if x.dtype == torch.float32 else x


def test_an_error_of_torch_itself_hardly_widens_the_limit(registry, tmp_path):
    """Otherwise every file with such an error would pass."""
    cases = {network: make_cases(source_of(network())) for network in (Small, OtherInFloat32)}
    for sound, other in zip(*cases.values(), strict=True):
        for usual, limit in zip(sound.limits, other.limits, strict=True):
            assert limit.largest <= 4.1 * usual.largest
    with pytest.raises(ExportRefused, match=r"numerics: \S+ from float64, limit \S+, torch's own error"):
        checks_of(source_of(OtherInFloat32()), registry, tmp_path / "m.onnx")


@pytest.mark.parametrize("offset", [1e3, 1e4, 1e5, 1e6])
def test_a_planted_error_of_a_hundredth_never_passes(offset):
    """Also in networks in which rounding errors are large, because large terms cancel out."""

    class Cancels(Small):
        def forward(self, x):
            return (super().forward(x) + offset) - offset

    source = source_of(Cancels())
    cases = make_cases(source)

    @torch.inference_mode()
    def run(inputs):
        logits, probabilities = source.in_float64()(inputs)
        return [(logits * 1.0101).float().numpy(), probabilities.float().numpy()]

    assert not check_numerics(source, cases, zoo.Runtime("CPU", "planted", run)).passed


def test_an_effect_of_the_size_of_the_batch_does_not_widen_the_limit():
    class BySize(Small):
        def forward(self, x):
            return super().forward(x) * (1 + x.shape[0] // 64 * 1e-3)

    assert not check_independence(source_of(BySize())).passed


class Casts(nn.Module):
    """Every cast and every way to make a new tensor."""

    def __init__(self, function):
        super().__init__()
        self.function, self.third = function, torch.tensor([1 / 3])  # neither a parameter nor a buffer

    def forward(self, x):
        return (self.function(self, x),)


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (lambda self, x: x.to(torch.float32) / 3, 2.5 / 3),
        (lambda self, x: x.to(torch.uint8).float() / 3, 2 / 3),
        (lambda self, x: x.int() / 3, 2 / 3),
        (lambda self, x: x.type_as(torch.zeros(1)) / 3, 2.5 / 3),
        (lambda self, x: (x / 3).half().float(), float(torch.tensor(2.5 / 3, dtype=torch.float64).half())),
        (lambda self, x: (x.half() / 3).double(), float(torch.tensor(2.5 / 3, dtype=torch.float64).half())),
        (lambda self, x: torch.ones(1) * x / 3, 2.5 / 3),
        (lambda self, x: torch.zeros(1).add_(x) / 3, 2.5 / 3),
        (lambda self, x: self.third * 1, float(torch.tensor(1 / 3))),
        (lambda self, x: (x.to(torch.complex64) / 3).real, 2.5 / 3),
    ],
    ids=["float32", "integer", "division", "type_as", "to half", "in half", "ones", "in place", "attribute", "complex"],
)
def test_the_reference_computes_in_float64_and_casts_keep_their_meaning(function, wanted):
    (output,) = Float64Reference(Casts(function))(torch.tensor([2.5]))
    assert output.dtype == torch.float64
    assert output.item() == pytest.approx(wanted, rel=1e-15)
