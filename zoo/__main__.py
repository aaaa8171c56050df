"""``python -m zoo`` is ``zoo``; ``torchrun`` needs it in this form."""

import os
import sys

# `python -m` puts the current folder first, and a file torch.py there would be imported in place of torch
_home = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
if not sys.flags.safe_path and os.path.realpath(sys.path[0]) != _home:
    del sys.path[0]

from cli import main  # noqa: E402

if __name__ == "__main__":
    main()
