"""The folder of a run: its record, checkpoints and training curves."""
