"""Kinds of input: what each kind computes, and how user files are read as its samples."""
