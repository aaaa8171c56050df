"""What is sent to Weights & Biases, or written for it: configuration, metrics, and artifacts of a run."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import zoo

_EXIT_CODES = {"finished": 0, "interrupted": 255, "failed": 1}
"""The exit codes that make a run of Weights & Biases finished, killed or failed."""
_FILES = ("run.json", "metrics.csv", "curves.png")


def open_run(run: zoo.Run, parameters: Mapping[str, Any], known: zoo.TrackedIdentity | None) -> WandbRun:
    """Continue the run of Weights & Biases, or create one."""
    # read when wandb is imported: it reports its own errors to its makers by default
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    folder: dict[str, Any] = {} if os.environ.get("WANDB_DIR") else {"root_dir": str(run.folder)}
    identity = known or zoo.TrackedIdentity(secrets.token_hex(4))
    settings = wandb.Settings(
        # its own processes and messages, and what it records of the machine and the code, are not asked for
        silent=True,
        console="off",
        disable_git=True,
        disable_code=True,
        disable_job_creation=True,
        x_disable_stats=True,
        x_disable_meta=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
        **folder,
    )
    opened = wandb.init(
        id=identity.id,
        resume="allow" if known else None,
        name=run.name,
        config={"zoo_run": run.name, **parameters},
        mode=None if os.environ.get("WANDB_MODE") else "offline",
        reinit="create_new",
        allow_val_change=True,
        settings=settings,
    )
    opened.define_metric("epoch", hidden=True)
    opened.define_metric("*", step_metric="epoch")
    return WandbRun(opened, identity)


class WandbRun:
    """A :class:`zoo.TrackedRun` at Weights & Biases."""

    def __init__(self, opened: Any, identity: zoo.TrackedIdentity) -> None:
        self._run, self.identity = opened, identity

    def send(self, points: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """Log the metrics of some epochs; the step is the epoch."""
        for epoch, metrics in points:
            self._run.log({"epoch": epoch, **metrics}, step=epoch)

    def finish(self, run: zoo.Run, results: Mapping[str, float]) -> None:
        """Log results and, of a finished run, its files, and end the run with the exit code of its status."""
        if results:
            self._run.summary.update(dict(results))
            files = [path for path in (*(run.folder / name for name in _FILES), run.best) if path.is_file()]
            self._log_files("run", files, {})
        self._run.finish(exit_code=_EXIT_CODES.get(run.status, 0))

    def attach(self, run: zoo.Run, certificate: zoo.Certificate) -> None:
        """Log the file and its certificate as an artifact."""
        suffix = certificate.file.suffix.removeprefix(".")
        self._log_files(suffix, (certificate.file, certificate.path), {"sha256": certificate.sha256})

    def _log_files(self, what: str, files: Iterable[Path], metadata: dict[str, Any]) -> None:
        """Log an artifact; a new version of an earlier one of the same run if the files differ."""
        import wandb

        artifact = wandb.Artifact(f"{what}-{self.identity.id}", type="model", metadata=metadata)
        for path in files:
            artifact.add_file(str(path), policy="mutable")
        self._run.log_artifact(artifact)
