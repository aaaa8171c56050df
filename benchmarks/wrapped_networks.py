"""Train and export networks of other libraries on the bundled digits: one epoch, all gates of the ONNX export.

    pip install -e examples/zoo-family
    python benchmarks/wrapped_networks.py [NAME[:SETTING=VALUE] …]

Each network goes through a dry run, an epoch and an export. A line of the table has the processor seconds of each, the
accuracy on the test split, the size of the file, and the largest part of a limit that an error reached; or the error,
in one line. `--format pt2` exports another format.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import zoo

TIMM = (
    "timm/mobilenetv3_small_050",
    "timm/resnet10t",
    "timm/efficientnet_lite0",
    "timm/vit_tiny_patch16_224",
    "timm/convnext_atto",
)
TORCHVISION = (
    "alexnet",
    "convnext_tiny:resize=64",
    "densenet121:resize=64",
    "efficientnet_b0",
    "googlenet",
    "inception_v3",
    "mnasnet0_5",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "regnet_x_400mf",
    "regnet_y_400mf",
    "resnet18",
    "resnet50",
    "resnet152",
    "resnext50_32x4d",
    "shufflenet_v2_x0_5",
    "squeezenet1_1:resize=64",
    "swin_t:resize=64",
    "swin_v2_t:resize=64",
    "vgg11:resize=32",
    "vgg11_bn:resize=32",
    "vgg16:resize=32",
)
"""The networks that `zoo list` has of torchvision, and one small network of each other family."""


def main() -> None:
    """Print the table, a line for each network as soon as it is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[*TIMM, *(f"torchvision/{name}" for name in TORCHVISION)])
    parser.add_argument("--format", default="onnx")
    parser.add_argument("--traceback", action="store_true", help="show where an error was raised")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("zoo").setLevel(logging.ERROR)
    print("| network | settings | dry run s | epoch s | accuracy | export s | bytes | error / limit | result |")
    print("|---|---|--:|--:|--:|--:|--:|--:|---|")
    for text in given.names:
        name, _, setting = text.partition(":")
        settings: dict[str, Any] = {key: int(value) for key, value in [setting.split("=")] if key} if setting else {}
        print(line(name, setting, settings, given), flush=True)


def line(name: str, setting: str, settings: dict[str, Any], given: argparse.Namespace) -> str:
    """The line of the table for one network."""
    cells = ["", "", "", "", "", "", "exported"]
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        try:
            where = {"dataset": "digits", "runs_dir": folder, "data_dir": folder, "device": "cpu"}
            cells[0], _ = seconds(lambda: zoo.train(name, dry_run=True, **where, **settings))
            cells[1], run = seconds(lambda: zoo.train(name, epochs=1, **where, **settings))
            cells[2] = f"{run.config['results']['test']['accuracy']:.1%}"
            cells[3], done = seconds(lambda: zoo.export(str(run.folder), given.format, folder, data_dir=folder))
            cells[4], cells[5] = f"{done.bytes:,}", f"{largest(done):.0%}"
        except Exception as error:
            if given.traceback:
                traceback.print_exc()
            cells[6] = f"{type(error).__name__}: {' '.join(str(error).split())}".replace(str(folder), "").strip()
    return f"| `{name}` | {setting} | {' | '.join(cells)} |"


def seconds(function: Callable[[], Any]) -> tuple[str, Any]:
    """The processor seconds of a call as text, and what it returned."""
    start = time.process_time()
    found = function()
    return f"{time.process_time() - start:.1f}", found


def largest(certificate: zoo.Certificate) -> float:
    """The largest part of a limit that an error reached, on any runtime."""
    figures = {check.gate: check.figures for check in certificate.checks}
    worst = figures["numerics"]["worst"]
    ran = [entry["of_limit"] for entry in figures["providers"]["ran"].values()]
    return max(worst["error"] / worst["limit"], *ran) if ran else worst["error"] / worst["limit"]


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
