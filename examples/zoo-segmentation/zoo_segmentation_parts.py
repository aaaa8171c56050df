"""The task's methods, the data and the network. The zoo imports this module only when one of them is used."""

import torch
from torch import nn
from torch.nn import functional

from zoo import Split, Splits, TaskMethods

SIZE = 32


class Segmentation(TaskMethods):
    """The class of each pixel. Outputs are logits ``[N, K, H, W]``, targets class indices, int64 ``[N, H, W]``."""

    def loss(self, outputs, targets, hyperparameters):
        return functional.cross_entropy(outputs, targets, label_smoothing=hyperparameters.label_smoothing)

    def measure(self, outputs, targets):
        made = outputs.argmax(dim=1)
        return {
            "loss": functional.cross_entropy(outputs, targets, reduction="none").mean(dim=(1, 2)),
            "iou": intersection_over_union(made, targets, outputs.shape[1]).to(outputs.dtype),
            "pixel_accuracy": (made == targets).to(outputs.dtype).mean(dim=(1, 2)),
        }

    def baseline(self, known, targets):
        constant = known.flatten().mode().values.expand_as(targets)
        count = int(torch.maximum(known.max(), targets.max())) + 1
        return {"iou": float(intersection_over_union(constant, targets, count).mean())}

    def decisions(self, outputs):
        return outputs.argmax(dim=1)

    def margins(self, outputs):
        top = outputs.topk(2, dim=1).values
        return top[:, 0] - top[:, 1]

    def answers(self):
        return LogitsAndProbabilities()

    def target_problem(self, targets, num_outputs):
        if targets.dtype != torch.int64 or targets.ndim != 3:
            return f"has targets of type {targets.dtype} and {targets.ndim} dimensions, not int64 [N, H, W]"
        if targets.min() < 0 or targets.max() >= num_outputs:
            return f"has targets outside 0 … {num_outputs - 1}"
        return ""

    def example_targets(self, count, input_shape, num_outputs, generator):
        return torch.randint(0, num_outputs, (count, *input_shape[1:]), generator=generator)

    def describe(self, answer, labels):
        classes = answer.argmax(axis=0)
        names = labels or [str(k) for k in range(len(answer))]
        return {f"share of {name}": float((classes == k).mean()) for k, name in enumerate(names)}


class LogitsAndProbabilities(nn.Module):
    """The outputs of an exported model."""

    def forward(self, logits):
        return logits, torch.softmax(logits, dim=1)


def intersection_over_union(made, true, classes):
    """For each sample ``[N]`` the mean over the classes that occur in ``made`` or ``true``, int64 ``[N, H, W]``."""
    made, true = (functional.one_hot(mask.flatten(1), classes).bool() for mask in (made, true))
    shared, together = (made & true).sum(dim=1), (made | true).sum(dim=1)
    occurs = together > 0
    return (shared / together.clamp(min=1)).where(occurs, 0).sum(dim=1) / occurs.sum(dim=1)


class SegmentMini(nn.Module):
    """A U-Net with one step down: ``[N, C, H, W]`` to logits ``[N, K, H, W]``."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        channels, height, width = input_shape
        if height % 2 or width % 2:
            raise ValueError(f"height and width must be even, not {height} x {width}")
        self.fine = nn.Sequential(block(channels, 12), block(12, 12))
        self.coarse = nn.Sequential(nn.MaxPool2d(2), block(12, 24), block(24, 24, dilation=2))
        self.up = nn.ConvTranspose2d(24, 12, 2, stride=2)
        self.join = block(24, 12)
        self.head = nn.Conv2d(12, num_outputs, 1)

    def forward(self, x):
        fine = self.fine(x)
        up = self.up(self.coarse(fine))
        return self.head(self.join(torch.cat([fine, up], dim=1)))


def block(before, after, dilation=1):
    """A convolution that keeps height and width, with batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=dilation, dilation=dilation, bias=False), nn.BatchNorm2d(after), nn.ReLU()
    )


def load_shapes(folder, download):
    """Draw the images and their masks; always the same."""
    return Splits(train=draw(2_000, seed=1), test=draw(400, seed=2))


def draw(count, seed):
    """Images uint8 ``[count, 1, 32, 32]`` with one shape of each kind, and masks int64 ``[count, 32, 32]``."""
    generator = torch.Generator().manual_seed(seed)
    row, column = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    masks = torch.zeros(count, SIZE, SIZE, dtype=torch.int64)
    for kind in (1, 2, 3):
        # whole numbers only: a comparison of rounded numbers could differ between processors
        down, right = (torch.randint(6, SIZE - 6, (count, 1, 1), generator=generator) for _ in range(2))
        radius = torch.randint(3, 7, (count, 1, 1), generator=generator)
        y, x = row - down, column - right
        if kind == 1:
            inside = x**2 + y**2 <= radius**2
        elif kind == 2:
            inside = (x.abs() <= radius) & (y.abs() <= radius)
        else:
            inside = (y.abs() <= radius) & (2 * x.abs() <= y + radius)
        masks = masks.where(~inside, kind)
    shade = torch.randint(120, 220, (count, 1, 1), generator=generator)
    noise = torch.randint(0, 80, (count, SIZE, SIZE), generator=generator)
    images = noise + shade * (masks > 0)
    return Split(images.clamp(max=255).to(torch.uint8)[:, None], masks)
