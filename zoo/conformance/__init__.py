"""``zoo check`` with its pytest plugin, and ``zoo new``: the plugin contract and packages that meet it."""
