"""What a model is worth: evaluate, predict, compare, benchmark and reproduce."""
