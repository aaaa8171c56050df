"""The two ways into the training loop, :func:`train` and :func:`resume`, and the record that a run leaves."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from ..data.loading import load_again
from ..errors import UnknownName, UsageError
from ..files import make_folder, sha256
from ..folders import data_folder, runs_folder
from ..models.devices import choose_device
from ..models.tasks import TASKS
from ..models.trained import find_trained
from ..registry.origins import as_trained, note_change, trained_architecture
from ..registry.registry import Registry, create_registry
from ..runs.run import Run, create_run, find_run, load_run, run_lock
from ..specs.hyperparameters import resolve
from ..specs.options import Option
from ..specs.settings import split_settings
from ..specs.specs import Architecture, resolve_reference
from .distributed import World, join, own_device
from .execution import execute, make_plan, make_state
from .plan import Checkpoints, Plan, State
from .preparation import describe_run, prepare, prepare_model, take_over, transfer
from .preparation import freeze as _freeze
from .resuming import load_last, note_other_arithmetic, save_last

log = logging.getLogger("zoo")

_SEED = Option(name="seed", default=0, minimum=0, maximum=2**32 - 1)
_CHECKPOINT_EPOCHS = Option(name="checkpoint_epochs", default=1, minimum=1)
_CHECKPOINT_STEPS = Option(name="checkpoint_steps", default=0, minimum=0)


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
    checkpoint_epochs: int = 1,
    checkpoint_steps: int = 0,
    log: Sequence[str] = (),
    registry: Registry | None = None,
    **settings: object,
) -> Run:
    """Train an architecture and keep the checkpoint that is best on validation.

    In several processes started by torchrun, each trains on its share of every batch, and all return the same run.

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
        checkpoint_epochs: write down, after every so many epochs, what is needed to resume.
        checkpoint_steps: and, inside an epoch, after every so many steps; 0: never.
        log: names of plugins that record trainings when asked to: ``("tensorboard",)``.
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
        PeerFailed: another of several processes failed.
    """
    registry = registry or create_registry()
    spec = registry.architecture(architecture)
    chosen, options = split_settings(spec, settings)
    seed = int(_SEED.check(seed))  # type: ignore[arg-type]
    checkpoints = Checkpoints(
        int(_CHECKPOINT_EPOCHS.check(checkpoint_epochs)),  # type: ignore[arg-type]
        int(_CHECKPOINT_STEPS.check(checkpoint_steps)),  # type: ignore[arg-type]
    )
    _check_loggers(registry, log)
    torch_device = choose_device(own_device(device))
    root = runs_folder(runs_dir)
    folder = data_folder(data_dir)
    with join(torch_device) as world:
        with world.first_before_others():
            if world.first:
                make_folder(root)
            ready = prepare(
                spec,
                registry,
                dataset,
                folder,
                seed,
                settings=chosen,
                options=options,
                data_options=data_options,
                short=dry_run,
            )
            data, hyperparameters, task, model = ready.data, ready.hyperparameters, ready.task, ready.model
            origin = _transfer(model, spec, init_from, root, registry) if init_from else None
            _freeze(model.get_submodule("network"), freeze)
        config = describe_run(registry, spec, data, options, hyperparameters, seed, torch_device, model)
        config |= {"data_folder": str(folder.resolve()), "init_from": origin, "freeze": list(freeze)}
        config |= {"processes": world.size, "checkpoints": asdict(checkpoints), "log": list(log)}
        with tempfile.TemporaryDirectory() if dry_run else contextlib.nullcontext(root) as place:
            run = _shared_run(world, lambda: create_run(Path(place), spec.name, config))
            plan = make_plan(run, registry, data, hyperparameters, task, seed, torch_device, world)
            with run_lock(run):
                state = make_state(model, plan)
                save_last(plan, state)
                return execute(plan, state)


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
    root = runs_folder(runs_dir)
    torch_device = choose_device(own_device(device)) if device else None
    with join(torch_device or choose_device(own_device("auto"))) as world:
        run = _shared_run(world, lambda: find_run(reference, root, registry.architectures, trained=False))
        if world.first:
            make_folder(run.folder)
        with run_lock(run):
            run.remove_leftovers()
            if world.first:
                run.config = load_run(run.folder).config  # another process may have gone on with it until now
            run.config = world.broadcast(run.config)
            with as_trained(registry, run.config):
                plan, state = _return_to(run, epochs, torch_device, data_dir, registry, world)
            note_change(registry, run.config)
            if world.first:
                note_other_arithmetic(run, plan.device)
            return execute(plan, state)


def _check_loggers(registry: Registry, names: Sequence[str]) -> None:
    """Refuse names that no plugin has which listens to trainings."""
    known = [plugin.name for plugin in registry.plugins if plugin.loaded and "train_started" in plugin.hooks]
    for name in names:
        if name not in known:
            raise UnknownName("logger", name, known, f"There is: {', '.join(known) or 'none'}.")


def _shared_run(world: World, find: Callable[[], Run]) -> Run:
    """The run that the first process makes or finds; the others see it and write nothing."""
    run = find() if world.first else None
    folder, config = world.broadcast((run.folder, run.config) if run else None)
    return run or Run(folder, config, writes=False)


def _return_to(
    run: Run,
    epochs: int | None,
    device: torch.device | None,
    data_dir: Path | str | None,
    registry: Registry,
    world: World,
) -> tuple[Plan, State]:
    """Plan and state of a run as it was left."""
    config = run.config
    if run.status == "finished" and epochs is None:
        raise UsageError(f"{run.name} is finished already; --epochs goes on beyond its end.")
    spec = trained_architecture(registry, config)
    with world.first_before_others():
        data = load_again(config, registry, data_folder(data_dir, config.get("data_folder")))
    torch_device = device or choose_device(own_device(config["device"].partition(":")[0]))
    hyperparameters = resolve(config["hyperparameters"], {"epochs": epochs} if epochs is not None else {})
    task = TASKS[config["task"]].fit(data.splits.train.targets, hyperparameters)
    model = prepare_model(spec, data, task, config["options"], hyperparameters, config["seed"])
    _freeze(model.get_submodule("network"), config.get("freeze", ()))
    plan = make_plan(run, registry, data, hyperparameters, task, config["seed"], torch_device, world)
    state = make_state(model, plan)
    if not load_last(run, state, world) and config.get("init_from"):
        raise UsageError(f"{run.name} was stopped before it wrote the weights that it started from; train again.")
    if epochs is not None and epochs < state.epoch:
        raise UsageError(f"{run.name} has done {state.epoch - 1} epochs already; --epochs must be more.")
    if world.first:
        run.set_metrics([entry for entry in run.metrics() if entry["epoch"] < state.epoch])
    config |= {"status": "running", "error": None, "results": None, "hyperparameters": asdict(hyperparameters)}
    config["processes"] = world.size
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
