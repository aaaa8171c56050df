"""Pages of HTML and Markdown, each one file that loads nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..files import make_folder, write_text


def render(template: str, **facts: Any) -> str:
    """A template of ``zoo/templates`` with its facts; HTML is escaped, a name that is missing is an error."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates"), encoding="utf-8"),
        autoescape=template.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**facts)


def write_page(page: str, path: Path | str) -> Path:
    """Write a page to a file, whole or not at all, and give its path."""
    target = Path(path).expanduser()
    make_folder(target.parent)
    write_text(target, page)
    return target
