"""The kinds of input that come with the zoo: images, columns of a table, signals, sequences of tokens."""

from __future__ import annotations

from collections.abc import Callable

from zoo import Input, Option, hookimpl


@hookimpl
def register_inputs(register: Callable[[Input], None]) -> None:
    """Register all four; a dataset that names none has the first one with its number of dimensions."""
    register(
        Input(
            name="image",
            summary="images of one size, grey or in colour",
            type="uint8",
            dimensions=3,
            holds="raw pixels, 0 to 255",
            demo="image",
            shapes=((1, 28, 28), (3, 32, 32), (3, 64, 64), (2, 28, 36)),
        )
    )
    register(
        Input(
            name="table",
            summary="rows of a table: numbers and categories, with missing values",
            type="float32",
            dimensions=1,
            holds="raw columns, each in its own unit",
            methods="zoo.plugins.inputs.methods:Table",
            demo="table",
            shapes=((1,), (4,), (13,), (64,)),
        )
    )
    register(
        Input(
            name="signal",
            summary="numbers over time, of one channel or several, all of one length",
            type="float32",
            dimensions=2,
            holds="raw values, channel after channel",
            reader="zoo.plugins.inputs.readers:SignalReader",
            demo="curve",
            shapes=((1, 64), (1, 200), (3, 128), (2, 96)),
        )
    )
    register(
        Input(
            name="tokens",
            summary="sequences of characters or words, padded to one length",
            type="int64",
            dimensions=1,
            holds="token numbers: 0 for padding, 1 for an unknown token, then the vocabulary",
            methods="zoo.plugins.inputs.methods:Tokens",
            reader="zoo.plugins.inputs.readers:TokenReader",
            options=(
                Option(
                    name="vocabulary",
                    default=tuple("abcdefghijklmnopqrstuvwxyz"),
                    help="the known characters or words, in the order of their numbers",
                ),
                Option(name="separator", default="", help="what separates two tokens; empty: each character is one"),
                Option(name="lower", default=False, help="whether texts are converted to lower case"),
            ),
            demo="text",
            shapes=((8,), (24,), (40,)),
        )
    )
