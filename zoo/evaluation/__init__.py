"""Evaluate trained models, predict with them, compare, benchmark and reproduce them."""
