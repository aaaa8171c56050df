"""The two ways into the training loop, :func:`train` and :func:`resume`, and the record that a run leaves."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import nn

from .checkpoint import load_model_state, load_tensors
from .curves import draw_curves
from .devices import choose_device, exact
from .errors import TrainingInterrupted, UsageError
from .evaluation import evaluate
from .files import make_folder, sha256
from .folders import data_folder, runs_folder
from .hyperparameters import Hyperparameters, resolve
from .interrupts import stop_requests
from .loading import LoadedDataset, load_again, load_for
from .loop import load_last, run_epochs, save_last
from .memory import out_of_memory
from .optimisation import make_average, make_optimizer
from .options import Option
from .origins import as_trained, note_change, trained_architecture
from .plan import Plan, State, describe_start, no_totals
from .preparation import describe_run, first_batches, prepare_model, take_over, transfer
from .preparation import freeze as _freeze
from .registry import Registry, create_registry
from .runs import Run, create_run, find_run, load_run, run_lock
from .settings import split_settings
from .specs import Architecture, resolve_reference
from .tasks import TASKS, Task
from .trained import find_trained

log = logging.getLogger("zoo")

_SEED = Option(name="seed", default=0, minimum=0, maximum=2**32 - 1)


def train(
    architecture: str,
    *,
    dataset: str | Path | None = None,
    data_options: Mapping[str, object] | None = None,
    seed: int = 0,
    device: str = "auto",
    init_from: Path | str | None = None,
    freeze: Sequence[str] = (),
    data_dir: Path | str | None = None,
    runs_dir: Path | str | None = None,
    dry_run: bool = False,
    registry: Registry | None = None,
    **settings: object,
) -> Run:
    """Train an architecture and keep the checkpoint that is best on validation.

    Args:
        architecture: its name, as in ``zoo list``.
        dataset: in place of the architecture's own: name of a dataset, a folder of images (one folder for each class),
            or a CSV file.
        data_options: of the dataset, by name: ``{"target": "price"}`` for a CSV file.
        seed: of the initial weights, the order of the samples and all else that is random.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        init_from: start from the weights of a run, of an architecture (its best run, else those that came with it), of
            a checkpoint file, or of one of the architecture's own origins, as far as they fit by name
            and shape. A head for other outputs starts anew.
        freeze: patterns of names of parameters that are not trained: ``("features.*",)``.
        data_dir: the data folder; see :func:`zoo.data_folder`.
        runs_dir: the folder that the run's own folder is made in; see :func:`zoo.runs_folder`.
        dry_run: only try: two steps of training, a batch of validation and of test, checkpoints and curves, in a folder
            that is removed again.
        registry: the plugins to use; those installed, unless given.
        settings: hyperparameters and options of the architecture, by name.

    Returns:
        The finished run. ``run.config["results"]`` holds its test metrics.

    Raises:
        UsageError: an unknown name, or a value of the wrong type or out of range.
        DataError: the data cannot be had or used.
        DeviceUnavailable: the device is not there.
        TrainingDiverged: the loss became NaN or infinite.
        TrainingInterrupted: SIGINT or SIGTERM came; :func:`resume` goes on.
    """
    registry = registry or create_registry()
    spec = registry.architecture(architecture)
    chosen, options = split_settings(spec, settings)
    seed = int(_SEED.check(seed))  # type: ignore[arg-type]
    torch_device = choose_device(device)
    root = make_folder(runs_folder(runs_dir))
    folder = data_folder(data_dir)
    reference = str(dataset or spec.dataset)
    data = load_for(spec, registry, reference, folder, fall_back=dataset is None, options=data_options)
    foreign = data.spec.hyperparameters if data.spec.name != spec.dataset else {}
    hyperparameters = resolve(spec.hyperparameters, foreign, chosen)
    if dry_run:
        hyperparameters = replace(hyperparameters, epochs=1)
        data = first_batches(data, hyperparameters.batch_size)
    task = TASKS[spec.task].fit(data.splits.train.targets, hyperparameters)
    model = prepare_model(spec, data, task, options, hyperparameters, seed)
    origin = _transfer(model, spec, init_from, root, registry) if init_from else None
    _freeze(model.get_submodule("network"), freeze)
    config = describe_run(registry, spec, data, options, hyperparameters, seed, torch_device, model)
    config |= {"data_folder": str(folder.resolve()), "init_from": origin, "freeze": list(freeze)}
    with tempfile.TemporaryDirectory() if dry_run else contextlib.nullcontext(root) as place:
        run = create_run(Path(place), spec.name, config)
        plan = _plan(run, registry, data, hyperparameters, task, seed, torch_device)
        state = _start(model, plan)
        with run_lock(run):
            save_last(plan, state)
            return _execute(plan, state)


def resume(
    reference: str,
    *,
    epochs: int | None = None,
    device: str | None = None,
    data_dir: Path | str | None = None,
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
) -> Run:
    """Go on with a run that was stopped, exactly where it stopped, with the settings it was started with.

    Args:
        reference: the run's folder, or ``ARCHITECTURE/RUN``.
        epochs: another number of epochs in all, more than are done: a finished run goes on beyond its end. The learning
            rate goes on as it would have in a run of that length.
        device: another device than the one it was started on.

    Raises:
        RunNotFound: there is no such run.
        UsageError: it is finished already, or has done as many epochs.
        RunBusy: another process is training it.
        PluginError: its plugin is gone, or has changed so that the network is another.
        DataError: its data is not there, or no longer the same.
        TrainingDiverged, TrainingInterrupted: as for :func:`train`.
    """
    registry = registry or create_registry()
    run = find_run(reference, runs_folder(runs_dir), registry.architectures, trained=False)
    make_folder(run.folder)
    with run_lock(run):
        with as_trained(registry, run.config):
            plan, state = _return_to(load_run(run.folder), epochs, device, data_dir, registry)
        note_change(registry, run.config)
        return _execute(plan, state)


def _return_to(
    run: Run, epochs: int | None, device: str | None, data_dir: Path | str | None, registry: Registry
) -> tuple[Plan, State]:
    """Plan and state of a run as it was left."""
    config = run.config
    if run.status == "finished" and epochs is None:
        raise UsageError(f"{run.name} is finished already; --epochs goes on beyond its end.")
    spec = trained_architecture(registry, config)
    data = load_again(config, registry, data_folder(data_dir, config.get("data_folder")))
    torch_device = choose_device(device or config["device"])
    hyperparameters = resolve(config["hyperparameters"], {"epochs": epochs} if epochs is not None else {})
    task = TASKS[config["task"]].fit(data.splits.train.targets, hyperparameters)
    model = prepare_model(spec, data, task, config["options"], hyperparameters, config["seed"])
    _freeze(model.get_submodule("network"), config.get("freeze", ()))
    plan = _plan(run, registry, data, hyperparameters, task, config["seed"], torch_device)
    state = _start(model, plan)
    if run.last.is_file():
        load_last(run, state)
    elif config.get("init_from"):
        raise UsageError(f"{run.name} was stopped before it wrote the weights that it started from; train again.")
    if epochs is not None and epochs < state.epoch:
        raise UsageError(f"{run.name} has done {state.epoch - 1} epochs already; --epochs must be more.")
    run.set_metrics([entry for entry in run.metrics() if entry["epoch"] < state.epoch])
    config |= {"status": "running", "error": None, "results": None, "hyperparameters": asdict(hyperparameters)}
    run.save()
    return plan, state


def _transfer(model: nn.Sequential, spec: Architecture, origin: Path | str, root: Path, registry: Registry) -> str:
    """Take over the weights of ``origin``, and say what it was."""
    if origin in spec.origins:
        tensors = resolve_reference(spec.origins[str(origin)])()
        told = str(origin)
        fresh = take_over(model, {f"network.{name}": tensor for name, tensor in tensors.items()}, told)
    else:
        path = Path(origin).expanduser()
        checkpoint = path if path.is_file() else find_trained(str(origin), root, registry).checkpoint
        told = f"{checkpoint} (SHA-256 {sha256(checkpoint)})"
        fresh = transfer(model, checkpoint)
    if fresh:
        log.warning("Not in %s, and so trained from nothing: %s.", origin, ", ".join(fresh))
    return told


def _plan(
    run: Run,
    registry: Registry,
    data: LoadedDataset,
    hyperparameters: Hyperparameters,
    task: Task,
    seed: int,
    device: torch.device,
) -> Plan:
    validation = data.splits.validation
    assert validation is not None  # load_dataset always holds one out
    train_split = data.splits.train.to(device)
    return Plan(run, registry, data, hyperparameters, task.to(device), seed, device, train_split, validation.to(device))


def _start(model: nn.Sequential, plan: Plan) -> State:
    # Channels last is the layout that convolutions are fastest in, on CPU and GPU alike.
    model = model.to(plan.device).to(memory_format=torch.channels_last)
    h = plan.hyperparameters
    return State(model, make_optimizer(model, h), no_totals(plan.device), make_average(model, h.ema))


def _execute(plan: Plan, state: State) -> Run:
    """Run the loop and leave the run's folder telling how it ended, whichever way."""
    run = plan.run
    try:
        with stop_requests() as request, exact(plan.device, tf32=True):
            plan.notify("train_started", start=describe_start(plan, state))
            run_epochs(plan, state, request)
            _finish(plan, state)
    except (TrainingInterrupted, KeyboardInterrupt):
        run.config["status"] = "interrupted"
        raise
    except BaseException as error:
        told = out_of_memory(error, plan.hyperparameters) or error
        run.config |= {"status": "failed", "error": f"{type(told).__name__}: {told}"}
        if told is error:
            raise
        raise told from error
    finally:
        run.save()
        _draw(plan, state)
        plan.notify("train_ended")
    return run


def _finish(plan: Plan, state: State) -> None:
    """Judge the best checkpoint, as it stands on disk, on the test split: once, and nothing is chosen by it."""
    tensors, _ = load_tensors(plan.run.best)
    load_model_state(state.model, tensors)
    scores = evaluate(state.model, plan.data.splits.test.to(plan.device), plan.task)
    assert state.best is not None  # an epoch has ended
    plan.run.config["status"] = "finished"
    plan.run.config["results"] = {
        "test": scores.metrics,
        "test_samples": scores.samples,
        "validation": state.best["validation"],
        "epoch": state.best["epoch"],
        "train_seconds": round(state.seconds, 2),
    }


def _draw(plan: Plan, state: State) -> None:
    """The curves; a training does not fail for want of a picture."""
    try:
        entries = plan.run.metrics()
        if entries:
            title = f"{plan.run.config['architecture']} on {plan.data}"
            best = state.best["epoch"] if state.best else None
            draw_curves(plan.run.curves, title, plan.task.metric, entries, best)
    except Exception as error:
        log.warning("The curves could not be drawn: %s: %s", type(error).__name__, error)
