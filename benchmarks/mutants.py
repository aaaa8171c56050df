"""The mutants of a module: its source with one small fault. mutmut's operators make them; used by mutation.py.

Left out are docstrings, type annotations, and the text of messages: strings and f-strings that contain a space, and
everything inside a ``raise`` statement. The tests of messages compare the words that matter and not each of them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libcst as cst
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider
from mutmut.mutation.mutators import mutation_operators

CALLS_LEFT_OUT = {"cast", "TypeVar", "ParamSpec", "overload", "len", "isinstance"}
"""The arguments of the first four are for type checkers. The last two raise for almost every change."""


@dataclass(frozen=True)
class Mutant:
    """One fault: in ``path``, the code ``before`` on ``lines`` becomes ``after``."""

    path: str
    function: str
    lines: tuple[int, int]
    before: str
    after: str
    key: str
    at_import: bool
    node: Any
    replacement: Any
    module: Any

    def source(self) -> str:
        """The source of the whole module with the fault."""
        return str(self.module.deep_replace(self.node, self.replacement).code)

    def __str__(self) -> str:
        return f"{self.key} {self.path}:{self.lines[0]} {self.function}: {self.before}  →  {self.after}"


def mutants_of(root: Path, path: str) -> list[Mutant]:
    """All mutants of one module, each with a key that stays the same if other functions change."""
    wrapper = MetadataWrapper(cst.parse_module((root / path).read_text()))
    finder = _Finder()
    wrapper.visit(finder)
    seen: Counter[tuple[str, str, str]] = Counter()
    found = []
    for function, statement, node, replacement in finder.found:
        before, after = (_in_one_line(wrapper.module.code_for_node(each)) for each in (node, replacement))
        if before == after:
            continue
        name = (function, before, after)
        key = hashlib.sha256(repr((path, *name, seen[name])).encode()).hexdigest()[:10]
        seen[name] += 1
        *lines, at_import = statement
        fault = (node, replacement, wrapper.module)
        found.append(Mutant(path, function, (lines[0], lines[1]), before, after, key, at_import, *fault))
    return found


def sample(root: Path, paths: list[str], count: int, seed: int) -> list[Mutant]:
    """As many mutants of these modules as asked for, drawn without regard to the modules.

    Those whose hashes with the seed are smallest: a change of one function exchanges few of the others.
    """
    every = [mutant for path in paths for mutant in mutants_of(root, path)]
    every.sort(key=lambda mutant: hashlib.sha256(f"{seed} {mutant.key}".encode()).hexdigest())
    return every[:count]


class _Finder(cst.CSTVisitor):
    """Collects name of function, lines of the statement, node and replacement for each mutant."""

    METADATA_DEPENDENCIES = (PositionProvider, ParentNodeProvider)

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[int, int, bool], cst.CSTNode, cst.CSTNode]] = []
        self._names: list[str] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if _is_left_out(node):
            return False
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            self._names.append(node.name.value)
        lines = None
        for kind, operator in mutation_operators:
            if isinstance(node, kind):
                for replacement in operator(node):
                    lines = lines or self._lines(node)
                    self.found.append((".".join(self._names), lines, node, replacement))
        return True

    def on_leave(self, node: cst.CSTNode) -> None:
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            self._names.pop()

    def _lines(self, node: cst.CSTNode) -> tuple[int, int, bool]:
        """First and last line of the statement around the node, and whether Python runs it when it imports the module.

        Of an ``if`` or a ``for``, only its first part counts; of a function, the line of its name.
        """
        inner = node
        while not isinstance(inner, cst.BaseSmallStatement | cst.BaseCompoundStatement):
            child, inner = inner, self.get_metadata(ParentNodeProvider, inner)
            if isinstance(inner, cst.Module):
                return *self._span(child), True
        first, last = self._span(inner)
        if isinstance(inner, cst.BaseCompoundStatement) and isinstance(inner.body, cst.IndentedBlock):
            last = max(first, self._span(inner.body.body[0])[0] - 1)
        return first, last, self._is_at_import(inner)

    def _is_at_import(self, node: cst.CSTNode) -> bool:
        while not isinstance(node, cst.Module):
            parent = self.get_metadata(ParentNodeProvider, node)
            if isinstance(parent, cst.FunctionDef):
                return False
            node = parent
        return True

    def _span(self, node: cst.CSTNode) -> tuple[int, int]:
        place = self.get_metadata(PositionProvider, node)
        return place.start.line, place.end.line


def _is_left_out(node: cst.CSTNode) -> bool:
    match node:
        case cst.Annotation() | cst.Raise() | cst.ImportFrom() | cst.Import() | cst.Assert():
            return True
        case cst.SimpleString():
            return " " in node.value or node.value.startswith(('"""', "'''"))
        case cst.FormattedString():
            texts = [part.value for part in node.parts if isinstance(part, cst.FormattedStringText)]
            return any(" " in text for text in texts)
        case cst.ConcatenatedString():
            return True
        case cst.Call(func=cst.Name(value=name)):
            return name in CALLS_LEFT_OUT
        case cst.If(test=cst.Name(value="TYPE_CHECKING")):
            return True
    return False


def _in_one_line(code: str) -> str:
    return " ".join(code.split())
