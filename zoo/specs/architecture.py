"""The declaration of an architecture: a network that the zoo can train. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import PluginError, ZooError
from ..formatting import brief
from .declarations import declaration
from .options import Option
from .references import Reference
from .spec import LONGEST_TEXT, Spec, option_problems, recipe_problems


@declaration
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Architecture(Spec):
    """A network that can be trained.

    Args:
        name: lower case, words joined by dashes; users type it.
        summary: one line.
        task: the name of a task: ``classification``, ``binary``, ``regression``, or one of a plugin.
        builder: ``builder(input_shape, num_outputs, **options) -> torch.nn.Module``. ``input_shape`` has no batch
            dimension (``(channels, height, width)`` for images). The module returns logits. If the network cannot be
            built for that shape, the builder raises ``ValueError`` with a one-line message.
        dataset: name of the default dataset.
        parameters: number of trainable parameters, with default options and the default dataset.
        hyperparameters: the default recipe, as changes to the library's defaults (see
            :mod:`zoo.specs.hyperparameters`).
        options: the keyword arguments of the builder that users can set.
        recipe: a recipe file that ``zoo tune`` wrote. Its hyperparameters replace those of ``hyperparameters``, and its
            values of the builder's options become their defaults. A plugin may name the file before it is made.
        image_size: height and width that images of varying size are resized to, for networks made for large images.
        weights: a checkpoint (safetensors) that comes with the plugin, the best one of a training run with the default
            recipe. It is used until the user has trained the architecture.
        results: the results of the default recipe, in the JSON file that ``zoo reproduce NAME --record FOLDER`` writes.
        origins: other sources of initial weights for ``--init-from NAME``. Each name maps to a
            ``loader() -> dict`` from the network's parameter names to tensors.
        tags: words for searching.
        source: the paper or text that describes it.
        docs: where it is explained: an address that begins with ``https://``, or words, such as the chapter of a book.
    """

    task: str
    builder: Reference
    dataset: str
    parameters: int
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    options: tuple[Option, ...] = ()
    recipe: Path | None = None
    image_size: int = 0
    weights: Path | None = None
    results: Path | None = None
    origins: Mapping[str, Reference] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    source: str = ""
    docs: str = ""

    def __post_init__(self) -> None:
        if self.recipe is not None and os.path.isfile(self.recipe):
            self._take_recipe(self.recipe)
        Spec.__post_init__(self)

    def _take_recipe(self, path: Path) -> None:
        from ..recipe_file import read_recipe

        try:
            found = read_recipe(path)
        except ZooError as error:
            raise PluginError(f"{self.label}: {error}") from error
        if found.architecture != self.name:
            raise PluginError(f"{self.label}: the recipe {path} is for {brief(found.architecture)}.")
        settings = dict(found.settings)
        options = tuple(
            replace(option, default=option.check(settings.pop(option.name))) if option.name in settings else option
            for option in self.options
        )
        object.__setattr__(self, "options", options)
        object.__setattr__(self, "hyperparameters", {**self.hyperparameters, **settings})

    def problems(self) -> Iterator[str]:
        """Everything that is wrong with the values of the fields, a sentence each."""
        yield from Spec.problems(self)  # super() needs the class that slots=True replaces
        yield from recipe_problems(self.hyperparameters)
        if self.parameters < 0 or self.image_size < 0:
            yield "parameters and image_size must not be negative."
        if not self.docs.isprintable() or len(self.docs) > LONGEST_TEXT:
            yield "docs must be one line of at most 1,000 printable characters."
        yield from option_problems(self.options, beside_hyperparameters=True)

    @property
    def references(self) -> list[tuple[str, Reference]]:
        """All references to code, each with the name of its field."""
        return [("builder", self.builder), *((f"origins[{name!r}]", origin) for name, origin in self.origins.items())]

    @property
    def shipped_weights(self) -> Path | None:
        """:attr:`weights` if that file exists. A plugin may name the file before it is made."""
        return self.weights if self.weights is not None and os.path.isfile(self.weights) else None
