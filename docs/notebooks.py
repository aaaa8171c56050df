"""A Sphinx extension: the surroundings in which notebooks are executed, and a link to download each one.

A chapter of docs/learn is a text file with cells of code. MyST-NB executes it. This extension writes the executed
notebook beside the page and puts a link to it at the top of the page.
"""

import atexit
import hashlib
import importlib.metadata
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path

import nbclient
import nbformat
from jupyter_cache import get_cache
from jupyter_cache.executors import utils
from sphinx.application import Sphinx
from traitlets.config import Config

DOCS = Path(__file__).parent
ROOT = DOCS.parent
CODE = ("zoo", "plugins", "exporters")
LIBRARIES = ("torch", "numpy", "scikit-learn", "matplotlib")
KERNEL_CONFIG = """\
c.InteractiveShell.system_raise_on_error = True  # `!zoo train …` fails as loudly as Python does
c.IPKernelApp.log_level = "ERROR"
c.InlineBackend.figure_formats = ["svg"]
"""
LINK = '<p class="notebook"><a href="{name}.ipynb" download>Download this page as a notebook</a></p>\n'


def cache_folder() -> Path:
    """Where executed notebooks are kept between builds: another folder after each change of what they run.

    MyST-NB compares only the cells of a notebook.
    """
    state = hashlib.sha256()
    for path in sorted(path for folder in CODE for path in (ROOT / folder).rglob("*.py")):
        state.update(path.read_bytes())
    for path in (DOCS / "matplotlibrc", DOCS / "notebooks.py"):
        state.update(path.read_bytes())
    state.update(repr([importlib.metadata.version(name) for name in LIBRARIES]).encode())
    return DOCS / "_build" / ".jupyter_cache" / state.hexdigest()[:16]


def set_surroundings() -> None:
    """Kernels inherit this: no data but what is bundled, the same pictures and the same commands everywhere."""
    scratch = Path(tempfile.mkdtemp(prefix="zoo-docs-"))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    (scratch / "data").mkdir()
    profile = scratch / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_kernel_config.py").write_text(KERNEL_CONFIG)
    os.environ.update(
        ZOO_DATA=str(scratch / "data"),
        IPYTHONDIR=str(scratch / "ipython"),
        MATPLOTLIBRC=str(DOCS / "matplotlibrc"),
        OMP_NUM_THREADS="1",
        COLUMNS="100",
        NO_COLOR="1",
        TTY_COMPATIBLE="0",
        PYTHONWARNINGS="ignore:IProgress not found",  # tqdm, which a library imports
        PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    )
    for name in ("ZOO_RUNS", "ZOO_PLUGINS_DIR"):
        os.environ.pop(name, None)


def execute(notebook: nbformat.NotebookNode, **options: object) -> nbformat.NotebookNode:
    """Execute a notebook in place, over sockets that are files.

    With TCP, a kernel gets the numbers of its ports before it opens them, and another kernel that starts at the same
    time can take one in between. Windows has no such sockets.
    """
    with tempfile.TemporaryDirectory(prefix="zoo-kernel-") as folder:
        config = Config()
        if os.name != "nt":
            config.KernelManager.update(transport="ipc", ip=str(Path(folder) / "kernel"))
        # the kernel sends what a command prints in pieces, which end in the middle of a line
        return nbclient.execute(notebook, coalesce_streams=True, config=config, **options)


def keep_outputs_in_build(app: Sphinx) -> None:
    """MyST-NB writes executed notebooks beside the build folder by default, which is among the sources."""
    config = app.env.mystnb_config  # type: ignore[attr-defined]
    app.env.mystnb_config = config.copy(output_folder=str(executed_folder(app)))  # type: ignore[attr-defined]


def create_cache(app: Sphinx) -> None:
    """The processes of ``sphinx-build -j`` would all create it at the same time, and all but one would fail."""
    get_cache(app.config.nb_execution_cache_path).list_cache_records()


def executed_folder(app: Sphinx) -> Path:
    return Path(app.doctreedir) / "jupyter_execute"


def add_link(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """The link stands above the page and not in its text, so that the notebook does not link to itself."""
    if page in app.env.nb_metadata and app.env.nb_metadata[page].get("exec_data"):  # type: ignore[attr-defined]
        context["body"] = LINK.format(name=page.rpartition("/")[2]) + context["body"]


def write_notebooks(app: Sphinx, error: Exception | None) -> None:
    """The notebooks with their outputs, which MyST-NB leaves out if it has found them in its cache."""
    if error is not None or app.builder.format != "html":
        return
    cache = get_cache(app.config.nb_execution_cache_path)
    for page, metadata in app.env.nb_metadata.items():  # type: ignore[attr-defined]
        if metadata.get("exec_data"):
            notebook = nbformat.read(executed_folder(app) / f"{page}.ipynb", nbformat.NO_CONVERT)
            executed = cache.merge_match_into_notebook(notebook)[1]
            remove_messages(executed)
            target = Path(app.outdir) / f"{page}.ipynb"
            target.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(executed, target)


def remove_messages(notebook: nbformat.NotebookNode) -> None:
    """What MyST-NB leaves out of a page, by the tag of its cell, is no part of the notebook either."""
    for cell in notebook.cells:
        if "remove-stderr" in cell.metadata.get("tags", []):
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]


def setup(app: Sphinx) -> dict[str, bool]:
    set_surroundings()
    logging.getLogger("traitlets").setLevel(logging.WARNING)
    utils.executenb = execute
    # after MyST-NB, which sets its folders in the same event
    app.connect("builder-inited", keep_outputs_in_build, priority=900)
    app.connect("builder-inited", create_cache, priority=901)
    app.connect("html-page-context", add_link)
    app.connect("build-finished", write_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
