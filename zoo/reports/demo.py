"""``zoo demo``: an HTML page that runs an exported file in the browser."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.server
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UsageError, ZooError
from ..evaluation.image_preparation import DARK_BELOW, FAINTEST, LIGHT_ABOVE, takes_strokes
from ..evaluation.strokes import SETTINGS
from ..folders import expanded
from ..formatting import metrics_text, size_text
from ..models.api import is_onnx_file
from ..models.description import ModelDescription
from ..models.inference import Array
from ..models.onnx_model import OnnxModel
from ..registry.registry import Registry
from .pages import render, task_text
from .shown_samples import demo_of, demo_start

if TYPE_CHECKING:
    from ..exporting.certificate import Certificate

RUNTIME_VERSION = "1.30.0"
"""The version of onnxruntime-web that the page is tested with."""
RUNTIME = f"https://cdn.jsdelivr.net/npm/onnxruntime-web@{RUNTIME_VERSION}/dist/"
_ASSETS = {"runtime-code": "ort.wasm.bundle.min.mjs", "runtime-wasm": "ort-wasm-simd-threaded.wasm"}
INTEGRITY = {
    "runtime-code": "sha384-PLWz+nHEVHpjwBsO0YVdvQj6n5814Iv8E3b8FG0Rp/uIAtjFMCKOpP66iPzedrIG",
    "runtime-wasm": "sha384-vjBJ1z7qrhkTyYsNqKeF6c7N+nOJSU94czEo+tvZcu8G75JparGq9kB+kTnEUNVM",
}
"""The SHA-384 of both files of that version, in the form of Subresource Integrity. The page fetches nothing else."""


def demo_page(
    reference: Path | str,
    *,
    assets: Path | str | None = None,
    runtime: str = RUNTIME,
    data_dir: Path | str | None = None,
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
) -> str:
    """An HTML page to try a model: draw a digit, drop an image, fill in the columns of a table, write
    a text or draw a curve, by the kind of input.

    Args:
        reference: an exported file, an architecture or a run. An architecture or a run is exported first.
        assets: the ``dist`` folder of the npm package ``onnxruntime-web``. The page then contains onnxruntime-web and
            needs no network.
        runtime: the address of onnxruntime-web for a page without ``assets``, with a slash at the end. The page
            accepts only the files of :data:`RUNTIME_VERSION`.

    Raises:
        UsageError: ``runtime`` is not an address, or the page cannot show this kind of input.
        ZooError: the file cannot be read, or ``assets`` is not that folder.
        ExportError: as for :func:`export`.
    """
    if not re.fullmatch(r"https?://[A-Za-z0-9.:@/_~%+\[\]-]+/", runtime):
        raise UsageError(
            f"runtime must be an address that starts with https:// and ends with a slash, not {runtime!r}."
        )
    if is_onnx_file(reference):
        return _page(expanded(reference), assets, runtime, registry)
    from ..exporting.export import export

    with tempfile.TemporaryDirectory() as folder:
        made = export(str(reference), "onnx", Path(folder), data_dir=data_dir, runs_dir=runs_dir, registry=registry)
        return _page(made.file, assets, runtime, registry, origin=_title(made), start=_real_sample(made))


def _title(made: Certificate) -> str:
    """The title of the page of an export: the architecture and the dataset, which say more than the time of a run."""
    return f"{made.description['architecture']} on {made.description['dataset']}"


def _real_sample(made: Certificate) -> Array | None:
    """A real row or signal, from the reference vectors of an export: the first one without a missing value."""
    assert made.vectors is not None  # a new ONNX file has some
    return next((sample for sample in made.vectors.inputs if np.isfinite(sample).all()), None)


def serve(page: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve ``page`` to this machine only, until interrupted. Every other path, method or host name is refused.

    Args:
        port: the port; 0 chooses a free one.
        ready: called with the address of the page.

    Raises:
        ZooError: the port cannot be used.
    """
    try:
        server = _Server(("127.0.0.1", port), _handler(page.encode()))
    except OSError as error:
        raise ZooError(f"Port {port} cannot be used: {error.strerror}. Choose another with --port.") from error
    with server:
        ready(f"http://127.0.0.1:{server.server_address[1]}/")
        server.serve_forever()


class _Server(http.server.ThreadingHTTPServer):
    """A server of which a browser may close a connection at any time."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing if the connection ended before the answer; other errors have a traceback."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def _handler(content: bytes) -> type[http.server.BaseHTTPRequestHandler]:
    """The handler of requests for the one page ``content``."""

    class Handler(http.server.BaseHTTPRequestHandler):
        server_version, sys_version = "zoo", ""
        timeout = 30  # seconds; a client that sends nothing does not keep a thread

        def do_GET(self) -> None:
            self._answer(content)

        def do_HEAD(self) -> None:
            self._answer(b"")

        def _answer(self, body: bytes) -> None:
            # a page of another site can reach this port under a host name of its own (DNS rebinding)
            hosts = [f"{name}:{self.server.server_port}" for name in ("127.0.0.1", "localhost")]  # type: ignore[attr-defined]
            if [host.lower() for host in self.headers.get_all("Host", [])] not in [[host] for host in hosts]:
                self.send_error(421)
            elif self.path.partition("?")[0] not in ("/", "/index.html"):
                self.send_error(404)
            else:
                self.send_response(200)
                for name, value in {**_HEADERS, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def _page(
    file: Path,
    assets: Path | str | None,
    runtime: str,
    registry: Registry | None,
    origin: str = "",
    start: Array | None = None,
) -> str:
    model, content = OnnxModel(file).description, file.read_bytes()
    kind = demo_of(model, registry)
    row = start.tolist() if start is not None and model.takes_rows else None
    metrics = f" ({metrics_text(model.test)} on its test split)" if model.test else ""
    channels, height, width = model.input_shape if model.takes_images else (0, 1, 1)
    settings = _settings(model, kind, runtime, assets is not None, row)
    script = render("demo.js", settings=settings | {"start": demo_start(model, kind, registry, start)})
    style = render("demo.css", demo={"width": width, "height": height})
    return render(
        "demo.html",
        name=origin or model.name,
        model=model,
        summary=f"{task_text(model)} on {model.dataset}{metrics}",
        demo={
            "model": base64.b64encode(content).decode(),
            "size": size_text(len(content)),
            "sha256": hashlib.sha256(content).hexdigest(),
            "file": file.name,
            "height": height,
            "width": width,
            "draw": channels == 1,
            "kind": kind,
            "reset": "Reset to the first row" if row else "Reset to the means",
        },
        script=script,
        style=style,
        policy=_policy(script, style, "" if assets is not None else runtime),
        assets={} if assets is None else {key: _compressed(Path(assets), name) for key, name in _ASSETS.items()},
    )


def _policy(script: str, style: str, runtime: str) -> str:
    """The Content-Security-Policy of the page: its own script and style, WebAssembly, and the files of the runtime.

    ``blob:`` is the checked code of onnxruntime-web, which the script imports from memory.
    """
    rules = {
        "default-src": "'none'",
        "script-src": f"{_source(script)} 'wasm-unsafe-eval' blob:",
        "style-src": _source(style),
        "img-src": "blob: data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "connect-src": runtime or "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _source(text: str) -> str:
    """An inline script or style in a Content-Security-Policy: its SHA-256."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _settings(
    model: ModelDescription, kind: str, runtime: str, embedded: bool, row: list[float] | None = None
) -> dict[str, Any]:
    """The settings of the script in the page."""
    mean = model.mean_pixel
    return {
        "runtime": runtime,
        "embedded": embedded,
        "files": {key: {"name": name, "integrity": INTEGRITY[key]} for key, name in _ASSETS.items()},
        "kind": kind,
        "type": model.input_type,
        "images": model.takes_images,
        "shape": model.input_shape,
        "predicts": model.predicts,
        "labels": model.labels or ([] if model.predicts != "class" else [model.label(place) for place in range(2)]),
        "mean": mean,
        "calibration": model.calibration,
        "strokes": SETTINGS if model.takes_images and takes_strokes(model) else None,
        "faintest": FAINTEST,
        "darkBelow": DARK_BELOW,
        "lightAbove": LIGHT_ABOVE,
        "columns": []
        if not model.takes_rows
        else [_column(model, place, row[place] if row else None) for place in range(model.input_shape[0])],
    }


def _column(model: ModelDescription, place: int, start: float | None) -> dict[str, Any]:
    """An input field of the page: name, allowed values, initial value (default: the mean) and range."""
    name = model.column_name(place)
    column = model.columns[place] if model.columns else None
    known = model.content.get("normalisation") or {}
    if column is None:
        mean, deviation = known["mean"][place], known["std"][place]
    else:
        figures = known.get(name) or {"mean": 0.0, "std": 0.0, "missing": 0.0}
        mean, deviation = figures["missing"], figures["std"] if column.kind == "number" else 0.0
    return {
        "name": name,
        "values": column.values if column else (),
        "labels": column.labels if column else (),
        "title": name.replace("_", " "),
        "initial": float(f"{mean:.3g}" if start is None else f"{start:.7g}"),
        "low": mean - 3 * deviation,
        "high": mean + 3 * deviation,
    }


def _compressed(folder: Path, name: str) -> str:
    """A file of onnxruntime-web, compressed with gzip, in base64."""
    try:
        content = (expanded(folder) / name).read_bytes()
    except OSError as error:
        raise ZooError(
            f"{folder} does not contain {name}. --assets must be the dist folder of onnxruntime-web: `npm install "
            f"onnxruntime-web@{RUNTIME_VERSION}` creates node_modules/onnxruntime-web/dist."
        ) from error
    return base64.b64encode(gzip.compress(content, 6, mtime=0)).decode()
