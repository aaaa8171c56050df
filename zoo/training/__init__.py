"""The trainer. Start with ``train.py``."""
