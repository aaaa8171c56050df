"""A zoo of small neural networks that train for real and leave as ONNX files proven right.

Every public name is here. They are imported when first used, so that ``import zoo`` costs next to nothing and a
plugin's declaration never pulls in torch. ``__init__.pyi`` says the same to type checkers and editors.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

# In a checkout, plugins/ and exporters/ stand beside zoo/ and not inside it. Python started there finds this zoo before
# the installed one, and must find its plugins with it.
_beside = os.path.dirname(os.path.dirname(__file__))
if not os.path.isdir(os.path.join(__path__[0], "plugins")) and os.path.isdir(os.path.join(_beside, "plugins")):
    __path__.append(_beside)

_HOMES = {
    "api": (
        "create_model",
        "is_onnx_file",
        "list_architectures",
        "list_datasets",
        "load",
        "open_model",
    ),
    "assessing": ("assess",),
    "assessment": (
        "Assessment",
        "Calibration",
        "ClassScore",
    ),
    "benchmarking": (
        "Bench",
        "Timing",
        "bench",
    ),
    "certificate": (
        "Certificate",
        "Check",
    ),
    "columns": ("Column",),
    "comparison": (
        "Candidate",
        "Comparison",
        "compare",
    ),
    "comparison_plots": (
        "draw_bench",
        "draw_comparison",
        "draw_run_curves",
    ),
    "conformance": (
        "Verdict",
        "check",
    ),
    "data": (
        "Split",
        "Splits",
        "fingerprint",
        "stratified_split",
    ),
    "demo": (
        "demo_page",
        "serve",
    ),
    "description": ("ModelDescription",),
    "distributed": (
        "launch",
        "launched",
    ),
    "entry_points": ("EntryPoint",),
    "errors": (
        "BuildError",
        "DataError",
        "DataUnavailable",
        "DeviceUnavailable",
        "ExportError",
        "ExportRefused",
        "InvalidValue",
        "OutOfMemory",
        "PeerFailed",
        "PluginError",
        "RunBusy",
        "RunNotFound",
        "TrainingDiverged",
        "TrainingInterrupted",
        "UnknownName",
        "UsageError",
        "ZooError",
    ),
    "evaluation": (
        "Scores",
        "evaluate",
        "predict_logits",
    ),
    "exporting": ("export",),
    "facts": (
        "architecture_facts",
        "dataset_facts",
        "plugin_facts",
    ),
    "folders": (
        "data_folder",
        "runs_folder",
    ),
    "framing": ("Framing",),
    "hookspecs": ("hookimpl",),
    "hyperparameters": ("Hyperparameters",),
    "inference": ("InferenceModel",),
    "intervals": ("Interval",),
    "loading": (
        "LoadedDataset",
        "load_dataset",
    ),
    "options": ("Option",),
    "pages": ("write_page",),
    "plan": (
        "Progress",
        "TrainingStart",
    ),
    "plots": ("draw_assessment",),
    "plugin_record": (
        "PLUGIN_API",
        "Plugin",
    ),
    "prediction": (
        "Prediction",
        "predict",
    ),
    "preprocess": ("Preprocess",),
    "rate_test": (
        "RateTest",
        "find_lr",
    ),
    "registry": (
        "Registry",
        "create_registry",
    ),
    "reporting": (
        "Report",
        "report",
    ),
    "reproduction": (
        "Reproduction",
        "record",
        "reproduce",
    ),
    "results": ("pareto",),
    "runs": (
        "Run",
        "find_run",
        "list_runs",
    ),
    "runtime": (
        "Inspection",
        "Runtime",
        "RuntimeFailed",
        "Runtimes",
        "TensorSpec",
    ),
    "scaffold": (
        "first_command",
        "new_package",
    ),
    "settings": ("parse_settings",),
    "specs": (
        "Architecture",
        "Dataset",
        "Exporter",
        "is_present",
    ),
    "subject": ("ExportSubject",),
    "tracing": ("trace_program",),
    "trained": ("TrainedModel",),
    "training": (
        "resume",
        "train",
    ),
    "verifying": (
        "Verification",
        "verify",
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__version__ = "0.1.0"
_MODULES = ("commandline", "tables", "terminal", "views")
__all__ = [*sorted(_HOME_OF), *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
