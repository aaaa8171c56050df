"""The data and the network. The zoo imports this module only when one of them is used."""

import torch
from torch import nn
from zoo_text import ALPHABET, LANGUAGES, LENGTH
from zoo_text_words import WORDS

from zoo import Split, Splits, Tokenizer, stratified_split

TEST = 150


def load(folder, download):
    """The words as token numbers, int64 ``[N, 16]``, and for each the number of its language."""
    texts = [(word, number) for number, name in enumerate(LANGUAGES) for word in unique(WORDS[name].split())]
    tokens = torch.from_numpy(Tokenizer(ALPHABET, lower=True).encode([word for word, _ in texts], LENGTH))
    languages = torch.tensor([number for _, number in texts])
    kept, held = stratified_split(languages, TEST, seed=0)
    return Splits(train=Split(tokens[kept], languages[kept]), test=Split(tokens[held], languages[held]))


def unique(words):
    """The different words, in their order."""
    return list(dict.fromkeys(words))


class WordGRU(nn.Module):
    """Token numbers ``[N, T]`` to logits ``[N, num_outputs]``.

    Args:
        vocabulary: how many different token numbers there are; every builder for tokens gets it.
        hidden: size of the state.
    """

    def __init__(self, input_shape, num_outputs, vocabulary, hidden=32):
        super().__init__()
        if len(input_shape) != 1:
            raise ValueError("it takes sequences of tokens")
        self.embedding = nn.Embedding(vocabulary, 16, padding_idx=0)
        self.dropout = nn.Dropout(0.3)
        self.gru = nn.GRU(16, hidden, batch_first=True)
        self.head = nn.Linear(hidden, num_outputs)

    def forward(self, tokens):
        states, _ = self.gru(self.dropout(self.embedding(tokens)))
        mask = (tokens != 0).to(states.dtype).unsqueeze(2)
        # a sequence of nothing but padding has no tokens to divide by
        mean = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        return self.head(self.dropout(mean))
