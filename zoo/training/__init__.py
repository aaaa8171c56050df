"""The trainer: preparation, plan, loop, optimiser, resuming, several processes. Start with ``train.py``."""
