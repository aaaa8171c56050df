"""All modules log to the logger ``zoo``, which the commands and notebooks set up."""

import importlib
import logging

import pytest
from test_house import ROOT, python_files

import zoo

LOGGING = [path for path in python_files("zoo") if "getLogger(" in path.read_text()]


@pytest.mark.parametrize("path", LOGGING, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_logs_to_the_logger_of_the_library(path):
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    loggers = [value for value in vars(module).values() if isinstance(value, logging.Logger)]
    assert all(logger.name.partition(".")[0] == zoo.__name__ for logger in loggers)
