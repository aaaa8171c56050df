"""The task's methods, the data and the network. The zoo imports this module only when one of them is used."""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from zoo import Split, Splits, TaskMethods

HEIGHT, WIDTH, SIDE, MOST = 16, 24, 8, 3


class Multilabel(TaskMethods):
    """Any number of labels. Outputs are logits ``[N, K]``, targets are 0 or 1, float32 ``[N, K]``."""

    whole_split = True

    def loss(self, outputs, targets, hyperparameters):
        smoothing = hyperparameters.label_smoothing
        wanted = targets * (1 - smoothing) + smoothing / 2
        return functional.binary_cross_entropy_with_logits(outputs, wanted)

    def measure(self, outputs, targets):
        losses = functional.binary_cross_entropy_with_logits(outputs, targets, reduction="none")
        right = ((outputs > 0) == (targets > 0)).to(outputs.dtype)
        return {"loss": losses.mean(dim=1), "exact_match": right.amin(dim=1), "label_accuracy": right.mean(dim=1)}

    def summarise(self, outputs, targets):
        made, true = outputs > 0, targets > 0
        hits, together = (made & true).sum(dim=0), made.sum(dim=0) + true.sum(dim=0)
        return {"macro_f1": float((2 * hits / together.clamp(min=1)).mean())}

    def baseline(self, known, targets):
        constant = (known.mean(dim=0) > 0.5).to(targets.dtype)
        return {"exact_match": float((constant == targets).all(dim=1).double().mean())}

    def decisions(self, outputs):
        return (outputs > 0).to(torch.int64)

    def margins(self, outputs):
        return outputs.abs()

    def answers(self):
        return LogitsAndProbabilities()

    def target_problem(self, targets, num_outputs):
        if targets.dtype != torch.float32 or targets.shape[1:] != (num_outputs,):
            return (
                f"has targets of type {targets.dtype} and shape {tuple(targets.shape)}, not float32 [N, {num_outputs}]"
            )
        return "" if ((targets == 0) | (targets == 1)).all() else "has targets that are neither 0 nor 1"

    def example_targets(self, count, input_shape, num_outputs, generator):
        return torch.randint(0, 2, (count, num_outputs), generator=generator).float()

    def describe(self, answer, labels):
        names = labels or [str(k) for k in range(len(answer))]
        return {name: float(value) for name, value in zip(names, answer, strict=True)}


class LogitsAndProbabilities(nn.Module):
    """The outputs of an exported model: each label has a probability of its own."""

    def forward(self, logits):
        return logits, torch.sigmoid(logits)


def build(input_shape, num_outputs):
    """``[N, C, H, W]`` to logits ``[N, K]``. A digit may be anywhere, so each channel gives its largest value."""
    channels, height, width = input_shape
    if min(height, width) < 4:
        raise ValueError(f"images must have at least 4 x 4 pixels, not {height} x {width}")
    return nn.Sequential(
        *block(channels, 16), *block(16, 32), *block(32, 48), nn.AdaptiveMaxPool2d(1), nn.Flatten(),
        nn.Linear(48, num_outputs),
    )  # fmt: skip


def block(before, after):
    """A convolution that keeps height and width, with batch normalisation."""
    return nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()


def load_several_digits(folder, download):
    """Compose the images; always the same. No digit of the test images is in a training image."""
    digits = load_digits()
    pixels = torch.from_numpy(digits.images * 15).to(torch.uint8)
    numbers = torch.from_numpy(digits.target).to(torch.int64)
    return Splits(
        train=compose(pixels[:1_400], numbers[:1_400], 4_000, seed=1),
        test=compose(pixels[1_400:], numbers[1_400:], 800, seed=2),
    )


def compose(pixels, numbers, count, seed):
    """Images uint8 ``[count, 1, 16, 24]`` of one to three digits side by side, and their labels ``[count, 10]``."""
    generator = torch.Generator().manual_seed(seed)
    images, labels = torch.zeros(count, 1, HEIGHT, WIDTH, dtype=torch.uint8), torch.zeros(count, 10)
    amounts = torch.randint(1, MOST + 1, (count,), generator=generator).tolist()
    chosen = torch.randint(0, len(pixels), (count, MOST), generator=generator).tolist()
    downs = torch.randint(0, HEIGHT - SIDE + 1, (count, MOST), generator=generator).tolist()
    for sample in range(count):
        for place in range(amounts[sample]):
            digit, down, right = chosen[sample][place], downs[sample][place], place * SIDE
            images[sample, 0, down : down + SIDE, right : right + SIDE] = pixels[digit]
            labels[sample, numbers[digit]] = 1
    return Split(images, labels)
