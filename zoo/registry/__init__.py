"""Plugins: how they are found, loaded and checked, and the registry of what they declare. No torch."""
