"""The datasets that come with the zoo. They are registered like those of any other plugin."""

from __future__ import annotations

from collections.abc import Callable

from zoo import Dataset, hookimpl

from .image_datasets import IMAGES
from .table_datasets import TABLES


@hookimpl
def register_datasets(register: Callable[[Dataset], None]) -> None:
    """Register all of them."""
    for dataset in IMAGES + TABLES:
        register(dataset)
