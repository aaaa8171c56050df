"""Raw samples as reports and the demo show them: an image, a curve, a text, by the kind of input."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np

from ..errors import UsageError
from ..inputs.reader import InputReader, load_reader
from ..models.description import ModelDescription
from ..models.inference import Array
from ..registry.origins import needed_by
from ..registry.registry import Registry, create_registry
from ..specs.dataset import IMAGE, TABLE, Input

_WIDTH, _HEIGHT, _LONGEST_TEXT = 160, 60, 200
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")


class ShownSamples:
    """Shows the samples of a model.

    Args:
        model: its description.
        registry: knows the kinds of input.
    """

    def __init__(self, model: ModelDescription, registry: Registry) -> None:
        self._images, self._curves = model.takes_images, False
        self._reader: InputReader | None = None
        if not (model.takes_images or model.takes_rows):
            kind = registry.input(model.input_kind)
            self._curves = kind.demo == "curve"
            self._reader = load_reader(kind, model.input_shape, model.input_options)

    def image(self, sample: Array) -> str:
        """The address of a picture of a sample, for a page without other files; empty if there is none."""
        if self._curves:
            return _address("svg+xml", _curve(sample).encode())
        if not self._images:
            return ""
        from PIL import Image

        content = io.BytesIO()
        Image.fromarray(sample[0] if len(sample) == 1 else sample.transpose(1, 2, 0)).save(content, "png")
        return _address("png", content.getvalue())

    def text(self, sample: Array) -> str:
        """A sample as text; empty if its kind of input has none."""
        return "" if self._reader is None else self._reader.text(sample)[:_LONGEST_TEXT]


def demo_of(model: ModelDescription, registry: Registry | None) -> str:
    """How a sample is entered in the browser demo: ``image``, ``table``, ``text`` or ``curve``.

    Raises:
        UsageError: the demo cannot show this kind of input.
        PluginError: no plugin registers it.
    """
    if model.takes_images or model.takes_rows:
        return IMAGE if model.takes_images else TABLE
    with needed_by(model.content):
        kind: Input = (registry or create_registry()).input(model.input_kind)
    if not kind.demo:
        raise UsageError(f"zoo demo cannot show inputs of the kind {kind.name}; `zoo predict` can read files.")
    return kind.demo


def demo_start(model: ModelDescription, demo: str, registry: Registry | None, sample: Array | None) -> dict[str, Any]:
    """What the script of the demo needs to know of a text or a curve.

    Args:
        sample: a real sample ``[C, T]`` to start a curve from; None: the mean of each channel.
    """
    if demo not in ("text", "curve"):
        return {}
    kind = (registry or create_registry()).input(model.input_kind)
    reader = load_reader(kind, model.input_shape, model.input_options)
    if demo == "text":
        return {} if reader is None else reader.demo()
    mean, std = (_of_each_channel(model, name, other) for name, other in (("mean", 0.0), ("std", 1.0)))
    start = np.broadcast_to(mean[:, None], model.input_shape) if sample is None else sample
    low, high = float((mean - 3 * std).min()), float((mean + 3 * std).max())
    low, high = min(low, float(start.min())), max(high, float(start.max()))
    return {"values": start.flatten().tolist(), "low": low, "high": high if high > low else low + 1}


def _of_each_channel(model: ModelDescription, name: str, other: float) -> Array:
    """A figure of the normalisation for each channel ``[C]``; ``other`` if it is not known."""
    known, count = (model.content.get("normalisation") or {}).get(name), model.input_shape[0]
    if not isinstance(known, list) or len(known) != count or not all(isinstance(one, int | float) for one in known):
        known = [other] * count
    return np.array(known, dtype=float)


def _address(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _curve(sample: Array) -> str:
    """A drawing of a signal ``[C, T]``, each channel in a colour."""
    values = np.nan_to_num(sample.astype(float))
    low, high = values.min(), values.max()
    heights = _HEIGHT * (1 - (values - low) / ((high - low) or 1.0))
    times = np.linspace(0, _WIDTH, values.shape[1])
    lines = []
    for place, line in enumerate(heights):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(times, line, strict=True))
        lines.append(f'<polyline fill="none" stroke="{_COLOURS[place % len(_COLOURS)]}" points="{points}"/>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}"'
    return f'{head} viewBox="-2 -2 {_WIDTH + 4} {_HEIGHT + 4}">{"".join(lines)}</svg>'
