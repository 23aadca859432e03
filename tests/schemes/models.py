"""Small nets of the kinds that schemes tell apart. Names of modules are arbitrary on purpose."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import nn


def plain(act=nn.ReLU, *, depth=10, width=128, inputs=64, outputs=10, bias=True):
    """Linear layers with an activation in between, nothing else."""
    layers = [nn.Linear(inputs, width, bias=bias)]
    for _ in range(depth - 2):
        layers += [act(), nn.Linear(width, width, bias=bias)]
    return nn.Sequential(*layers, act(), nn.Linear(width, outputs, bias=bias))


class Cnn(nn.Module):
    """Convolutions of several kinds, batch norm, pooling, a linear head."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.two = nn.Conv2d(16, 32, 3, padding=1, groups=4)
        self.three = nn.Conv2d(32, 32, 3, padding=1)
        self.four = nn.ConvTranspose2d(32, 8, 4, stride=2, padding=1)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        x = F.max_pool2d(torch.relu(self.norm(self.one(x))), 2)
        x = F.gelu(self.three(torch.relu(self.two(x))))
        return self.head(torch.relu(self.four(x)).mean((2, 3)))


class PlainCnn(nn.Module):
    """Growing odd convolutions without normalization."""

    def __init__(self, act=torch.relu, groups=1):
        super().__init__()
        self.act = act
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1, groups=g) for a, b, g in ((4, 16, 1), (16, 32, groups), (32, 32, groups))
        )
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        for layer in self.layers:
            x = self.act(layer(x))
        return self.head(x.mean((2, 3)))


class Residual(nn.Module):
    """x + scale · b(act(a(x)))."""

    def __init__(self, width, *, gate=False, norm=False):
        super().__init__()
        self.a, self.b = nn.Linear(width, width), nn.Linear(width, width)
        self.scale = nn.Parameter(torch.ones(1)) if gate else None
        self.norm = nn.LayerNorm(width) if norm else None

    def forward(self, x):
        y = self.b(torch.relu(self.a(x if self.norm is None else self.norm(x))))
        return x + (y if self.scale is None else self.scale * y)


class ResidualMlp(nn.Module):
    def __init__(self, depth=16, width=64, *, gate=False, norm=False):
        super().__init__()
        self.into = nn.Linear(32, width)
        self.blocks = nn.ModuleList(Residual(width, gate=gate, norm=norm) for _ in range(depth))
        self.out = nn.Linear(width, 10)

    def forward(self, x):
        x = self.into(x)
        for block in self.blocks:
            x = block(x)
        return self.out(x)


class ConvBlock(nn.Module):
    """relu(shortcut(x) + branch), the branch of two or three convolutions, with batch norm or without."""

    def __init__(self, width, outputs, *, norm, layers=2):
        super().__init__()
        sizes = [width, *[outputs] * layers]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in itertools.pairwise(sizes))
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) if norm else nn.Identity() for b in sizes[1:])
        self.shortcut = nn.Conv2d(width, outputs, 1) if width != outputs else nn.Identity()

    def forward(self, x):
        y = x
        for place, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            y = norm(conv(torch.relu(y) if place else y))
        return torch.relu(self.shortcut(x) + y)


class ConvResNet(nn.Module):
    def __init__(self, *, norm=False, layers=2, widths=(16, 16, 32, 32)):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        pairs = zip((16, *widths), widths, strict=False)
        self.stages = nn.Sequential(*(ConvBlock(a, b, norm=norm, layers=layers) for a, b in pairs))
        self.fc = nn.Linear(widths[-1], 10)

    def forward(self, x):
        return self.fc(self.stages(torch.relu(self.stem(x))).mean((2, 3)))


class Attention(nn.Module):
    """Packed query, key and value, split along features."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.packed = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)

    def forward(self, x):
        batch, tokens, width = x.shape
        parts = (item.view(batch, tokens, self.heads, -1).transpose(1, 2) for item in self.packed(x).split(width, dim=2))
        return self.mix(F.scaled_dot_product_attention(*parts).transpose(1, 2).reshape(batch, tokens, width))


class ByHand(nn.Module):
    """Separate projections, the attention written out, heads interleaved in the packed keys and values."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.asks, self.holds = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.mix = nn.Linear(width, width)

    def forward(self, x):
        batch, tokens, width = x.shape
        asks = self.asks(x).view(batch, tokens, self.heads, self.size).transpose(1, 2)
        keys, values = self.holds(x).view(batch, tokens, self.heads, 2 * self.size).transpose(1, 2).chunk(2, dim=-1)
        weights = torch.softmax(asks @ keys.transpose(-1, -2) / self.size**0.5, dim=-1)
        return self.mix((weights @ values).transpose(1, 2).reshape(batch, tokens, width))


class Layer(nn.Module):
    """One transformer layer: norm before, after or nowhere, trunk × alpha."""

    def __init__(self, width, heads, where, alpha=1.0, attention=Attention):
        super().__init__()
        self.where, self.alpha = where, alpha
        self.attention = attention(width, heads)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.n1, self.n2 = (nn.LayerNorm(width) if where else nn.Identity() for _ in range(2))

    def forward(self, x):
        for norm, branch in ((self.n1, self.attention), (self.n2, lambda y: self.down(torch.relu(self.up(y))))):
            x = norm(self.alpha * x + branch(x)) if self.where == "after" else x + branch(norm(x))
        return x


class Language(nn.Module):
    """Tokens, learned positions, layers, a readout of its own or the tied one."""

    def __init__(self, where="before", depth=3, width=64, heads=4, *, alpha=1.0, tied=False, attention=Attention):
        super().__init__()
        self.tokens = nn.Embedding(100, width, padding_idx=0)
        self.places = nn.Parameter(torch.zeros(16, width))
        self.layers = nn.ModuleList(Layer(width, heads, where, alpha, attention) for _ in range(depth))
        self.read = nn.Linear(width, 100, bias=False)
        if tied:
            self.read.weight = self.tokens.weight

    def forward(self, ids):
        x = self.tokens(ids) + self.places[: ids.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return self.read(x)


class Parallel(nn.Module):
    """x + attention(norm(x)) + feed-forward(norm(x)), in one sum or in two."""

    def __init__(self, *, together, depth=2, width=64):
        super().__init__()
        self.together = together
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.mixers = nn.ModuleList(Attention(width, 4) for _ in range(depth))
        self.ups = nn.ModuleList(nn.Linear(width, 4 * width) for _ in range(depth))
        self.downs = nn.ModuleList(nn.Linear(4 * width, width) for _ in range(depth))

    def forward(self, x):
        for norm, mixer, up, down in zip(self.norms, self.mixers, self.ups, self.downs, strict=True):
            y = norm(x)
            attended, fed = mixer(y), down(torch.relu(up(y)))
            x = x + (attended + fed) if self.together else x + attended + fed
        return x


class Maxout(nn.Module):
    def __init__(self, pieces=3, width=256, depth=5):
        super().__init__()
        self.pieces = pieces
        self.layers = nn.ModuleList(nn.Linear(width, width * pieces) for _ in range(depth))
        self.out = nn.Linear(width, 10)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x).view(x.shape[0], -1, self.pieces).amax(-1)
        return self.out(x)


class Tagger(nn.Module):
    """An LSTM between an embedding and a readout."""

    def __init__(self):
        super().__init__()
        self.words, self.memory, self.out = nn.Embedding(50, 32), nn.LSTM(32, 48, batch_first=True), nn.Linear(48, 50)

    def forward(self, ids):
        return self.out(self.memory(self.words(ids))[0])


def tokens(batch=2, length=16):
    return torch.randint(1, 100, (batch, length), generator=torch.Generator().manual_seed(0))
