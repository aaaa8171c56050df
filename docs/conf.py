"""Sphinx: `sphinx-build -W -b html docs docs/_build`. The pages of docs/learn are notebooks and are executed."""

import sys
from pathlib import Path

import zoo

sys.path.insert(0, str(Path(__file__).parent))
import notebooks

project = "pluggy-zoo"
author = "The pluggy-zoo maintainers"
copyright = "2026, The pluggy-zoo maintainers"
release = zoo.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon", "notebooks"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "pluggy-zoo"
myst_enable_extensions = ["dollarmath"]
# `$ZOO_DATA and $ZOO_RUNS` is no formula
myst_dmath_allow_space = False
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "description"

nb_execution_mode = "cache"
nb_execution_cache_path = str(notebooks.cache_folder())
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_timeout = 900
