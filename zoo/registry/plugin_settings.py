"""Settings of a plugin: from the command line, the environment, the user's configuration file, or a default."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InvalidValue, PluginError, UsageError, closest
from ..folders import expanded
from ..formatting import brief
from ..specs.declarations import declaration
from ..specs.options import Option, Value, unknown_option

CONFIG = "ZOO_CONFIG"
"""The environment variable with the path of the configuration file."""

_TABLE = "plugins"


@declaration
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PluginSettings:
    """The settings of a plugin, declared as a global of its module. :meth:`read` gives their values.

    Args:
        name: of the plugin, as in its entry point; in the file the table is ``[plugins.NAME]``.
        options: the settings: name, default, help and range of each. The default gives the type.
        secrets: the names of settings that only the environment can set, such as passwords and tokens. They are text.
    """

    name: str
    options: tuple[Option, ...]
    secrets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9]+([-_.][A-Za-z0-9]+)*", self.name):
            raise PluginError(f"PluginSettings {brief(self.name)}: the name must be that of the plugin's entry point.")
        if len(self._by_name) < len(self.options):
            raise PluginError(f"PluginSettings {self.name!r}: two options have the same name.")
        for name in self.secrets:
            if name not in self._by_name or not isinstance(self._by_name[name].default, str):
                raise PluginError(
                    f"PluginSettings {self.name!r}: the secret {brief(name)} is not the name of an option of type text."
                )

    @property
    def _by_name(self) -> dict[str, Option]:
        return {option.name: option for option in self.options}

    def variable(self, name: str) -> str:
        """The environment variable of a setting: ``ZOO_PLUGIN_MY_LOGGER_URL`` for ``url`` of ``my-logger``."""
        return re.sub(r"[-.]", "_", f"ZOO_PLUGIN_{self.name}_{name}").upper()

    def read(self, **given: object) -> dict[str, Value]:
        """The value of each setting by name.

        The first of these that has a value counts: ``given``, the environment variable, the file, the default. An empty
        environment variable has none.

        Args:
            given: values from the command line; None for an option that was not used.

        Raises:
            UnknownName: the file or ``given`` has a setting that the plugin does not declare.
            UsageError: a value is not allowed, the file cannot be read, or a secret is in the file.
        """
        return {name: value for name, (value, _) in self.explain(**given).items()}

    def explain(self, **given: object) -> dict[str, tuple[Value, str]]:
        """As :meth:`read`, each value with its source: ``given``, ``environment``, ``file`` or ``default``."""
        path = config_path()
        table = self._table(path)
        for name in given:
            if name not in self._by_name:
                raise unknown_option(name, self._by_name, self.name)
        return {name: self._find(option, given.get(name), table, path) for name, option in self._by_name.items()}

    def _find(self, option: Option, given: object, table: Mapping[str, Any], path: Path) -> tuple[Value, str]:
        if given is not None:
            return (option.parse(given) if isinstance(given, str) else option.check(given)), "given"
        variable = self.variable(option.name)
        if text := os.environ.get(variable):
            try:
                return option.parse(text), "environment"
            except InvalidValue as error:
                secret = option.name in self.secrets  # its value must not be printed
                raise InvalidValue(f"${variable}: {'it is not an allowed value.' if secret else error}") from None
        if option.name in table:
            try:
                return option.check(table[option.name]), "file"
            except InvalidValue as error:
                raise InvalidValue(f"{path}, [{_TABLE}.{self.name}]: {error}") from error
        return option.default, "default"

    def _table(self, path: Path) -> Mapping[str, Any]:
        """The plugin's table in the file, whose names are checked."""
        table = read_config(path).get(self.name, {})
        where = f"{path}, [{_TABLE}.{self.name}]"
        if not isinstance(table, dict):
            raise UsageError(f"{where} must be a table, not {brief(table)}.")
        for name in table:
            if name not in self._by_name:
                raise UsageError(f"{where}: {unknown_option(name, self._by_name, self.name)}")
            if name in self.secrets:
                raise UsageError(f"{where}: {name} is a secret. Remove it there and set ${self.variable(name)}.")
        return table


def config_path() -> Path:
    """The configuration file: ``$ZOO_CONFIG``, else ``config.toml`` in the user's folder. It need not exist there."""
    if chosen := os.environ.get(CONFIG):
        return expanded(chosen)
    import platformdirs

    return platformdirs.user_config_path("pluggy-zoo") / "config.toml"


def read_config(path: Path) -> dict[str, Any]:
    """The tables of the plugins in a configuration file, by name; empty if there is no file.

    Raises:
        UsageError: the file cannot be read, is not TOML, or has something else than tables of plugins.
    """
    import tomllib  # only if a plugin has settings

    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if os.environ.get(CONFIG):
            raise UsageError(f"There is no file {path} (${CONFIG}).") from None
        return {}
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}.") from error
    except ValueError as error:  # not UTF-8, or not TOML
        raise UsageError(f"{path} is not valid TOML: {error}.") from error
    for name in content:
        if name != _TABLE:
            guess = f" Did you mean [{_TABLE}.NAME]?" if closest(name, [_TABLE]) else ""
            raise UsageError(
                f"{path}: {name!r} is unknown; the file has one table for each plugin, [{_TABLE}.NAME].{guess}"
            )
    tables = content.get(_TABLE, {})
    if not isinstance(tables, dict):
        raise UsageError(f"{path}: {_TABLE} must be a table, not {brief(tables)}.")
    return tables
