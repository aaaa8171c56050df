"""The boxes in a picture of a network: a layer, a module without its content, an operation that joins results."""

from __future__ import annotations

from collections.abc import Sequence

from ..formatting import counted
from .steps import Step
from .structure import Block
from .svg import Part, Shape, fitted, plain, shape_text, text_element, text_length
from .words import is_activation, is_normalisation

_WIDEST, _NARROWEST = 300, 128
_LINE, _STRIP = 18, 24


def pill(text: str) -> Part:
    """An end of the network, or an operation that joins results."""
    width, height = max(text_length(text, "main") + 28, 60), 26
    body = f'<rect class="join" x="0.5" y="0.5" width="{width - 1:g}" height="{height - 1}" rx="13"/>'
    return Part(width, height, body + text_element(width / 2, 17.5, text, "", "middle"))


def layer_box(step: Step, before: Shape, available: float, scope: str) -> Part:
    """A box: kind and name, shape of the result if it is another one, and parameters."""
    name = _short(step.name, scope)
    facts = [shape_text(step.shape)] if step.shape != before else []
    facts += [counted(step.parameters, "parameter")] if step.parameters else ["same parameters"] if step.shared else []
    return _box(step.kind, step.detail, name, facts, _colour(step), available)


def _colour(step: Step) -> str:
    if is_normalisation(step.kind):
        return "normal"
    if step.parameters or step.shared:
        return "weights"
    return "activation" if is_activation(step.kind) else "other"


def closed_block(block: Block, available: float, scope: str) -> Part:
    """A block without its content."""
    facts = [shape_text(block.shapes[-1]), *([counted(block.parameters, "parameter")] if block.parameters else [])]
    times = f"× {len(block.names)}" if len(block.names) > 1 else ""
    return _box(block.kind, times, names_of(block, scope), facts, "weights", available)


def _box(kind: str, detail: str, name: str, facts: Sequence[str], colour: str, available: float) -> Part:
    """A box: ``kind`` and ``detail`` on the left, ``name`` on the right, ``facts`` below; in one line if possible.

    What has no room beside the others gets a line of its own.
    """
    width = max(min(available, _WIDEST), _NARROWEST)
    inner = width - 20
    rows = list(facts)
    kind = fitted(kind, inner, "bold")
    left = inner - text_length(kind, "bold") - 8
    if detail and text_length(detail, "main") > left:
        rows.insert(0, detail)
        detail = ""
    left -= text_length(detail, "main") + (8 if detail else 0)
    right = " · ".join(filter(None, (name, *facts)))
    if len(facts) > 1 or rows[:1] != list(facts[:1]) or text_length(right, "small") > left:
        right = name
    else:
        rows = []
    if text_length(right, "small") > left:
        rows.append(right)
        right = ""
    pairs = [(fitted(row, inner, "small"), "") for row in rows]
    if len(rows) == 2 and text_length("".join(rows), "small") + 16 <= inner:
        pairs = [(rows[0], rows[1])]
    words = f'<tspan class="k">{plain(kind)}</tspan>' + (f" {plain(detail)}" if detail else "")
    height = _STRIP + _LINE * len(pairs) + (4 if pairs else 0)
    body = f'<rect class="{colour}" x="0.5" y="0.5" width="{width - 1:g}" height="{height - 1}" rx="4"/>'
    body += f'<text x="10" y="16.5">{words}</text>' + (
        text_element(width - 10, 16.5, right, "s", "end") if right else ""
    )
    for place, (first, second) in enumerate(pairs, start=1):
        y = 16.5 + _LINE * place
        body += text_element(10, y, first, "s") + (text_element(width - 10, y, second, "s", "end") if second else "")
    return Part(width, height, body)


def _short(name: str, scope: str) -> str:
    """The name of a layer inside a module: ``conv1``; ``features.0`` if it would be a number only."""
    inside = name.removeprefix(f"{scope}." if scope else "")
    return f"{scope.rpartition('.')[2]}.{inside}" if scope and inside[:1].isdigit() else inside


def names_of(block: Block, scope: str) -> str:
    """The names of the modules of a block: ``features.2 … 5``."""
    first, last = _short(block.names[0], scope), _short(block.names[-1], scope)
    return first if first == last else f"{first} … {last.removeprefix(first.rpartition('.')[0] + '.')}"
