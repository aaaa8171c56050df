"""``zoo demo``: an HTML page that runs an exported file in the browser."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.server
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import ZooError
from ..evaluation.image_preparation import BOX, DARK_BELOW, FAINTEST, LIGHT_ABOVE, STROKES_BELOW
from ..formatting import metrics_text, size_text
from ..models.api import is_onnx_file
from ..models.description import ModelDescription
from ..models.onnx_model import OnnxModel
from ..registry.registry import Registry
from .pages import render, task_text

RUNTIME_VERSION = "1.30.0"
"""The version of onnxruntime-web that the page is tested with."""
RUNTIME = f"https://cdn.jsdelivr.net/npm/onnxruntime-web@{RUNTIME_VERSION}/dist/"
_ASSETS = {"runtime-code": "ort.wasm.bundle.min.mjs", "runtime-wasm": "ort-wasm-simd-threaded.wasm"}


def demo_page(
    reference: Path | str,
    *,
    assets: Path | str | None = None,
    runtime: str = RUNTIME,
    data_dir: Path | str | None = None,
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
) -> str:
    """An HTML page to try a model: draw a digit, drop an image, or fill in the columns of a table.

    Args:
        reference: an exported file, an architecture or a run. An architecture or a run is exported first.
        assets: the ``dist`` folder of the npm package ``onnxruntime-web``. The page then contains onnxruntime-web and
            needs no network.
        runtime: the address of onnxruntime-web for a page without ``assets``, with a slash at the end.

    Raises:
        ZooError: the file cannot be read, or ``assets`` is not that folder.
        ExportError: as for :func:`export`.
    """
    if is_onnx_file(reference):
        return _page(Path(reference).expanduser(), assets, runtime)
    from ..exporting.export import export

    with tempfile.TemporaryDirectory() as folder:
        made = export(str(reference), "onnx", Path(folder), data_dir=data_dir, runs_dir=runs_dir, registry=registry)
        return _page(made.file, assets, runtime)


def serve(page: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve ``page`` to this machine only, until interrupted.

    Args:
        port: the port; 0 chooses a free one.
        ready: called with the address of the page.

    Raises:
        ZooError: the port cannot be used.
    """
    content = page.encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path.partition("?")[0] in ("/", "/index.html")
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content) if found else 0))
            self.end_headers()
            if found:
                self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise ZooError(f"Port {port} cannot be used: {error.strerror}. Choose another with --port.") from error
    with server:
        ready(f"http://127.0.0.1:{server.server_address[1]}/")
        server.serve_forever()


def _page(file: Path, assets: Path | str | None, runtime: str) -> str:
    model = OnnxModel(file).description
    content = file.read_bytes()
    metrics = f" ({metrics_text(model.test)} on its test split)" if model.test else ""
    channels, height, width = model.input_shape if model.takes_images else (0, 1, 1)
    return render(
        "demo.html",
        model=model,
        summary=f"{task_text(model.task)} on {model.dataset}{metrics}",
        demo={
            "model": base64.b64encode(content).decode(),
            "size": size_text(len(content)),
            "sha256": hashlib.sha256(content).hexdigest(),
            "file": file.name,
            "height": height,
            "width": width,
            "draw": channels == 1,
        },
        settings=_settings(model, runtime, assets is not None),
        assets={} if assets is None else {key: _compressed(Path(assets), name) for key, name in _ASSETS.items()},
    )


def _settings(model: ModelDescription, runtime: str, embedded: bool) -> dict[str, Any]:
    """The settings of the script in the page."""
    mean = model.mean_pixel
    return {
        "runtime": runtime,
        "embedded": embedded,
        "images": model.takes_images,
        "shape": model.input_shape,
        "decides": model.decides,
        "labels": [model.label(place) for place in range(2)] if model.task == "binary" else model.labels,
        "mean": mean,
        "strokes": model.takes_images and model.input_shape[0] == 1 and mean is not None and mean < STROKES_BELOW,
        "box": BOX,
        "faintest": FAINTEST,
        "darkBelow": DARK_BELOW,
        "lightAbove": LIGHT_ABOVE,
        "columns": [] if model.takes_images else [_column(model, place) for place in range(model.input_shape[0])],
    }


def _column(model: ModelDescription, place: int) -> dict[str, Any]:
    """An input field of the page: name, allowed values, initial value and range."""
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
        "initial": float(f"{mean:.3g}"),
        "low": mean - 3 * deviation,
        "high": mean + 3 * deviation,
    }


def _compressed(folder: Path, name: str) -> str:
    """A file of onnxruntime-web, compressed with gzip, in base64."""
    try:
        content = (folder.expanduser() / name).read_bytes()
    except OSError as error:
        raise ZooError(
            f"{folder} does not contain {name}. --assets must be the dist folder of onnxruntime-web: `npm install "
            f"onnxruntime-web@{RUNTIME_VERSION}` creates node_modules/onnxruntime-web/dist."
        ) from error
    return base64.b64encode(gzip.compress(content, 6, mtime=0)).decode()
