"""How far onnxruntime may be from float64."""

import numpy as np

# onnxruntime may be this many times further from float64 than torch in float32 is, or this many rounding units of
# the largest output, whichever is more. Faithful exports stay under 3.5 and 5.6; weights off by one millionth do not.
# However wrong torch itself is (a network that draws random numbers, say), nothing beyond the cap is accepted.
TIMES_TORCH = 4.0
ROUNDINGS = 16.0
CAP = 1e-4
EPSILON = float(np.finfo(np.float32).eps)
