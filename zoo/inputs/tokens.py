"""Text to token numbers and back, the same for datasets, ``zoo predict`` and the demo. Imports no torch."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Tokenizer:
    """Converts texts to the numbers of their characters or words, and back.

    0 is padding behind a sequence, 1 a token that the vocabulary lacks, 2 the first token of the vocabulary. Texts
    are brought to the composed form of Unicode (NFC) first, so that an accent is one character however it was typed.

    Args:
        vocabulary: the known tokens, all different.
        separator: what separates two tokens in a text; empty: each character is a token.
        lower: whether texts are converted to lower case.

    Raises:
        ValueError: no text has such tokens, or two are equal.
    """

    PADDING, UNKNOWN, FIRST = 0, 1, 2

    def __init__(self, vocabulary: Sequence[str], separator: str = "", lower: bool = False) -> None:
        self.vocabulary, self.separator, self.lower = tuple(vocabulary), separator, lower
        if len(set(self.vocabulary)) < len(self.vocabulary) or not all(map(self._is_token, self.vocabulary)):
            kind = f"texts without {separator!r}" if separator else "single characters"
            raise ValueError(f"a vocabulary is a tuple of different {kind}, in NFC{', lower case' if lower else ''}")
        self._numbers = {token: number for number, token in enumerate(self.vocabulary, self.FIRST)}

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Tokenizer:
        """The tokenizer for the ``input_options`` of a dataset."""
        return cls(options["vocabulary"], options.get("separator", ""), options.get("lower", False))

    def split(self, text: str) -> list[str]:
        """The tokens of a text."""
        text = unicodedata.normalize("NFC", text)
        text = unicodedata.normalize("NFC", text.lower()) if self.lower else text
        if not self.separator:
            return list(text)
        return [token for token in text.split(self.separator) if token]

    def _is_token(self, token: str) -> bool:
        """Whether :meth:`split` can give the token."""
        return self.split(token) == [token]

    def number(self, token: str) -> int:
        """The number of a token; 1 if the vocabulary lacks it."""
        return self._numbers.get(token, self.UNKNOWN)

    def encode(self, texts: Iterable[str], length: int) -> NDArray[np.int64]:
        """The numbers of the tokens of each text, int64 ``[N, length]``.

        Raises:
            ValueError: a text has no token, or more than ``length``.
        """
        rows = []
        for text in texts:
            tokens = self.split(text)
            if not 1 <= len(tokens) <= length:
                raise ValueError(f"{text[:40]!r} has {len(tokens)} tokens, not 1 to {length}")
            rows.append([self.number(token) for token in tokens] + [self.PADDING] * (length - len(tokens)))
        return np.array(rows, dtype=np.int64).reshape(-1, length)

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of a sequence without its padding; an unknown token is shown as ``\\ufffd``."""
        known = {number: token for token, number in self._numbers.items()}
        found = [known.get(int(number), "\ufffd") for number in numbers if int(number) != self.PADDING]
        return self.separator.join(found)
