"""What architectures, datasets and exporters have in common: a name, a summary and references to code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..errors import MethodError, PluginError, UsageError, ZooError, line_in
from ..formatting import brief, one_line, shortened
from .hyperparameters import NAMES, resolve
from .options import Option
from .references import Reference, reference_problem

_LONGEST_NAME = 100
LONGEST_TEXT = 1_000
_NAME = re.compile(r"[a-z0-9]+([-/_.][a-z0-9]+)*")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Spec:
    """The base of all declarations that a plugin registers. It imports nothing that they refer to."""

    name: str
    summary: str

    @property
    def label(self) -> str:
        """``Architecture 'lenet'``: the beginning of error messages."""
        return f"{type(self).__name__} {brief(self.name)}"

    @property
    def references(self) -> list[tuple[str, Reference]]:
        """All references to code, each with the name of its field."""
        raise NotImplementedError

    def problems(self) -> Iterator[str]:
        """Everything that is wrong with the values of the fields, a sentence each."""
        if not self.summary.strip() or not self.summary.isprintable() or len(self.summary) > LONGEST_TEXT:
            yield "summary must be one line of 1 to 1,000 printable characters."
        if not _NAME.fullmatch(self.name) or len(self.name) > _LONGEST_NAME:
            yield "a name is lower-case letters and digits, joined by '-', '_', '.' or '/'."
        yield from filter(None, [reference_problem(reference) for _, reference in self.references])

    def fault(self, method: str, reason: str) -> MethodError:
        """The error for a method of the class that ``methods`` names.

        Args:
            reason: what follows the name of the method: "returned None, not a text".
        """
        name = f"{self.label}: {':'.join(self._code)}.{method}"
        return MethodError(f"{name} {reason}.", name)

    @contextmanager
    def guard(self, method: str) -> Iterator[None]:
        """Context for a call of a method of the class that ``methods`` names.

        Raises:
            MethodError: in place of any error of the plugin. It names the declaration, the method and the line. Errors
                of the zoo and those about memory, which have messages of their own, are not changed.
        """
        try:
            yield
        except (ZooError, MemoryError):
            raise
        except NotImplementedError as error:
            raise self.fault(method, one_line(error) or "is needed here, and it is not implemented") from error
        except Exception as error:  # the code of a plugin may raise anything
            if isinstance(error, RuntimeError) and "memory" in str(error):
                raise
            text = shortened(one_line(error), 500)
            line = line_in(error, self._code[0])
            place = f" at {line}" if line else ""
            raise self.fault(method, f"failed{place}: {type(error).__name__}: {text}".rstrip(": ")) from error

    @property
    def _code(self) -> tuple[str, str]:
        """Module and name of the class that ``methods`` names."""
        methods: Any = dict(self.references).get("methods", "zoo.inputs.methods:InputMethods")  # that of an Input
        if isinstance(methods, str):
            module, _, name = methods.partition(":")
            return module, name
        return str(getattr(methods, "__module__", "")), str(getattr(methods, "__qualname__", methods))

    def __post_init__(self) -> None:
        problems = list(self.problems())
        if problems:
            raise PluginError(f"{self.label}: {' '.join(problems)}")


def recipe_problems(recipe: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the values of a recipe, which architectures and datasets have."""
    try:
        resolve(recipe)
    except UsageError as error:
        yield str(error)


def option_problems(options: Iterable[Option], *, beside_hyperparameters: bool = False) -> Iterator[str]:
    """Names that two options share, or an option and a hyperparameter."""
    names = [option.name for option in options]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"there are two options named {name!r}."
    for name in sorted({*names} & {*NAMES, "part_options"}) if beside_hyperparameters else ():
        yield f"option {name!r} has the name of a hyperparameter; choose another."
