"""Sphinx: `sphinx-build -W -b html docs docs/_build`."""

import zoo

project = "pluggy-zoo"
author = "The pluggy-zoo maintainers"
copyright = "2026, The pluggy-zoo maintainers"
release = zoo.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "pluggy-zoo"
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "description"
