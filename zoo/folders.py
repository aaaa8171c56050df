"""The folders for data and runs. Imports nothing heavy."""

from __future__ import annotations

import os
from pathlib import Path


def data_folder(data_dir: Path | str | None = None, remembered: str | None = None) -> Path:
    """The data folder: ``data_dir``, else ``$ZOO_DATA``, else a folder in the user's cache.

    Args:
        remembered: the data folder of a run; if it still exists, it is used before the cache.
    """
    chosen = data_dir or os.environ.get("ZOO_DATA")
    if not chosen and remembered and Path(remembered).is_dir():
        chosen = remembered
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("pluggy-zoo") / "data"


def runs_folder(runs_dir: Path | str | None = None) -> Path:
    """The runs folder: ``runs_dir``, else ``$ZOO_RUNS``, else ``./runs``."""
    return Path(runs_dir or os.environ.get("ZOO_RUNS") or "runs").expanduser()
