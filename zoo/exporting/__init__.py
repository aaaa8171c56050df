"""The exporter: gates, certificate, verification. Start with ``export.py``.

The room is not called ``export``: ``zoo.export`` is the function.
"""
