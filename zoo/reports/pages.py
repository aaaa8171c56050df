"""Fill in the templates of HTML and Markdown pages, and write the pages."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ..files import make_folder, write_text
from ..folders import expanded
from ..formatting import one_line
from ..models.description import ModelDescription


def render(template: str, **facts: Any) -> str:
    """Fill in a template of ``zoo/reports/templates``.

    Names and labels come from files and plugins, so they are never markup: in HTML and Markdown every value is escaped,
    unless the template says ``safe``.

    Args:
        template: the file name.
        facts: the variables of the template. A variable that is missing is an error.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates"), encoding="utf-8"),
        autoescape=template.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    if template.endswith(".md"):
        environment.finalize = _markdown
    environment.filters |= {"fence": _fence, "quoted": _quoted, "plural": _plural}
    text = environment.get_template(template).render(**facts)
    return text.encode("utf-8", "backslashreplace").decode()  # a file name may be no valid text


def _markdown(text: object) -> str:
    """``text`` in one line of Markdown, without any markup of its own; what is marked as safe stays as it is."""
    if isinstance(text, Markup):
        return text
    plain = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*\[\]|]|__)", r"\\\1", plain)


def _fence(text: str, language: str) -> str:
    """``text`` as a block of code in Markdown: the fence is longer than any in the text."""
    longest = max((len(marks) for marks in re.findall("`+", text)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}{language}\n{text.rstrip()}\n{marks}"


def _quoted(value: Any) -> str:
    """``value`` as JSON, which is YAML and Python too: a text in it cannot end its quotes or its line."""
    text = json.dumps(value, ensure_ascii=False)
    return re.sub("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _plural(count: int, noun: str) -> str:
    """``1 sample``, ``1,000 samples``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def task_text(model: ModelDescription) -> str:
    """The task of a model in words: ``binary classification`` for ``binary``."""
    return f"{model.task} classification" if model.decides and "classification" not in model.task else model.task


def write_page(page: str, path: Path | str) -> Path:
    """Write a page to a file and return its path. The file is replaced only when it is complete."""
    target = expanded(path)
    make_folder(target.parent)
    write_text(target, page)
    return target
