"""Draw the structure of a network: boxes from top to bottom, branches side by side, frames around modules."""

from __future__ import annotations

from collections.abc import Sequence

from ..formatting import counted
from .boxes import closed_block, layer_box, names_of, pill
from .steps import Step
from .structure import Block, Branches, Chain, Item, Web
from .svg import Part, Shape, fitted, line, moved, plain, shape_text, style, text_element, text_length
from .words import is_normalisation

WIDTH = 800
"""The width that a picture is made to be read at; one with many branches in each other is wider."""
_LEAST = 280
_MARGIN, _PADDING, _HEADER = 20, 14, 28
_LINE, _GAP, _WEB_GAP, _SIDE = 18, 20, 34, 18
_SHORTCUT, _LANE = 40, 14


def picture(chain: Chain, input_shape: Shape, title: str, description: str, notes: Sequence[str]) -> str:
    """The picture of a network as an ``<svg>`` element, which is also a file of its own.

    Args:
        chain: the structure of the network.
        input_shape: of one sample.
        title: what the picture shows; its first line.
        description: the same content in words, for readers who do not see the picture.
        notes: lines below the picture.
    """
    network = _chain(chain, input_shape, WIDTH - 2 * _MARGIN, "")
    last = chain.items[-1] if chain.items else None
    result = shape_text(_result(last, input_shape)) if last else ""
    ends = [pill(f"input {shape_text(input_shape)}"), network, pill(f"output {result}".strip())]
    content = _stacked(ends)
    longest = max([text_length(title, "bold") * 1.15, *(text_length(note, "small") for note in notes)])
    width = round(max(content.width, longest, _LEAST) + 2 * _MARGIN)
    parts = [text_element(width / 2, _MARGIN + 12, title, "t", "middle")]
    parts.append(moved(content, (width - content.width) / 2, _MARGIN + 30))
    y = _MARGIN + 30 + content.height + 8
    for note in notes:
        y += _LINE
        parts.append(text_element(width / 2, y, note, "s", "middle"))
    height = round(y + _MARGIN)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="zoo-network" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="The layers of the network {plain(title)}">'
        f"<title>{plain(title)}</title><desc>{plain(description)}</desc><style>{style()}</style>"
        f'<rect class="ground" width="{width}" height="{height}" rx="8"/>{"".join(parts)}</svg>\n'
    )


def _chain(chain: Chain, before: Shape, available: float, scope: str) -> Part:
    """The items from top to bottom. Normalisation and layers without parameters are attached to the layer before them.

    Args:
        before: the shape of the chain's input.
        available: the width that there is.
        scope: the name of the module that contains the chain, which the names of its layers leave out.
    """
    parts: list[Part] = []
    attached = False  # whether the last part can be extended
    for item in chain.items:
        if isinstance(item, Step) and not _joins(item):
            box = layer_box(item, before, available, scope)
            if attached and (is_normalisation(item.kind) or not (item.parameters or item.shared)):
                parts[-1] = _attached(parts[-1], box)
            else:
                parts.append(box)
            attached = True
        else:
            parts.append(_drawn(item, before, available, scope))
            attached = False
        before = _result(item, before)
    return _stacked(parts) if parts else Part(0, 0, "", open_top=True, open_bottom=True)


def _joins(step: Step) -> bool:
    return len(step.sources) > 1


def _result(item: Item, before: Shape) -> Shape:
    """The shape of what an item gives; unknown for branches, which the next item joins."""
    if isinstance(item, Step):
        return item.shape
    return item.shapes[-1] if isinstance(item, Block) else None


def _drawn(item: Item, before: Shape, available: float, scope: str) -> Part:
    match item:
        case Block():
            return _block(item, available, scope) if item.body.items else closed_block(item, available, scope)
        case Branches():
            return _branches(item, before, available, scope)
        case Web():
            return _web(item, before, available, scope)
        case Step() if _joins(item):
            return pill(f"{item.kind}  {shape_text(item.shape)}".strip())
    return layer_box(item, before, available, scope)


def _stacked(parts: Sequence[Part]) -> Part:
    """Parts below each other, in the middle, with arrows between them."""
    width = max(part.width for part in parts)
    body, y = [], 0.0
    for place, part in enumerate(parts):
        if place:
            top = y
            y += 4 if parts[place - 1].open_bottom and part.open_top else _GAP
            body.append(line((width / 2, top), (width / 2, y), arrow=not part.open_top))
        body.append(moved(part, (width - part.width) / 2, y))
        y += part.height
    return Part(width, y, "".join(body), parts[0].open_top, parts[-1].open_bottom)


def _attached(above: Part, below: Part) -> Part:
    width = max(above.width, below.width)
    bodies = [moved(above, (width - above.width) / 2, 0), moved(below, (width - below.width) / 2, above.height)]
    return Part(width, above.height + below.height, "".join(bodies))


def _growth(block: Block) -> str:
    """How the shapes of blocks that repeat differ: ``channels 24 → 36 → 48``; empty if they do not."""
    shapes = [shape for shape in block.shapes if shape is not None]
    if len(block.names) == 1 or len(set(shapes)) < 2:
        return ""
    if all(len(shape) == 3 for shape in shapes) and len({shape[1:] for shape in shapes}) == 1:
        return "the first is shown; channels " + " → ".join(str(shape[0]) for shape in shapes)
    return "the first is shown; " + " → ".join(map(shape_text, shapes))


def _block(block: Block, available: float, scope: str) -> Part:
    """A frame around the content of a module; several frames behind each other if it repeats."""
    count = len(block.names)
    behind = 6 if count > 1 else 0
    inner = _chain(block.body, block.shapes[0], available - 2 * _SIDE - 2 * behind, block.names[0])
    kind = "" if block.kind in ("Sequential", "ModuleList") else block.kind
    title = " ".join(filter(None, (names_of(block, scope), kind, f"× {count}" if count > 1 else "")))
    facts = counted(block.parameters, "parameter") if block.parameters else ""
    growth = _growth(block)
    least = max(text_length(title, "bold") + text_length(facts, "small") + 40, text_length(growth, "small") + 24)
    width = min(max(inner.width + 2 * _SIDE, least), available - 2 * behind)
    top = _HEADER + (0 if inner.open_top else 4)
    height = top + inner.height + (_LINE + 12 if growth else _PADDING) - (6 if inner.open_bottom else 0)
    body = "".join(
        f'<rect class="frame" x="{shift}" y="{shift}" width="{width:g}" height="{height:g}" rx="8"/>'
        for shift in ((behind, 0) if behind else (0,))
    )
    left = width - 24 - (text_length(facts, "small") + 10)
    body += text_element(12, 19, fitted(title, left, "bold"), "k") + text_element(width - 12, 19, facts, "s", "end")
    body += moved(inner, (width - inner.width) / 2, top)
    if growth:
        body += text_element(width / 2, height - 9, fitted(growth, width - 24, "small"), "s", "middle")
    # as wide on the left, so that the arrow points to the middle of the front frame
    return Part(width + 2 * behind, height + behind, f'<g transform="translate({behind} 0)">{body}</g>')


def _branches(item: Branches, before: Shape, available: float, scope: str) -> Part:
    """Branches side by side; an unchanged result is a line beside them."""
    shortcuts = sum(not chain.items for chain in item.chains)
    alone = len(item.chains) - shortcuts == 1
    room = available - (1 + alone) * _SHORTCUT * shortcuts - _PADDING * (len(item.chains) - shortcuts - 1)
    share = room / (len(item.chains) - shortcuts)
    parts = [_chain(chain, before, share, scope) for chain in item.chains if chain.items]
    inside = sum(part.width for part in parts) + _PADDING * (len(parts) - 1)
    width = inside + (1 + alone) * _SHORTCUT * shortcuts  # one branch stays in the middle
    tallest, fork = max(part.height for part in parts), 10.0
    top = fork + _GAP
    height = top + tallest + _GAP / 2 + fork
    bus, body, x = height - fork, [], _SHORTCUT * shortcuts * alone * 1.0
    centres = []
    for part in parts:
        centre = x + part.width / 2
        body.append(line((centre, fork), (centre, top), arrow=not part.open_top))
        body.append(moved(part, x, top))
        body.append(line((centre, top + part.height), (centre, bus)))
        centres.append(centre)
        x += part.width + _PADDING
    for _ in range(shortcuts):
        centre = x - _PADDING + _SHORTCUT * 0.6
        body.append(line((centre, fork), (centre, bus)))
        centres.append(centre)
        x += _SHORTCUT
    ends = (min(*centres, width / 2), max(*centres, width / 2))
    for y, outer in ((fork, 0.0), (bus, height)):
        body.append(line((ends[0], y), (ends[1], y)) + line((width / 2, outer), (width / 2, y)))
    return Part(width, height, "".join(body), open_top=True, open_bottom=True)


def _web(item: Web, before: Shape, available: float, scope: str) -> Part:
    """Items below each other; a connection that is not to the next one is a line beside them."""
    count = len(item.items)
    arcs = sorted((edge for edge in item.edges if edge[1] - edge[0] > 1), key=lambda edge: edge[1] - edge[0])
    lanes: list[list[tuple[int, int]]] = []
    for arc in arcs:
        free = (lane for lane in lanes if all(arc[1] <= other[0] or arc[0] >= other[1] for other in lane))
        lane = next(free, None)
        if lane is None:
            lanes.append(lane := [])
        lane.append(arc)
    side = _LANE * len(lanes) + 10
    parts = []
    for place, inner in enumerate(item.items):
        taken = [source for source, target in item.edges if target == place]
        shape = before if taken == [-1] else _result(item.items[taken[0]], None) if len(taken) == 1 else None
        parts.append(_drawn(inner, shape, available - 2 * side, scope))
    widest = max(part.width for part in parts)
    middle, right = side + widest / 2, side + widest
    tops, y = [], float(_WEB_GAP)
    for part in parts:
        tops.append(y)
        y += part.height + _WEB_GAP
    starts = [0.0, *(top + part.height for top, part in zip(tops, parts, strict=True))]
    targets = [*tops, y]
    body = [moved(part, side + (widest - part.width) / 2, top) for part, top in zip(parts, tops, strict=True)]
    for source, target in item.edges:
        if target - source == 1:
            body.append(line((middle, starts[source + 1]), (middle, targets[target]), arrow=target < count))
    for number, lane in enumerate(lanes):
        x = right + 10 + _LANE * number
        for source, target in lane:
            out, into = starts[source + 1] + 8, targets[target] - 14
            points = ((middle, starts[source + 1]), (middle, out), (x, out), (x, into), (middle, into))
            body.append(line(*points, (middle, targets[target]), arrow=target < count))
    return Part(widest + 2 * side, y, "".join(body), open_top=True, open_bottom=True)
