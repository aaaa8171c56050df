"""The built-in export formats, one package each. Installed as ``zoo.exporters``."""
