"""The built-in commands: parse, call the library, print. ``cli.py`` says which there are."""
