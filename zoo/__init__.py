"""A plugin-based zoo of small neural networks that train for real and export to verified ONNX files.

This module has all public names. Each is imported on first use, so ``import zoo`` is fast and a plugin's declaration
does not import torch. ``__init__.pyi`` lists the same names for type checkers and editors.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

# In a checkout, plugins/ and exporters/ are next to zoo/, not inside it. Python started there imports this zoo and not
# the installed one, so it must find the plugins of the checkout.
_beside = os.path.dirname(os.path.dirname(__file__))
if not os.path.isdir(os.path.join(__path__[0], "plugins")) and os.path.isdir(os.path.join(_beside, "plugins")):
    __path__.append(_beside)

_HOMES = {
    "models.api": (
        "create_model",
        "is_onnx_file",
        "list_architectures",
        "list_datasets",
        "load",
        "open_model",
    ),
    "specs.architecture": ("Architecture",),
    "evaluation.assess": ("assess",),
    "evaluation.assessment": (
        "Assessment",
        "Calibration",
        "ClassScore",
    ),
    "evaluation.benchmark": (
        "Bench",
        "Timing",
        "bench",
    ),
    "exporting.certificate": (
        "Certificate",
        "Check",
    ),
    "specs.columns": ("Column",),
    "evaluation.compare": (
        "Candidate",
        "Comparison",
        "compare",
    ),
    "reports.comparison_plots": (
        "draw_bench",
        "draw_comparison",
        "draw_run_curves",
    ),
    "conformance.check": (
        "CheckResult",
        "check",
    ),
    "conformance.isolation": (
        "IsolatedPlugin",
        "load_isolated",
    ),
    "data.splits": (
        "Split",
        "Splits",
        "fingerprint",
        "stratified_split",
    ),
    "specs.dataset": (
        "Dataset",
        "Input",
        "is_present",
    ),
    "reports.demo": (
        "demo_page",
        "serve",
    ),
    "models.description": ("ModelDescription",),
    "drawing.draw": (
        "NetworkDrawing",
        "draw",
    ),
    "models.onnx_file": ("read_onnx",),
    "training.distributed": (
        "launch",
        "launched",
    ),
    "registry.entry_points": ("EntryPoint",),
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
        "VerificationIncomplete",
        "ZooError",
    ),
    "models.scores": (
        "Scores",
        "evaluate",
        "predict_logits",
    ),
    "exporting.export": ("export",),
    "specs.hookspecs": (
        "EpochMetrics",
        "Progress",
        "TrainingStart",
        "hookimpl",
    ),
    "specs.exporter": ("Exporter",),
    "registry.facts": (
        "architecture_facts",
        "dataset_facts",
        "facts_named",
        "plugin_facts",
    ),
    "folders": (
        "data_folder",
        "runs_folder",
    ),
    "evaluation.image_preparation": ("ImagePreparation",),
    "specs.hyperparameters": ("Hyperparameters",),
    "models.inference": ("InferenceModel",),
    "evaluation.intervals": ("Interval",),
    "data.loading": ("load_dataset",),
    "data.read": ("LoadedDataset",),
    "specs.options": ("Option",),
    "reports.pages": ("write_page",),
    "reports.plots": ("draw_assessment",),
    "registry.plugin": (
        "PLUGIN_API",
        "Plugin",
    ),
    "registry.packages": (
        "KnownPackage",
        "install_packages",
        "known_packages",
        "plugins_of",
        "uninstall_package",
    ),
    "registry.declared": (
        "settings_facts",
        "unknown_tables",
    ),
    "registry.plugin_settings": (
        "PluginSettings",
        "config_path",
    ),
    "evaluation.predict": (
        "Prediction",
        "predict",
    ),
    "inputs.methods": ("InputMethods",),
    "inputs.preprocess": (
        "Preprocess",
        "TablePreprocess",
    ),
    "inputs.reader": (
        "InputReader",
        "InputSample",
        "read_lines",
    ),
    "inputs.tokens": ("Tokenizer",),
    "models.rescale": ("Rescale",),
    "models.tasks": ("TaskMethods",),
    "training.lr_finder": (
        "LRFinderResult",
        "find_lr",
    ),
    "registry.registry": (
        "Registry",
        "create_registry",
    ),
    "reports.publish": (
        "Published",
        "publish",
    ),
    "reports.report": (
        "Report",
        "report",
    ),
    "evaluation.reproduce": (
        "Reproduction",
        "record",
        "reproduce",
    ),
    "specs.results": ("pareto",),
    "reports.study_page": ("write_study",),
    "evaluation.seeds": (
        "SeedResults",
        "train_seeds",
    ),
    "evaluation.shown_inputs": ("ShownInputs",),
    "runs.finding": (
        "DamagedRun",
        "find_run",
        "list_runs",
        "scan_runs",
    ),
    "runs.run": ("Run",),
    "runs.tracking": (
        "TrackedIdentity",
        "TrackedRun",
        "Tracker",
    ),
    "models.runtime": (
        "Inspection",
        "Runtime",
        "RuntimeFailed",
        "Runtimes",
        "TensorSpec",
    ),
    "conformance.new_package": (
        "first_command",
        "new_package",
    ),
    "specs.recipe_parts": (
        "Augmentation",
        "Loss",
        "Optimizer",
        "Schedule",
    ),
    "specs.settings": ("parse_settings",),
    "specs.task": (
        "Metric",
        "Task",
    ),
    "exporting.source": ("ExportSource",),
    "exporting.tracing": ("trace_program",),
    "models.trained": ("TrainedModel",),
    "training.train": (
        "resume",
        "train",
    ),
    "tuning.result": (
        "Finalist",
        "StudyResult",
        "TrialResult",
    ),
    "tuning.tune": (
        "continue_study",
        "join_study",
        "tune",
    ),
    "verification.verify": (
        "Verification",
        "verify",
    ),
}
_RENAMED = {
    "ExportSubject": "ExportSource",
    "Framing": "ImagePreparation",
    "RateTest": "LRFinderResult",
    "Verdict": "CheckResult",
    "tables": "commandline.tables",
    "terminal": "commandline",
    "views": "commandline.views",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__version__ = "0.1.0"
_MODULES = ("commandline",)
__all__ = [*sorted(_HOME_OF), *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name in _RENAMED:
        raise AttributeError(f"zoo.{name} is now zoo.{_RENAMED[name]}")
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
