"""Export a trained model as a verified file, and verify such files again. Start with ``export.py``.

In the order in which a model passes through them: ``request``, ``source``, ``tracing``, ``gates`` (with ``checks``,
``numerics``, ``limits``, ``rounding``, ``split_check``, ``quantisation``), ``reference_vectors``, ``certificate``,
``bundle``; then ``verify``. The package is not called ``export``, because that is the function ``zoo.export``.
"""
