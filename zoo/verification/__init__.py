"""Verify an exported file: repeat everything that its certificate states, on any machine. Start with ``verify.py``.

The file under test and its certificate are not trusted: limits and budgets come from the exporter's rules, never from
them. ``isolation`` is the only module that opens the file.
"""
