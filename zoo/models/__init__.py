"""Models: build, describe and load them, evaluate them on a split, run them in torch or onnxruntime."""
