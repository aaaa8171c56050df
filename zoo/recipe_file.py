"""A recipe as a JSON file: the settings of a training that ``zoo tune`` found. Imports nothing heavy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import ZooError
from .files import write_json

FORMAT = 1


@dataclass(frozen=True, slots=True)
class RecipeFile:
    """The content of a recipe file.

    Args:
        architecture: the architecture that the settings are for.
        settings: hyperparameters and options of the architecture, by name; JSON values.
        about: where they come from: the study, the trial, its result on the validation split. For people.
    """

    architecture: str
    settings: Mapping[str, Any]
    about: Mapping[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> Path:
        """Write the file, completely or not at all."""
        content = {"format": FORMAT, "architecture": self.architecture, "settings": dict(self.settings)}
        write_json(path, content | {"about": dict(self.about)})
        return path


def read_recipe(path: Path) -> RecipeFile:
    """Read a recipe file.

    Raises:
        ZooError: there is no such file, or it is no recipe. The message names the field.
    """
    from .schema import read_json  # msgspec; only if there is something to read

    try:
        content = read_json(path, dict[str, Any], "the recipe")
    except FileNotFoundError as error:
        raise ZooError(f"There is no recipe {path}.") from error
    if content.get("format") != FORMAT:
        raise ZooError(f"{path} is not a recipe of this version of the zoo: its format is not {FORMAT}.")
    name, settings, about = content.get("architecture"), content.get("settings"), content.get("about", {})
    for what, value, kind in (
        ("architecture", name, str),
        ("settings", settings, dict),
        ("about", about, dict),
    ):
        if not isinstance(value, kind):
            raise ZooError(f"The recipe {path} is damaged: {what} is {json.dumps(value)[:100]}.")
    return RecipeFile(str(name), settings or {}, about)
