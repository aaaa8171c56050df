"""What a plugin declares (architectures, datasets, exporters, their options) and the hooks it implements. No torch."""
