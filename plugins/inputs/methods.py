"""What columns and tokens compute that differs from other numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from zoo import InputMethods, TablePreprocess, Tokenizer


class Table(InputMethods):
    """Columns ``[N, F]``: if they are declared, missing values are filled in and categories are encoded."""

    def problem(self, inputs: Tensor) -> str:
        """Missing values need declared columns."""
        if self.columns:
            return "has inputs that are infinite" if inputs.isinf().any() else ""
        return super().problem(inputs)

    def examples(self, count: int, generator: torch.Generator) -> Tensor:
        """Random numbers, and values of the categories."""
        if not self.columns:
            return super().examples(count, generator)
        found = []
        for column in self.columns:
            if column.values:
                values = torch.tensor(column.values, dtype=torch.float32)
                found.append(values[torch.randint(0, len(values), (count,), generator=generator)])
            else:
                found.append(torch.randn(count, generator=generator))
        return torch.stack(found, dim=1)

    def fit(self, inputs: Tensor) -> nn.Module:
        """Mean, standard deviation and fill values of the columns."""
        return TablePreprocess.fit(inputs, self.columns) if self.columns else super().fit(inputs)

    def blank(self) -> nn.Module:
        """The same with the right shapes."""
        return TablePreprocess.blank(self.columns) if self.columns else super().blank()

    @property
    def network_shape(self) -> tuple[int, ...]:
        """One input for each number, one for each value of a category."""
        return (sum(column.width for column in self.columns),) if self.columns else self.shape


class Tokens(InputMethods):
    """Token numbers, int64 ``[N, T]``: 0 is padding behind the sequence, 1 an unknown token, 2 the first known one.

    The network gets the same numbers, and its builder the argument ``vocabulary``: how many different numbers there
    are. Inside the model, a number that is none of them becomes an unknown token, so no file reads outside its table.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.size = len(Tokenizer.of(self.options).vocabulary) + Tokenizer.FIRST

    def problem(self, inputs: Tensor) -> str:
        """Only known numbers, and padding only at the end."""
        if int(inputs.min()) < 0 or int(inputs.max()) >= self.size:
            return f"has tokens outside 0 … {self.size - 1}"
        padding = inputs == Tokenizer.PADDING
        if bool((padding[:, :-1] & ~padding[:, 1:]).any()):
            return "has padding (0) in front of a token; it belongs behind the sequence"
        return ""

    def examples(self, count: int, generator: torch.Generator) -> Tensor:
        """Random sequences of every length."""
        tokens = torch.randint(Tokenizer.UNKNOWN, self.size, (count, *self.shape), generator=generator)
        return self._cut(tokens, torch.randint(1, self.shape[0] + 1, (count, 1), generator=generator))

    def fit(self, inputs: Tensor) -> nn.Module:
        """The guard against other numbers; there is nothing to measure."""
        return KnownTokens(self.size)

    def blank(self) -> nn.Module:
        """The same."""
        return KnownTokens(self.size)

    def builder_arguments(self) -> dict[str, Any]:
        """The number of different tokens."""
        return {"vocabulary": self.size}

    def extremes(self, real: Tensor, samples: Tensor, random: torch.Generator) -> Iterator[tuple[str, Tensor]]:
        """Nothing but padding, the longest and the shortest sequences, and numbers outside the vocabulary."""
        yield "all padding", torch.full_like(real, Tokenizer.PADDING)
        yield "all unknown", torch.full_like(real, Tokenizer.UNKNOWN)
        yield "all the last token", torch.full_like(real, self.size - 1)
        noise = torch.randint(Tokenizer.UNKNOWN, self.size, real.shape, generator=random)
        yield "noise", noise
        yield "one token", self._cut(noise, torch.ones(len(real), 1, dtype=torch.int64))
        yield "random lengths", self._random_lengths(noise, random)
        if self.normalises:
            wild = torch.randint(-(2**40), 2**40, real.shape, generator=random)
            yield (
                "numbers outside the vocabulary",
                torch.where(torch.rand(real.shape, generator=random) < 0.5, wild, real),
            )

    def probes(self, real: Tensor, samples: Tensor, random: torch.Generator) -> Iterator[tuple[str, Tensor]]:
        """The same, and real sequences with changed tokens, with holes, and in another order."""
        noise = torch.randint(0, self.size, real.shape, generator=random)
        changed = torch.rand(real.shape, generator=random) < torch.rand(len(real), 1, generator=random)
        yield "changed tokens", torch.where(changed, noise, real)
        holes = torch.rand(real.shape, generator=random) < torch.rand(len(real), 1, generator=random)
        yield "holes", torch.where(holes, torch.full_like(real, Tokenizer.PADDING), real)
        yield "another order", real[:, torch.randperm(real.shape[1], generator=random)]
        yield from self.extremes(real, samples, random)

    def _random_lengths(self, tokens: Tensor, random: torch.Generator) -> Tensor:
        lengths = torch.randint(0, self.shape[0] + 1, (len(tokens), 1), generator=random)
        lengths[:2] = torch.tensor([[0], [self.shape[0]]])[: len(lengths)]
        return self._cut(tokens, lengths)

    def _cut(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """The first ``lengths`` ``[N, 1]`` tokens of each sequence; the rest is padding."""
        return tokens.where(torch.arange(tokens.shape[1]) < lengths, Tokenizer.PADDING)


class KnownTokens(nn.Module):
    """Token numbers ``[N, T]`` unchanged, but a number outside ``0 … size - 1`` becomes the unknown token."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, tokens: Tensor) -> Tensor:
        """See the class."""
        known = (tokens >= 0) & (tokens < self.size)
        return torch.where(known, tokens, torch.full_like(tokens, Tokenizer.UNKNOWN))

    def describe(self) -> dict[str, Any]:
        """How many numbers there are, and what the first ones stand for."""
        return {"tokens": self.size, "padding": Tokenizer.PADDING, "unknown": Tokenizer.UNKNOWN}
