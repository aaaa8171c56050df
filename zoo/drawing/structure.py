"""The structure of what a network computes: chains, branches that run side by side, and blocks that repeat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .steps import INPUT, Scope, Step, Trace

MOST_LAYERS = 64
"""A picture with more layers shows its innermost blocks without their content."""
_END = 10**9
"""The number of what takes the result of a chain; it comes after all others."""


@dataclass(frozen=True, slots=True)
class Block:
    """A module with its content.

    Args:
        names: the names of the modules that it stands for: several if they follow each other and are built alike.
        kind: the name of their class.
        body: the content of the first one.
        shapes: of the input of the first one and of the result of each; None if unknown.
        parameters: of all of them, without those that belong to earlier steps too.
    """

    names: tuple[str, ...]
    kind: str
    body: Chain
    shapes: tuple[tuple[int, ...] | None, ...]
    parameters: int


@dataclass(frozen=True, slots=True)
class Branches:
    """Chains that start from the same result. An empty one hands it on unchanged."""

    chains: tuple[Chain, ...]


@dataclass(frozen=True, slots=True)
class Web:
    """Items whose connections are neither a chain nor branches.

    Args:
        items: in the order in which they ran.
        edges: pairs of places among the items: the second takes the result of the first. -1 is the input of the web,
            and the number of items is what takes its result.
    """

    items: tuple[Item, ...]
    edges: tuple[tuple[int, int], ...]


Item = Step | Block | Branches | Web


@dataclass(frozen=True, slots=True)
class Chain:
    """Items, each of which takes the result of the one before it."""

    items: tuple[Item, ...]


def structure(found: Trace) -> Chain:
    """The structure of a traced network, small enough for a picture."""
    chain = _Builder(found).chain(dict(enumerate(found.steps)), 0, frozenset(found.outputs))
    while count_layers(chain) > MOST_LAYERS and (depth := _depth(chain)):
        chain = _closed(chain, depth)
    return chain


def count_layers(item: Item | Chain) -> int:
    """The number of boxes in a picture of ``item``."""
    return 1 if isinstance(item, Step) else sum(map(count_layers, _parts(item))) or 1


def _parts(item: Item | Chain) -> Sequence[Item | Chain]:
    match item:
        case Block():
            return (item.body,)
        case Branches():
            return item.chains
        case Web() | Chain():
            return item.items
    return ()


class _Builder:
    """Orders the steps of a trace by the modules that contain them."""

    def __init__(self, found: Trace) -> None:
        self._steps = found.steps
        self._input_shape = found.input_shape
        self._users: dict[int, set[int]] = {}
        for number, step in enumerate(found.steps):
            for source in step.sources:
                self._users.setdefault(source, set()).add(number)

    def chain(self, numbers: Mapping[int, Step], depth: int, outputs: frozenset[int]) -> Chain:
        """The steps of one module as a chain.

        Args:
            numbers: the steps of the module, by number.
            depth: how many modules contain them, the network not included.
            outputs: the steps whose results leave the module.
        """
        units: dict[int, list[int]] = {}  # the content of the module: steps, and whole calls of modules within it
        unit_of: dict[int, int] = {}
        calls: dict[Scope, int] = {}
        for number, step in numbers.items():
            unit = calls.setdefault(step.scopes[depth], number) if len(step.scopes) > depth else number
            units.setdefault(unit, []).append(number)
            unit_of[number] = unit
        edges: dict[int, set[int]] = {unit: set() for unit in (INPUT, *units)}
        for number, step in numbers.items():
            for source in step.sources:
                edges[unit_of.get(source, INPUT)].add(unit_of[number])
        for number in outputs:
            edges[unit_of.get(number, INPUT)].add(_END)
        for unit in units:
            edges[unit].discard(unit)
        items = {
            unit: self._item({number: numbers[number] for number in inside}, depth, outputs)
            for unit, inside in units.items()
        }
        return _folded(_connected(INPUT, _END, sorted(units), edges, items))

    def _item(self, numbers: Mapping[int, Step], depth: int, outputs: frozenset[int]) -> Item:
        """A step, or the block of the module that contains the steps."""
        first = next(iter(numbers.values()))
        if len(first.scopes) <= depth:
            return first
        scope = first.scopes[depth]
        leaving = [number for number in numbers if number in outputs or self._users.get(number, set()) - numbers.keys()]
        body = self.chain(numbers, depth + 1, frozenset(leaving))
        if len(body.items) == 1 and isinstance(body.items[0], Block):
            return body.items[0]  # a module that only contains another one
        source = next((source for source in first.sources if source not in numbers), INPUT)
        before = self._input_shape if source == INPUT else self._steps[source].shape
        parameters = sum(step.parameters for step in numbers.values())
        return Block((scope.name,), scope.kind, body, (before, numbers[max(leaving)].shape), parameters)


def _connected(
    start: int, end: int, units: Sequence[int], edges: Mapping[int, set[int]], items: Mapping[int, Item]
) -> list[Item]:
    """The units between ``start`` and ``end`` in the order in which they run, as the items of a chain."""
    inside = {start, end, *units}
    open_edges = {(start, target) for target in edges[start] & inside}
    found: list[Item] = []
    before = start
    region: list[int] = []
    for unit in (*units, end):
        if {target for _, target in open_edges} == {unit}:  # all results pass through this unit
            found += _between(before, unit, region, edges, items)
            found += [items[unit]] if unit != end else []
            before, region = unit, []
        else:
            region.append(unit)
        open_edges = {edge for edge in open_edges if edge[1] != unit}
        open_edges |= {(unit, target) for target in edges.get(unit, set()) & inside} if unit != end else set()
    return found


def _between(
    start: int, end: int, region: Sequence[int], edges: Mapping[int, set[int]], items: Mapping[int, Item]
) -> Iterator[Item]:
    """What lies between two units that all results pass through: nothing, branches, or a web."""
    if not region:
        return
    parts = _components(region, edges)
    chains = [_connected(start, end, part, edges, items) for part in parts] if len(parts) > 1 else []
    if end in edges[start]:
        chains = (chains or [_connected_alone(start, end, parts[0], edges, items)]) + [[]]
    if chains:
        yield Branches(tuple(_folded(chain) for chain in chains))
        return
    places = {start: -1, end: len(region), **{unit: place for place, unit in enumerate(region)}}
    pairs = sorted(
        (places[source], places[target])
        for source in (start, *region)
        for target in edges[source]
        if target in places and (source, target) != (start, end)
    )
    yield Web(tuple(items[unit] for unit in region), tuple(pairs))


def _connected_alone(
    start: int, end: int, part: Sequence[int], edges: Mapping[int, set[int]], items: Mapping[int, Item]
) -> list[Item]:
    """The only branch beside a shortcut."""
    without = {**edges, start: edges[start] - {end}}
    return _connected(start, end, part, without, items)


def _components(region: Sequence[int], edges: Mapping[int, set[int]]) -> list[list[int]]:
    """The units of a region in groups that are connected with each other, each in the order in which they run."""
    group = {unit: {unit} for unit in region}
    for unit in region:
        for target in edges[unit] & group.keys():
            if group[target] is not group[unit]:
                group[unit] |= group[target]
                for other in group[target]:
                    group[other] = group[unit]
    return [sorted(members) for unit in region if unit == min(members := group[unit])]


def _folded(items: Sequence[Item]) -> Chain:
    """Blocks that follow each other and are built alike become one."""
    found: list[Item] = []
    for item in items:
        last = found[-1] if found else None
        if (
            isinstance(item, Block)
            and isinstance(last, Block)
            and _pattern(item) == _pattern(replace(last, names=last.names[:1]))
        ):
            found[-1] = replace(
                last,
                names=last.names + item.names,
                shapes=last.shapes + item.shapes[1:],
                parameters=last.parameters + item.parameters,
            )
        else:
            found.append(item)
    return Chain(tuple(found))


def _pattern(item: Item | Chain) -> object:
    """What two blocks have in common that are built alike: all but names, numbers of parameters and shapes."""
    match item:
        case Step():
            return item.kind, item.detail, item.shared
        case Block():
            return item.kind, len(item.names), _pattern(item.body)
        case Web():
            return item.edges, *map(_pattern, item.items)
    return (type(item).__name__, *map(_pattern, _parts(item)))


def _depth(item: Item | Chain) -> int:
    """How many blocks with content lie within each other."""
    inside = max(map(_depth, _parts(item)), default=0)
    return inside + (isinstance(item, Block) and bool(item.body.items))


def _closed(item: Chain, depth: int) -> Chain:
    """``item`` without the content of the blocks at this depth."""

    def closed(part: Item, depth: int) -> Item:
        match part:
            case Block():
                body = Chain(()) if depth == 1 else _closed(part.body, depth - 1)
                return replace(part, body=body)
            case Branches():
                return Branches(tuple(_closed(chain, depth) for chain in part.chains))
            case Web():
                return replace(part, items=tuple(closed(inner, depth) for inner in part.items))
        return part

    return Chain(tuple(closed(part, depth) for part in item.items))
