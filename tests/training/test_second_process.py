"""What one of two processes does, with the other one replaced: ``test_distributed.py`` trains in two real ones."""

from types import SimpleNamespace

import pytest
import torch
from torch import distributed, nn

import zoo
from zoo.runs.run import create_run
from zoo.training import execution, loop, resuming, time_budget
from zoo.training.distributed import ALONE, World
from zoo.training.plan import Plan, _training_module
from zoo.training.request import make_request
from zoo.training.run_folder import existing_run

FIRST, SECOND = World(0, 2), World(1, 2)
CPU = torch.device("cpu")


class Told(World):
    """The second of two processes. The first one broadcasts ``value``."""

    def __init__(self, value):
        super().__init__(1, 2)
        object.__setattr__(self, "value", value)

    def broadcast(self, value):
        return self.value


@pytest.fixture
def other(monkeypatch):
    """A function that sets the values of the other process for the operations of torch."""
    reduced = {distributed.ReduceOp.SUM: torch.add, distributed.ReduceOp.MIN: torch.minimum}
    reduced[distributed.ReduceOp.MAX] = torch.maximum

    def set_other(values):
        monkeypatch.setattr(distributed, "all_reduce", lambda mine, how: mine.copy_(reduced[how](mine, values)))
        monkeypatch.setattr(distributed, "broadcast", lambda mine, source: mine.copy_(values))
        monkeypatch.setattr(distributed, "broadcast_object_list", lambda mine: mine.__setitem__(0, values))

    return set_other


def test_values_are_reduced_over_both_processes(other):
    mine = torch.tensor([1.0, 5.0])
    other(torch.tensor([3.0, 2.0]))
    assert SECOND.sum(mine).tolist() == [4.0, 7.0]
    assert SECOND.minimum(mine).tolist() == [1.0, 2.0]
    assert mine.tolist() == [1.0, 5.0]
    assert ALONE.sum(mine).tolist() == [1.0, 5.0]


def test_both_processes_continue_with_the_larger_number(other):
    other(torch.tensor(15))
    assert (SECOND.agree(0, CPU), FIRST.agree(20, CPU), ALONE.agree(0, CPU)) == (15, 20, 0)


def test_the_second_process_gets_values_and_buffers_of_the_first(other):
    other("told")
    assert (SECOND.broadcast(None), ALONE.broadcast("mine")) == ("told", "mine")
    norm = nn.BatchNorm1d(2, track_running_stats=True)
    del norm.num_batches_tracked
    other(torch.tensor([7.0, 8.0]))
    ALONE.share_buffers(norm)
    assert norm.running_mean.tolist() == [0.0, 0.0]
    SECOND.share_buffers(norm)
    assert norm.running_mean.tolist() == norm.running_var.tolist() == [7.0, 8.0]


@pytest.mark.parametrize(
    ("world", "order"), [(FIRST, ["block", "barrier"]), (SECOND, ["barrier", "block"]), (ALONE, ["block"])]
)
def test_the_first_process_downloads_before_the_second_looks(world, order, monkeypatch):
    done = []
    monkeypatch.setattr(distributed, "barrier", lambda: done.append("barrier"))
    with world.first_before_others():
        done.append("block")
    assert done == order


# --- a group of one real process: torch wraps the module and shares gradients


@pytest.fixture
def group():
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def test_gradients_are_shared_after_the_last_piece_of_a_batch(group):
    model = nn.Sequential(nn.Identity(), nn.Linear(2, 1), nn.Identity())
    module = _training_module(model, CPU, FIRST, compiled=False)
    assert isinstance(module, nn.parallel.DistributedDataParallel)
    assert _training_module(model, CPU, ALONE, compiled=False)(torch.ones(1, 2)).shape == (1, 1)
    for now in (False, True):
        with loop._gradient_sync(module, now=now):
            assert module.require_backward_grad_sync == now
        assert module.require_backward_grad_sync


# --- files and notes


def test_a_signal_is_asked_for_at_every_twentieth_step_of_several_processes(other):
    other(torch.tensor(0))
    asked = [
        loop._stop_signal(SimpleNamespace(world=world, device=CPU), SimpleNamespace(step=step), request)
        for request in [SimpleNamespace(signal_number=15)]
        for world, step in ((FIRST, 19), (FIRST, 20), (ALONE, 19))
    ]
    assert asked == [0, 15, 15]


def test_the_second_process_writes_no_checkpoint(tmp_path, other):
    run = create_run(tmp_path, "net", {"best": None})
    state = SimpleNamespace(best={"epoch": 1}, totals=torch.ones(4), evaluated_model=None)
    plan = SimpleNamespace(world=SECOND, run=run)
    writer = resuming.CheckpointWriter(plan, state)
    writer.keep_best()
    assert run.config["best"] == {"epoch": 1}, "both processes know the best epoch"
    assert writer._pending is None
    other(torch.tensor(1.0))
    resuming.save_last(plan, state)
    assert not run.last.exists()


def test_only_the_first_process_drops_metrics_of_epochs_that_are_trained_again(monkeypatch):
    kept = []
    monkeypatch.setattr(resuming, "load_last", lambda *_: True)
    for world in (Told(5), ALONE):
        config = {"hyperparameters": {"epochs": 9}}
        run = SimpleNamespace(config=config, epochs_done=lambda: 5, keep_metrics=kept.append, save=lambda: None)
        recipe = SimpleNamespace(epochs=9, as_dict=dict)
        plan = SimpleNamespace(run=run, world=world, hyperparameters=recipe)
        resuming.return_to_last(plan, SimpleNamespace(epoch=5), SimpleNamespace(epochs=None))
        assert config["processes"] == world.size
    assert kept == [4]


def test_the_second_process_tells_plugins_nothing_and_draws_nothing(tmp_path):
    called = []
    registry = SimpleNamespace(notify=lambda hook, **_: called.append(hook) or [])
    for world in (SECOND, FIRST):
        run = SimpleNamespace(write_table=lambda: called.append("table"), metrics=list)
        plan = SimpleNamespace(world=world, registry=registry, run=run)
        Plan.notify(plan, "epoch_ended")
        execution._draw_curves(plan, SimpleNamespace(best=None))
    assert called == ["epoch_ended", "table"]


def test_the_second_process_does_not_compare_the_numerical_settings(monkeypatch):
    compared = []
    monkeypatch.setattr(resuming, "note_change", lambda *_: None)
    monkeypatch.setattr(resuming, "_note_arithmetic", lambda run, device: compared.append(run))
    for world in (SECOND, FIRST):
        run = SimpleNamespace(config={})
        resuming.note_changes(SimpleNamespace(world=world, registry=None, run=run, device=CPU))
    assert compared == [run]


def test_the_second_process_takes_the_measured_time_and_prints_no_note(tiny_registry, runs_dir, monkeypatch, caplog):
    request = make_request(tiny_registry, "tiny-cnn", {}, device="cpu", runs_dir=runs_dir, seconds=7)
    prepared = time_budget.prepare(request)
    monkeypatch.setattr(time_budget, "measure_epoch", lambda *_: pytest.fail("measured in the second process"))
    fitted, again = time_budget.fit_into_time(request, prepared, Told(2.0))
    assert fitted.hyperparameters["epochs"] == again.hyperparameters.epochs == 3
    assert not [message for message in caplog.messages if message.startswith("Training")]


def test_the_second_process_resumes_the_run_that_the_first_has_found(tmp_path, monkeypatch):
    run = create_run(tmp_path, "net", {"seed": 1})
    part = run.folder / ".run.json.0123456789abcdef.part"
    part.write_text("half")
    request = SimpleNamespace(registry=SimpleNamespace(architectures={}), reference="net", runs_folder=None)
    monkeypatch.setattr("zoo.training.run_folder.find_run", lambda *_, **__: pytest.fail("searched twice"))
    monkeypatch.setattr("zoo.training.run_folder._shared_run", lambda world, find: zoo.Run(run.folder, {}, False))
    with existing_run(request, Told({"seed": 2})) as found:
        assert found.config == {"seed": 2}
    assert part.exists(), "the first process removes it"
