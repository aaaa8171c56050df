"""The declaration of an exporter: a file format that trained models can be exported to. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .declarations import declaration
from .options import Option
from .references import Reference
from .spec import Spec

_FLAG = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_RESERVED_FLAGS = frozenset(
    {"output", "bundle", "no-preprocess", "max-drop", "provider", "reproducible", "sign"}
    | {"data-dir", "runs-dir", "json", "debug", "help"}
)
"""The options that ``zoo export`` has for all formats."""


@declaration
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Exporter(Spec):
    """A file format that trained models can be exported to.

    The library chooses the checkpoint, calls ``write`` with a temporary path, checks the file, and moves file and
    certificate to their place only if every gate passes. With ``inspect`` and ``open``, the library's own gates check
    structure, numbers, providers and the whole test split, and ``zoo verify`` can repeat them; ``check`` adds more.

    Args:
        name: the flag, ``onnx`` for ``zoo export NAME --onnx``.
        summary: one line.
        suffix: of the file, with its dot.
        write: ``write(source, path, **options) -> None`` writes the file; ``source`` is a :class:`zoo.ExportSource`.
            If the model cannot be written, it raises :class:`zoo.ExportError` with a one-line message.
        check: ``check(source, path, **options) -> Iterator[zoo.Check]`` checks properties that only the format knows.
        inspect: ``inspect(path) -> zoo.Inspection`` lists the contents of a file and its errors.
        open: ``open(path) -> zoo.Runtimes`` gives every way to run a file on this machine. For ``zoo verify``,
            ``inspect`` and ``open`` run in a process of their own, with limits, if they can be imported by name there.
        opens_safely: whether ``inspect`` and ``open`` may be given a file from anyone. If a file of this format can
            contain code, say False: ``zoo verify`` then opens it only with ``--trust``.
        options: the keyword arguments of ``write`` and ``check``; each becomes a flag of ``zoo export``.
        reductions: smaller forms by the name of their flag, ``int8`` for ``--int8``:
            ``reduce(source, verified, path) -> None`` writes ``path`` from the verified full-size file. They need
            ``inspect`` and ``open``; the library measures how much accuracy they lose.
        runners: small programs that run a file called ``model`` plus the suffix; a bundle contains copies.
    """

    suffix: str
    write: Reference
    check: Reference | None = None
    inspect: Reference | None = None
    open: Reference | None = None
    opens_safely: bool = True
    options: tuple[Option, ...] = ()
    reductions: Mapping[str, Reference] = field(default_factory=dict)
    runners: tuple[Path, ...] = ()

    def problems(self) -> Iterator[str]:
        """Everything that is wrong with the values of the fields, a sentence each."""
        yield from Spec.problems(self)  # super() needs the class that slots=True replaces
        for flag in (self.name, *self.reductions, *(option.name.replace("_", "-") for option in self.options)):
            if flag in _RESERVED_FLAGS or not _FLAG.fullmatch(flag):
                yield f"--{flag} cannot be a flag of `zoo export`; choose another name."
        if (self.inspect is None) != (self.open is None):
            yield "inspect and open go together; give both, or neither."
        if self.open is None and (self.check is None or self.reductions):
            yield "without inspect and open it must have a check, and no reductions."
        if not self.suffix.startswith("."):
            yield f"suffix {self.suffix!r} must begin with a dot."

    @property
    def references(self) -> list[tuple[str, Reference]]:
        """All references to code, each with the name of its field."""
        named = [("write", self.write), ("check", self.check), ("inspect", self.inspect), ("open", self.open)]
        named += [(f"reductions[{name!r}]", reduce) for name, reduce in self.reductions.items()]
        return [(field, reference) for field, reference in named if reference is not None]
