"""Draws the packages of the library and their imports: ``python docs/rooms.py`` writes docs/images/rooms.svg.

``python docs/rooms.py --check`` writes nothing and fails if the drawing does not show the code as it is.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from collections.abc import Iterator
from html import escape
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIBRARY = ROOT / "zoo"
DRAWING = ROOT / "docs" / "images" / "rooms.svg"
BASE = "zoo/*.py"

BOX_WIDTH, GAP, MARGIN = 410, 40, 24
LINE, PADDING, ROW_GAP = 18, 12, 44
LETTERS = 56
"""Characters of the purpose in one line of a box."""

Graph = dict[str, set[str]]


def find_rooms() -> dict[str, list[Path]]:
    """The modules of each package of the library, and of the library's own folder."""
    rooms = {init.parent.name: sorted(init.parent.glob("*.py")) for init in sorted(LIBRARY.glob("*/__init__.py"))}
    return rooms | {BASE: sorted(LIBRARY.glob("*.py"))}


def import_graph(rooms: dict[str, list[Path]]) -> Graph:
    """Which rooms each room imports from. A public name, ``zoo.train``, counts as an import from its room."""
    public = dict(_public_names(rooms))
    graph: Graph = {room: set() for room in rooms}
    for room, modules in rooms.items():
        if room != BASE:  # the library's own folder imports from no room; its __init__.py only lists names
            for module in modules:
                graph[room] |= set(_imported_rooms(module, rooms, public)) - {room}
    return graph


def _public_names(rooms: dict[str, list[Path]]) -> Iterator[tuple[str, str]]:
    """Each public name and the room that it comes from."""
    for node in ast.parse((LIBRARY / "__init__.pyi").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                room = (node.module or alias.name).partition(".")[0]
                yield alias.asname or alias.name, room if room in rooms else BASE


def _imported_rooms(path: Path, rooms: dict[str, list[Path]], public: dict[str, str]) -> Iterator[str]:
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.level == 2:  # from ..room.module import name
            for alias in node.names:
                room = (node.module or alias.name).partition(".")[0]
                yield room if room in rooms else BASE
    for name in _public_names_used(nodes):
        yield public.get(name, BASE)


def _public_names_used(nodes: list[ast.AST]) -> Iterator[str]:
    """The names that a module takes from ``zoo`` itself. Hooks use them in signatures only, which import nothing."""
    for_types = {
        child
        for node in nodes
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    imported = False
    for node in nodes:
        if node not in for_types and isinstance(node, ast.Import):
            imported = imported or any(alias.name == "zoo" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module == "zoo":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and str(node.module).startswith("zoo."):
            yield str(node.module).split(".")[1]
    for node in nodes:
        if imported and isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "zoo":
            yield node.attr


def layers(graph: Graph) -> list[list[str]]:
    """The rooms from the top down: each is one layer above the highest room that it imports from."""
    heights: dict[str, int] = {}

    def height(room: str, trail: tuple[str, ...] = ()) -> int:
        if room in trail:
            raise SystemExit(f"The rooms import each other in a circle: {' -> '.join((*trail, room))}")
        if room not in heights:
            heights[room] = 1 + max((height(below, (*trail, room)) for below in graph[room]), default=-1)
        return heights[room]

    top = max(height(room) for room in graph)
    return [sorted(room for room in graph if heights[room] == level) for level in range(top, -1, -1)]


def reduced(graph: Graph) -> Graph:
    """The graph without the imports that a longer way through other rooms shows already."""

    def reachable(room: str) -> set[str]:
        return graph[room].union(*(reachable(below) for below in graph[room]))

    return {
        room: {below for below in imports if not any(below in reachable(other) for other in imports)}
        for room, imports in graph.items()
    }


def purpose(room: str, modules: list[Path]) -> str:
    """The first sentence of a room's docstring; for the library's own folder the names of its modules."""
    if room == BASE:
        return ", ".join(_names(modules))
    doc = ast.get_docstring(ast.parse((LIBRARY / room / "__init__.py").read_text(encoding="utf-8"))) or ""
    sentence = re.split(r"(?<=\.)\s", " ".join(doc.split("\n\n")[0].split()), maxsplit=1)[0]
    return sentence.replace("``", "")


def _names(modules: list[Path]) -> list[str]:
    return [module.stem for module in modules if module.stem not in ("__init__", "__main__")]


def draw(rooms: dict[str, list[Path]], graph: Graph) -> str:
    """The drawing as SVG: one row of boxes for each layer, one line for each import that is left after reduction."""
    rows = layers(graph)
    texts = {room: textwrap.wrap(purpose(room, modules), LETTERS) for room, modules in rooms.items()}
    width = 2 * MARGIN + max(len(row) for row in rows) * (BOX_WIDTH + GAP) - GAP
    boxes: dict[str, tuple[int, int, int]] = {}
    y = MARGIN
    for row in rows:
        tall = max(2 * PADDING + LINE * (1 + len(texts[room])) for room in row)
        x = (width - len(row) * (BOX_WIDTH + GAP) + GAP) // 2
        for room in row:
            boxes[room] = (x, y, tall)
            x += BOX_WIDTH + GAP
        y += tall + ROW_GAP
    height = y - ROW_GAP + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="system-ui, sans-serif" font-size="13" role="img" aria-label="The rooms of the library and their '
        'imports">',
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#5b6b7b"/></marker></defs>',
        f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>',
        *(_arrow(boxes[room], boxes[below]) for room, imports in reduced(graph).items() for below in sorted(imports)),
        *(_box(room, len(_names(rooms[room])), boxes[room], texts[room]) for row in rows for room in row),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _arrow(start: tuple[int, int, int], end: tuple[int, int, int]) -> str:
    (x1, y1, tall), (x2, y2, _) = start, end
    middle = BOX_WIDTH // 2
    line = f'x1="{x1 + middle}" y1="{y1 + tall}" x2="{x2 + middle}" y2="{y2}"'
    return f'<line {line} stroke="#5b6b7b" stroke-width="1.5" marker-end="url(#arrow)"/>'


def _box(room: str, count: int, place: tuple[int, int, int], text: list[str]) -> str:
    x, y, tall = place
    left, right, line = x + PADDING, x + BOX_WIDTH - PADDING, y + PADDING + 13
    name = room if room == BASE else f"zoo/{room}"
    spans = "".join(
        f'<text x="{left}" y="{line + LINE * (number + 1)}" fill="#334155">{escape(part)}</text>'
        for number, part in enumerate(text)
    )
    return (
        f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{tall}" rx="6" fill="#eef4fa" stroke="#5b8db8"/>'
        f'<text x="{left}" y="{line}" font-weight="600" fill="#0f172a">{escape(name)}</text>'
        f'<text x="{right}" y="{line}" text-anchor="end" fill="#5b6b7b">{count} modules</text>{spans}'
    )


def main(arguments: list[str]) -> int:
    """Write the drawing, or with ``--check`` compare it."""
    rooms = find_rooms()
    made = draw(rooms, import_graph(rooms))
    if arguments == ["--check"]:
        if DRAWING.is_file() and DRAWING.read_text(encoding="utf-8") == made:
            return 0
        print("docs/images/rooms.svg is out of date. Run: python docs/rooms.py", file=sys.stderr)
        return 1
    if arguments:
        print("Usage: python docs/rooms.py [--check]", file=sys.stderr)
        return 2
    DRAWING.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
