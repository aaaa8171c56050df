"""The folders for data and runs. Imports nothing heavy."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import UsageError


def data_folder(data_dir: Path | str | None = None, remembered: str | None = None) -> Path:
    """The data folder: ``data_dir``, else ``$ZOO_DATA``, else a folder in the user's cache.

    Args:
        remembered: the data folder of a run; if it still exists, it is used before the cache.
    """
    chosen = data_dir or os.environ.get("ZOO_DATA")
    if not chosen and remembered and Path(remembered).is_dir():
        chosen = remembered
    if chosen:
        return _folder(chosen, "data")
    import platformdirs

    return platformdirs.user_cache_path("pluggy-zoo") / "data"


def runs_folder(runs_dir: Path | str | None = None) -> Path:
    """The runs folder: ``runs_dir``, else ``$ZOO_RUNS``, else ``./runs``."""
    return _folder(runs_dir or os.environ.get("ZOO_RUNS") or "runs", "runs")


def _folder(given: Path | str, what: str) -> Path:
    """``given``, which need not exist.

    Raises:
        UsageError: it is a file, or is below one.
    """
    folder = expanded(given)
    try:
        blocker = next((path for path in (folder, *folder.parents) if path.exists()), folder)
        is_file = blocker.exists() and not blocker.is_dir()
    except (OSError, ValueError) as error:
        raise UsageError(f"Cannot use {str(folder)!r} as the {what} folder: {error}.") from error
    if is_file:
        raise UsageError(f"Cannot use {folder} as the {what} folder: {blocker} is not a folder.")
    return folder


def expanded(path: Path | str) -> Path:
    """``path`` with ``~`` and ``~user`` replaced by the home folder.

    Raises:
        UsageError: the user is unknown, or has no home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UsageError(f"Cannot use the path {str(path)!r}: the home folder of this user is not known.") from error


def picture_path(path: Path | str) -> Path:
    """``path`` of a plot, with ``~`` replaced.

    Raises:
        UsageError: it does not end in ``.png``.
    """
    found = expanded(path)
    if found.suffix.lower() != ".png":
        raise UsageError(f"Plots are PNG files: give a file name that ends in .png, not {str(path)!r}.")
    return found


def drawing_path(path: Path | str) -> Path:
    """``path`` of a drawing, with ``~`` replaced.

    Raises:
        UsageError: it does not end in ``.svg``.
    """
    found = expanded(path)
    if found.suffix.lower() != ".svg":
        raise UsageError(f"Drawings are SVG files: give a file name that ends in .svg, not {str(path)!r}.")
    return found
