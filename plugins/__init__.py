"""The built-in architectures, one package each. Installed as ``zoo.plugins``."""
