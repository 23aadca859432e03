"""Tasks of the zoo: endless batches of (arguments, target), of scikit-learn's digits or synthetic."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor

Batch = tuple[tuple[Tensor, ...], Tensor]
_images, _labels = load_digits(return_X_y=True)
IMAGES = torch.tensor(_images, dtype=torch.float32)
IMAGES = (IMAGES - IMAGES.mean()) / IMAGES.std()
LABELS = torch.tensor(_labels)


def digits(batch: int = 64) -> Iterator[Batch]:
    """Vectors of 64 pixels, ten classes."""
    while True:
        rows = torch.randint(len(LABELS), (batch,))
        yield (IMAGES[rows],), LABELS[rows]


def pictures(channels: int, size: int, batch: int = 32) -> Iterator[Batch]:
    """Digits as images."""
    for (x,), y in digits(batch):
        image = F.interpolate(x.view(-1, 1, 8, 8), size=(size, size), mode="bilinear")
        yield (image.expand(-1, channels, -1, -1).contiguous(),), y


def topics(vocabulary: int, classes: int, length: int = 32, batch: int = 32, each_token: bool = False) -> Iterator[Batch]:
    """Half of the tokens of a text come from its class."""
    while True:
        y = torch.randint(classes, (batch,))
        noise = torch.randint(1, min(vocabulary, 400), (batch, length))
        from_class = torch.randint(1, min(vocabulary, 400) // classes - 1, (batch, length)) * classes + y[:, None]
        tokens = torch.where(torch.rand(batch, length) < 0.5, from_class, noise)
        yield (tokens,), (tokens % classes if each_token else y)


def chain(vocabulary: int, length: int = 32, batch: int = 16, used: int = 61) -> Iterator[Batch]:
    """Next-token prediction: each token determines the next, one time in ten it does not."""
    size = min(vocabulary, used)
    while True:
        steps = [torch.randint(size, (batch,))]
        for _ in range(length):
            follow = (steps[-1] * 7 + 3) % size
            steps.append(torch.where(torch.rand(batch) < 0.1, torch.randint(size, (batch,)), follow))
        text = torch.stack(steps, 1)
        yield (text[:, :-1],), text[:, 1:]


def series(features: int, classes: int, length: int = 64, batch: int = 32, first: bool = False) -> Iterator[Batch]:
    """Sine waves of `classes` frequencies with noise; (batch, length, features), channels first if asked."""
    time_axis = torch.arange(length) / length
    strength = torch.cos(torch.arange(features).float())
    while True:
        y = torch.randint(classes, (batch,))
        wave = torch.sin(2 * math.pi * (y[:, None] + 1) * time_axis + 6.28 * torch.rand(batch, 1))
        x = wave[..., None] * strength + 0.3 * torch.randn(batch, length, features)
        yield ((x.transpose(1, 2) if first else x),), y


def mapped(source: Iterator[Batch], change: Callable[[Batch], Batch]) -> Iterator[Batch]:
    """A task with changed arguments or targets."""
    return (change(batch) for batch in source)


def noisy(channels: int, size: int, batch: int = 16) -> Iterator[Batch]:
    """(noisy image, time) → noise."""
    for (x,), _ in pictures(channels, size, batch):
        t = torch.randint(1000, (batch,))
        keep = torch.cos(t / 1000 * math.pi / 2)[:, None, None, None]
        noise = torch.randn_like(x)
        yield (keep * x + (1 - keep**2).sqrt() * noise, t), noise


def graphs(features: int = 128, classes: int = 7, nodes: int = 140) -> Iterator[Batch]:
    """A stochastic block model with weak features."""
    while True:
        y = torch.arange(nodes) % classes
        edges = torch.rand(nodes, nodes) < torch.where(y[:, None] == y, 0.15, 0.01)
        edges = edges.triu(1)
        adjacency = (edges | edges.T).float() + torch.eye(nodes)
        scale = adjacency.sum(-1).rsqrt()
        x = 0.5 * torch.randn(nodes, features)
        x[torch.arange(nodes), y] += 2
        yield (x, scale[:, None] * adjacency * scale), y


def clouds(classes: int = 10, points: int = 128, batch: int = 16) -> Iterator[Batch]:
    """Ellipsoids of different proportions."""
    shapes = torch.stack([torch.tensor([1.0, 0.3 + 0.07 * k, 1.0 - 0.09 * k]) for k in range(classes)])
    while True:
        y = torch.randint(classes, (batch,))
        x = F.normalize(torch.randn(batch, 3, points), dim=1) * shapes[y][..., None]
        yield (x,), y


def teacher(batch: int = 64) -> Iterator[Batch]:
    """Observations → the actions of a fixed two-layer policy; every batch is new."""
    fixed = torch.Generator().manual_seed(5)
    first, second = torch.randn(64, 32, generator=fixed) / 8, torch.randn(32, 6, generator=fixed) / 4
    while True:
        x = torch.randn(batch, 64)
        yield (x,), torch.tanh(x @ first) @ second


def image_fit(batch: int = 512) -> Iterator[Batch]:
    """Coordinates → pixel of one digit."""
    picture = IMAGES[0].view(1, 1, 8, 8)
    while True:
        xy = torch.rand(batch, 2) * 2 - 1
        yield (xy,), F.grid_sample(picture, xy.view(1, 1, -1, 2), align_corners=False).view(-1, 1)


def scene(batch: int = 512) -> Iterator[Batch]:
    """Points and directions → colour and density of a ball."""
    while True:
        p, d = torch.rand(batch, 3) * 2 - 1, F.normalize(torch.randn(batch, 3), dim=-1)
        inside = (p.norm(dim=-1, keepdim=True) < 0.8).float()
        yield (p, d), torch.cat([(p + 1) / 2 * inside, 2 * inside], -1)


def pairs(vocabulary: int = 2000, batch: int = 32) -> Iterator[Batch]:
    """Digit images and texts about them; the loss needs no labels."""
    for (x,), y in pictures(3, 32, batch):
        tokens = torch.randint(100, 140, (batch, 16))
        tokens[:, 3::4] = y[:, None]
        yield (x, tokens), y


def reverse(vocabulary: int = 4000, length: int = 8, batch: int = 32) -> Iterator[Batch]:
    """Translation by adding one to each token."""
    while True:
        source = torch.randint(3, 40, (batch, length))
        target = source + 1
        start = torch.full((batch, 1), 1)
        yield (source, torch.cat([start, target[:, :-1]], 1)), target


def sets(batch: int = 64, size: int = 20) -> Iterator[Batch]:
    """Variance of the first feature of a set."""
    while True:
        x = torch.randn(batch, size, 8) * (0.5 + torch.rand(batch, 1, 1) * 2)
        yield (x,), x[..., :1].var(dim=1)


def columns(batch: int = 64) -> Iterator[Batch]:
    """A binary target from categories and numbers."""
    sizes = torch.tensor([12, 7, 30, 5, 100, 16])
    while True:
        c = (torch.rand(batch, 6) * sizes).long()
        x = torch.randn(batch, 10)
        yield (c, x), ((c[:, 0] % 2 + c[:, 3] % 2 + x[:, 0]) > 1).float()


def moons(batch: int = 128, dim: int = 16) -> Iterator[Batch]:
    """Points on a curved sheet."""
    while True:
        z = torch.randn(batch, dim)
        z[:, 1::2] = torch.sin(2 * z[:, ::2]) + 0.1 * z[:, 1::2]
        yield (z,), torch.zeros(())


def frames(batch: int = 8) -> Iterator[Batch]:
    """Stacked frames → a value for each action."""
    for (x,), y in pictures(4, 84, batch):
        yield (x,), F.one_hot(y % 6, 6).float() * 2


def control(batch: int = 128) -> Iterator[Batch]:
    """Observations → a fixed policy."""
    weights = torch.randn(17, 6, generator=torch.Generator().manual_seed(3)) / 4
    while True:
        x = torch.randn(batch, 17)
        yield (x,), torch.tanh(x @ weights)


def unit_pixels(batch: int = 32) -> Iterator[Batch]:
    """784 pixels between 0 and 1."""
    for (x,), _ in pictures(1, 28, batch):
        flat = x.flatten(1)
        flat = (flat - flat.min()) / (flat.max() - flat.min())
        yield (flat,), flat


def unlabelled(source: Iterator[Batch]) -> Iterator[Batch]:
    """The input is the target."""
    return mapped(source, lambda batch: (batch[0], batch[0][0]))


def swapped() -> Iterator[Batch]:
    """The fine-tuning task: each class is called by its neighbour's name."""
    return mapped(digits(), lambda batch: (batch[0], (batch[1] + 1) % 10))


def wave() -> Iterator[Batch]:
    """Mu-law codes, the next to be predicted."""
    return chain(256, 64)


def parity(batch: int = 128) -> Iterator[Batch]:
    """The sign of a product of three directions: nothing linear tells."""
    while True:
        x = torch.randn(batch, 64)
        x[:, 3:] *= 0.05
        x[:, :3] = x[:, :3].sign() * (0.5 + torch.rand(batch, 3))
        yield (x,), (x[:, :3].prod(1) > 0).long()


def patches(batch: int = 32) -> Iterator[Batch]:
    """Digits as 16 tokens of 32 numbers."""
    for (x,), y in pictures(1, 16, batch):
        tokens = F.unfold(x, 4, stride=4).transpose(1, 2)
        yield (torch.cat([tokens, torch.eye(16).expand(batch, -1, -1)], -1),), y


def real_or_noise(batch: int = 16) -> Iterator[Batch]:
    """The discriminator's first task."""
    for (x,), _ in pictures(3, 64, batch):
        real = torch.rand(batch) < 0.5
        yield (torch.where(real[:, None, None, None], x, torch.randn_like(x)),), real.float()


def codes(batch: int = 16) -> Iterator[Batch]:
    """Latent codes → images: four fixed codes, four digits."""
    latent = torch.randn(8, 100, 1, 1, generator=torch.Generator().manual_seed(1))
    image = F.interpolate(IMAGES[:8].view(-1, 1, 8, 8), size=(64, 64)).expand(-1, 3, -1, -1).clamp(-1, 1)
    while True:
        rows = torch.randint(8, (batch,))
        yield (latent[rows],), image[rows]
