"""``rnn-mini``: a recurrent network over the rows of an image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo import Architecture, Option, hookimpl


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register ``rnn-mini``."""
    register(
        Architecture(
            name="rnn-mini",
            summary="a GRU that reads the image row by row",
            task="classification",
            builder="zoo.plugins.rnn_mini.model:build",
            dataset="mnist",
            parameters=61_962,
            hyperparameters={
                "epochs": 8,
                "batch_size": 128,
                "optimizer": "adamw",
                "lr": 4e-3,
                "weight_decay": 1e-2,
                "grad_clip": 1.0,
                "shift": 1,
            },
            options=(
                Option(name="cell", default="gru", help="kind of recurrent cell", choices=("rnn", "lstm", "gru")),
                Option(name="hidden", default=128, help="size of the hidden state", minimum=1),
            ),
            weights=Path(__file__).with_name("weights.safetensors"),
            results=Path(__file__).with_name("results.json"),
            tags=("image", "recurrent"),
            source="Cho et al.: Learning phrase representations using RNN encoder-decoder, EMNLP 2014",
            docs="chapter 9, Sequences, of the course: docs/learn/09-sequences.md",
        )
    )
