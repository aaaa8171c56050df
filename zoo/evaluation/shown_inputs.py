"""Save what a network was given, as ``zoo predict --show`` does: the prepared image, enlarged, with the answer."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ..errors import UsageError
from ..files import make_folder
from ..folders import expanded
from .predict import Prediction

SIDE = 280
"""Pixels of the longer side of an enlarged image, at least."""
_CAPTION = 34


class ShownInputs:
    """Writes each input of a network as a PNG file; never over an existing file.

    Args:
        path: a file ``NAME.png`` for one image, or a new or empty folder for any number.

    Raises:
        UsageError: the path cannot be used.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = expanded(path)
        self.single = self.path.suffix.lower() == ".png"
        self.count = 0
        if self.single and self.path.exists():
            raise UsageError(f"--show overwrites no file: {self.path} exists. Choose another name.")
        if not self.single and self.path.is_file():
            raise UsageError(f"--show needs a name that ends in .png, or a folder; {self.path} is another file.")
        if not self.single and self.path.is_dir() and any(self.path.iterdir()):
            raise UsageError(f"--show needs a new or an empty folder; {self.path} has files.")
        make_folder(self.path.parent if self.single else self.path)

    def save(self, answer: Prediction) -> None:
        """Write the input of ``answer``, if it is an image.

        Raises:
            UsageError: the path is that of one file, and this is the second image; or the file cannot be written.
        """
        if answer.pixels is None:
            return
        self.count += 1
        if self.single and self.count > 1:
            raise UsageError(f"--show {self.path} holds one image, but there are several. Give a folder instead.")
        file = self.path if self.single else self.path / f"{self.count:05}-{_name(answer)}.png"
        content = io.BytesIO()
        picture(answer).save(content, "PNG")
        try:
            with file.open("xb") as opened:
                opened.write(content.getvalue())
        except OSError as error:
            raise UsageError(f"--show cannot write {file}: {error.strerror}.") from error


def picture(answer: Prediction) -> Image.Image:
    """The input of the network, enlarged without smoothing, and the answer as a caption."""
    assert answer.pixels is not None
    pixels = answer.pixels[0] if len(answer.pixels) == 1 else np.moveaxis(answer.pixels, 0, -1)
    small = Image.fromarray(np.ascontiguousarray(pixels))
    times = max(1, -(-SIDE // max(small.size)))
    large = small.resize((small.width * times, small.height * times), Image.Resampling.NEAREST)
    whole = Image.new("RGB", (max(large.width, SIDE), large.height + _CAPTION), "white")
    whole.paste(large, ((whole.width - large.width) // 2, 0))
    text = _caption(answer).encode("latin-1", "replace").decode("latin-1")
    ImageDraw.Draw(whole).text((8, large.height + 8), text[:60], fill="black", font_size=16)
    return whole


def _caption(answer: Prediction) -> str:
    if answer.probability is None:
        return ", ".join(f"{name}: {value:.6g}" for name, value in (answer.values or {}).items())
    return f"{answer.label}  {answer.probability:.1%}{'  unsure' if answer.unsure else ''}"


def _name(answer: Prediction) -> str:
    """The name of the input and the answer, as letters and digits that every file system takes."""
    parts = (Path(answer.source).stem, answer.label, "unsure" if answer.unsure else "")
    return "-".join(re.sub(r"[^A-Za-z0-9_]+", "_", part)[:60] for part in parts if part) or "image"
