"""Initial weights from elsewhere, frozen parameters, initialisation, tied weights."""

import math

import pytest
import torch
from torch import nn

import zoo
from zoo import Dataset, UsageError
from zoo.runs.checkpoint import load_tensors


def outside(x):
    return x.abs() > 1


def fold(x):
    """Reflect values beyond 1 or -1. The function is continuous, so a rounding error stays small."""
    return torch.where(outside(x), 2 * x.sign() - x, x)


class Odd(nn.Module):
    """A network with tied weights, a constant, a parameter outside of any layer, and control flow."""

    def __init__(self, size, num_outputs, flow):
        super().__init__()
        self.flatten = nn.Flatten()
        self.encode = nn.Linear(size, size, bias=False)
        self.decode = nn.Linear(size, size, bias=False)
        self.decode.weight = self.encode.weight  # tied
        self.constant = nn.Parameter(torch.full((size,), 0.5), requires_grad=False)
        self.scale = nn.Parameter(torch.ones(size))  # outside of any layer
        self.flow = flow
        self.fc = nn.Linear(size, num_outputs)

    def forward(self, inputs):
        x = self.decode(torch.relu(self.encode(self.flatten(inputs)))) * self.scale + self.constant
        return self.fc(self.control(x))

    def control(self, x):
        """Control flow that depends on the data: that of Python in training, that of torch (and ONNX) in evaluation.

        The branch depends on the whole batch; each value is folded or clamped into [-1, 1] independently.
        """
        if self.flow == "while" and self.training:
            while outside(x).any():
                x = fold(x)
        elif self.flow == "while":
            (x,) = torch.while_loop(lambda x: outside(x).any(), lambda x: (fold(x),), (x,))
        elif self.flow == "cond" and self.training:
            x = x.clamp(-1, 1) if outside(x).any() else x
        elif self.flow == "cond":
            x = torch.cond(outside(x).any(), lambda x: x.clamp(-1, 1), lambda x: x.clone(), (x,))
        return x


@pytest.fixture
def odd_registry(tiny_registry):
    class Plugin:
        @zoo.hookimpl
        def register_architectures(self, register):
            register(
                zoo.Architecture(
                    name="odd",
                    summary="tied weights, a constant, control flow",
                    task="classification",
                    builder=lambda input_shape, num_outputs, flow: Odd(math.prod(input_shape), num_outputs, flow),
                    dataset="bars",
                    parameters=16 * 16 + 16 + 16 * 2 + 2,
                    hyperparameters={"epochs": 3, "batch_size": 20, "lr": 0.05},
                    options=(zoo.Option(name="flow", default="none", choices=("none", "while", "cond")),),
                )
            )

        @zoo.hookimpl
        def register_datasets(self, register):
            bars = tiny_registry.dataset("bars")
            register(
                Dataset(
                    name="three-bars",
                    summary="a third class: blank images",
                    task="classification",
                    loader=lambda folder, download: with_a_third_class(bars.loader(folder, download)),
                    input_shape=(1, 4, 4),
                    num_outputs=3,
                )
            )

    def with_a_third_class(splits):
        return zoo.Splits(*(third(split) for split in (splits.train, splits.test)))

    def third(split):
        blank = torch.randint(0, 90, (len(split) // 2, 1, 4, 4), generator=torch.Generator().manual_seed(1))
        targets = torch.full((len(blank),), 2)
        return zoo.Split(torch.cat([split.inputs, blank.to(torch.uint8)]), torch.cat([split.targets, targets]))

    tiny_registry.add(zoo.Plugin("odd", "third-party", "1.0", "odd"), Plugin())
    return tiny_registry


def train(registry, runs_dir, name="odd", **kwargs):
    return zoo.train(name, registry=registry, runs_dir=runs_dir, device="cpu", **kwargs)


def network_of(run, runs_dir, registry):
    return zoo.load(run.name, runs_dir=runs_dir, registry=registry).module.network


def test_tied_weights_stay_tied_and_constants_constant(odd_registry, runs_dir):
    run = train(odd_registry, runs_dir)
    assert run.config["parameters"] == odd_registry.architecture("odd").parameters
    tensors, _ = load_tensors(run.best)
    assert "network.encode.weight" in tensors
    assert "network.decode.weight" not in tensors
    network = network_of(run, runs_dir, odd_registry)
    assert network.decode.weight is network.encode.weight
    assert torch.equal(network.constant, torch.full((16,), 0.5))
    assert not torch.equal(network.scale, torch.ones(16))


@pytest.mark.parametrize(("flow", "operator"), [("none", None), ("while", "Loop"), ("cond", "If")])
def test_networks_with_control_flow_are_exported(flow, operator, odd_registry, runs_dir, tmp_path):
    run = train(odd_registry, runs_dir, flow=flow)
    certificate = zoo.export(run.name, "onnx", tmp_path / "odd.onnx", runs_dir=runs_dir, registry=odd_registry)
    assert all(check.passed for check in certificate.checks)
    import onnx

    operators = {node.op_type for node in onnx.load(certificate.file).graph.node}
    assert operators & {"Loop", "If"} == ({operator} if operator else set())


@pytest.mark.parametrize("pattern", ["encode", "encode.*", "*.weight"])
def test_frozen_parameters_are_not_trained(pattern, odd_registry, runs_dir):
    before = train(odd_registry, runs_dir, epochs=1, lr=1e-12)
    run = train(odd_registry, runs_dir, freeze=(pattern,))
    first, last = (network_of(r, runs_dir, odd_registry) for r in (before, run))
    assert torch.allclose(first.encode.weight, last.encode.weight, atol=1e-9)
    assert not torch.allclose(first.scale, last.scale, atol=1e-4)
    assert run.config["freeze"] == [pattern]
    assert run.config["parameters"] < odd_registry.architecture("odd").parameters


def test_frozen_batch_norm_keeps_its_statistics(tiny_registry, runs_dir):
    run = train(tiny_registry, runs_dir, "tiny-cnn", freeze=("1.*",))
    norm = network_of(run, runs_dir, tiny_registry)[1]
    assert torch.equal(norm.running_mean, torch.zeros(8))


@pytest.mark.parametrize(
    ("patterns", "problem"),
    [
        (("nothing",), "'nothing' matches no parameter. The network has: .*encode"),
        (("*",), "All parameters are frozen"),
    ],
)
def test_freezing_nothing_or_everything_is_refused(patterns, problem, odd_registry, runs_dir):
    with pytest.raises(UsageError, match=problem):
        train(odd_registry, runs_dir, freeze=patterns)
    assert list(runs_dir.rglob("run.json")) == []


def test_weights_of_a_run_are_copied_except_the_head(odd_registry, runs_dir, caplog):
    first = train(odd_registry, runs_dir)
    second = train(
        odd_registry, runs_dir, dataset="three-bars", init_from=first.name, freeze=("encode", "scale"), epochs=1
    )
    assert "no matching weights for fc.weight, fc.bias; trained from scratch" in caplog.text
    old, new = (network_of(run, runs_dir, odd_registry) for run in (first, second))
    assert torch.equal(old.encode.weight, new.encode.weight)
    assert torch.equal(old.scale, new.scale)
    assert new.fc.out_features == 3
    assert second.config["init_from"].startswith(str(first.best))


def test_weights_of_a_checkpoint_file_have_to_match_the_network(odd_registry, runs_dir, tmp_path):
    first = train(odd_registry, runs_dir, epochs=1)
    copy = tmp_path / "w.safetensors"
    copy.write_bytes(first.best.read_bytes())
    assert train(odd_registry, runs_dir, epochs=1, init_from=copy).status == "finished"
    with pytest.raises(UsageError, match="has no weights that match this network"):
        train(odd_registry, runs_dir, "tiny-cnn", init_from=copy)
    with pytest.raises(zoo.UnknownName, match="nobody"):
        train(odd_registry, runs_dir, init_from="nobody")


def test_a_stopped_transfer_resumes_from_the_copied_weights(odd_registry, runs_dir):
    first = train(odd_registry, runs_dir)
    whole = train(odd_registry, runs_dir, init_from=first.name, epochs=2, seed=5)

    class Stop:
        @zoo.hookimpl
        def train_started(self, run, start):
            raise KeyboardInterrupt

    odd_registry.listen(Stop())
    with pytest.raises(KeyboardInterrupt):
        train(odd_registry, runs_dir, init_from=first.name, epochs=2, seed=5)
    stopped = next(run for run in zoo.list_runs(runs_dir, "odd") if run.status == "interrupted")
    for plugin in [plugin for plugin in odd_registry.manager.get_plugins() if isinstance(plugin, Stop)]:
        odd_registry.manager.unregister(plugin)
    first.best.unlink()  # the resumed run does not need it
    done = zoo.resume(str(stopped.folder), runs_dir=runs_dir, registry=odd_registry)
    assert done.best.read_bytes() == whole.best.read_bytes()


@pytest.mark.parametrize("scheme", ["xavier", "kaiming", "normal", "orthogonal"])
def test_weights_of_any_architecture_can_be_initialised(scheme, tiny_registry, runs_dir):
    run = train(tiny_registry, runs_dir, "tiny-cnn", init=scheme, epochs=1, lr=1e-12)
    weight = network_of(run, runs_dir, tiny_registry)[5].weight
    fan_in, fan_out = 128, 2
    deviation = {
        "xavier": (2 / (fan_in + fan_out)) ** 0.5,
        "kaiming": (2 / fan_in) ** 0.5,
        "normal": 0.01,
        "orthogonal": fan_in**-0.5,
    }[scheme]
    assert float(weight.detach().std()) == pytest.approx(deviation, rel=0.15)
    again = train(tiny_registry, runs_dir, "tiny-cnn", init=scheme, epochs=1, lr=1e-12)
    assert again.best.read_bytes() == run.best.read_bytes()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "net.onnx",
            r"net.onnx is an exported file \(onnx\), which cannot be trained further. Give --init-f",
        ),
        ("net.made.zip", r"net.made.zip is an exported file \(made\), which cannot be trained further"),
        ("net.zip", r"net.zip is not a checkpoint. --init-from takes a run .*best.safetensors of a run"),
        ("best.safetensors", "Cannot read the checkpoint .*best.safetensors"),
    ],
)
def test_a_file_that_is_no_checkpoint_says_what_is_accepted(name, text, tiny_registry, tmp_path):
    class Format:
        @zoo.hookimpl
        def register_exporters(self, register):
            register(zoo.Exporter(name="made", summary="s", suffix=".made.zip", write="m:write", check="m:check"))

    tiny_registry.add(zoo.Plugin("made", "zoo-made", "1.0", "made"), Format())
    (tmp_path / name).write_bytes(b"PK\x03\x04 an archive of nothing")
    with pytest.raises(zoo.ZooError, match=text):
        zoo.train("tiny-cnn", registry=tiny_registry, runs_dir=tmp_path, init_from=tmp_path / name, epochs=1)
