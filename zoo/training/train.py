"""Train and resume: start reading here.

A training goes through the modules of this package in this order::

    request        the arguments, checked
    distributed    the processes that train together; usually one
    preparation    data, recipe and model (starting_weights: transfer learning)
    time_budget    the number of epochs, if the training has a time
    run_folder     the folder of the run, with run.json
    plan           what stays the same (Plan) and what changes (State) in the training
    execution      the training (loop, optimisation), the evaluation on the test split, the results
    resuming       the checkpoint to resume from
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..files import make_folder
from ..models.devices import choose_device
from ..registry.origins import as_trained
from ..registry.registry import Registry, create_registry
from ..runs.run import Run
from .distributed import join, own_device
from .execution import execute, recorded_start
from .plan import make_plan, make_state
from .preparation import prepare, prepare_again
from .request import ResumeRequest, TrainingRequest, make_request, make_resume_request
from .resuming import check_resumable, note_changes, return_to_last, save_last
from .run_folder import existing_run, new_run
from .time_budget import fit_into_time


def run_training(request: TrainingRequest) -> Run:
    """A training from the data to the results in the run folder."""
    with join(request.device) as world:
        with world.first_before_others():
            if world.first:
                make_folder(request.runs_folder)  # fails before the data is loaded if it cannot be written
            prepared = prepare(request)
        if request.seconds is not None:
            request, prepared = fit_into_time(request, prepared, world)
        with new_run(request, prepared, world) as run, recorded_start(run):
            plan = make_plan(run, prepared, world)
            state = make_state(prepared.model, plan)
            save_last(plan, state)
            return execute(plan, state)


def resume_training(request: ResumeRequest) -> Run:
    """A training from the last checkpoint of a run to the results in its folder."""
    with join(request.device or choose_device(own_device("auto"))) as world, existing_run(request, world) as run:
        check_resumable(run, request)
        with as_trained(request.registry, run.config):
            with world.first_before_others():
                prepared = prepare_again(request, run.config)
            plan = make_plan(run, prepared, world)
            state = make_state(prepared.model, plan)
            return_to_last(plan, state, request)
        note_changes(plan)
        return execute(plan, state)


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
    checkpoint_epochs: int = 0,
    checkpoint_steps: int = 0,
    log: Sequence[str] = (),
    seconds: float | None = None,
    registry: Registry | None = None,
    **settings: object,
) -> Run:
    """Train an architecture, and keep the checkpoint of the epoch with the best validation score.

    If torchrun started several processes, each trains on its part of every batch, and all return the same run.

    Args:
        architecture: its name, as in ``zoo list``.
        dataset: name of a dataset, path of a folder of images (one folder for each class), or path of a CSV file.
            Default: the architecture's own dataset.
        data_options: options of the dataset by name: ``{"target": "price"}`` for a CSV file.
        seed: seed of the initial weights, the order of the samples, augmentation and dropout; 0 to 2**32 - 1.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        init_from: start from the weights of a run, of an architecture (its best run, or the weights that come with
            it), of a checkpoint file, of a published model ``hf:USER/NAME``, or of one of the architecture's own
            origins. Weights are copied if name and shape match; the others, such as a head for other classes, start
            from random values.
        freeze: patterns of the names of parameters that are not trained: ``("features.*",)``.
        data_dir: the data folder; see :func:`zoo.data_folder`.
        runs_dir: the folder that holds all runs; see :func:`zoo.runs_folder`.
        dry_run: train two steps, evaluate one batch of validation and of test, write checkpoints and curves, all in
            a temporary folder. It is deleted when this function returns.
        checkpoint_epochs: number of epochs between two checkpoints to resume from; 0: after an epoch, but at most
            every two seconds. One is always written after the last epoch, and when a signal stops the training.
        checkpoint_steps: number of steps between two such checkpoints inside an epoch; 0: none inside an epoch.
        log: names of plugins that record the training: ``("tensorboard",)``.
        seconds: train as many whole epochs as fit into this time, one at least. The speed is measured first. The run
            records the number of epochs, and is repeated with that number.
        registry: the plugins to use. Default: the installed plugins.
        settings: hyperparameters and options of the architecture, by name.

    Returns:
        The finished run. ``run.config["results"]`` holds its test metrics.

    Raises:
        UsageError: an unknown name, or a value of the wrong type or out of range.
        DataError: the data cannot be loaded or used.
        DeviceUnavailable: this machine does not have the device.
        TrainingDiverged: the loss became NaN or infinite.
        TrainingInterrupted: SIGINT, SIGTERM or SIGHUP stopped the training; :func:`resume` continues it.
        PeerFailed: another process of the training failed.
    """
    request = make_request(
        registry or create_registry(),
        architecture,
        settings,
        dataset=dataset,
        data_options=data_options,
        data_dir=data_dir,
        seed=seed,
        device=device,
        init_from=init_from,
        freeze=freeze,
        runs_dir=runs_dir,
        dry_run=dry_run,
        checkpoint_epochs=checkpoint_epochs,
        checkpoint_steps=checkpoint_steps,
        loggers=log,
        seconds=seconds,
    )
    return run_training(request)


def resume(
    reference: str,
    *,
    epochs: int | None = None,
    device: str | None = None,
    data_dir: Path | str | None = None,
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
) -> Run:
    """Continue a run exactly where it stopped, with the settings that it was started with.

    Args:
        reference: the folder of the run, or ``ARCHITECTURE/RUN``.
        epochs: a new number of epochs of the whole run, larger than the number already trained. A finished run then
            trains longer. The learning rate continues as in a run of that length.
        device: the device to continue on. Default: the kind of device that the run was started on.
        data_dir: the data folder. Default: ``$ZOO_DATA``, or the folder that the run was started with.
        runs_dir: the folder that holds all runs; see :func:`zoo.runs_folder`.
        registry: the plugins to use. Default: the installed plugins.

    Returns:
        The finished run.

    Raises:
        UnknownName, RunNotFound: the run does not exist.
        UsageError: the run is finished, or has already trained that many epochs.
        RunBusy: another process trains the run.
        PluginError: the plugin of the architecture is missing, or now builds another network.
        DataError: the data is missing or has changed.
        TrainingDiverged, TrainingInterrupted, PeerFailed: as for :func:`train`.
    """
    request = make_resume_request(
        registry or create_registry(), reference, epochs=epochs, device=device, data_dir=data_dir, runs_dir=runs_dir
    )
    return resume_training(request)
