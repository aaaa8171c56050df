"""Fill in the templates of HTML and Markdown pages, and write the pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..files import make_folder, write_text


def render(template: str, **facts: Any) -> str:
    """Fill in a template of ``zoo/reports/templates``. Text in HTML is escaped.

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
    return environment.get_template(template).render(**facts)


def task_text(task: str) -> str:
    """A task in words: ``binary classification`` for ``binary``."""
    return "binary classification" if task == "binary" else task


def write_page(page: str, path: Path | str) -> Path:
    """Write a page to a file and return its path. The file is replaced only when it is complete."""
    target = Path(path).expanduser()
    make_folder(target.parent)
    write_text(target, page)
    return target
