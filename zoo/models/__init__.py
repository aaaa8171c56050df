"""A model: how it is built, described, loaded, evaluated on a split, and run by torch or onnxruntime."""
