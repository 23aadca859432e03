"""Tables of zeros that positions, targets, dropout or heads of their own tell apart."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Layer(nn.Module):
    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.own = nn.MultiheadAttention(width, 4, batch_first=True)
        self.cross = nn.MultiheadAttention(width, 4, dropout=dropout, batch_first=True)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, z: Tensor, positions: Tensor, x: Tensor) -> Tensor:
        q = z + positions
        z = self.norm1(z + self.own(q, q, z)[0])
        return self.norm2(z + self.cross(z + positions, x, x)[0])


class Detection(nn.Module):
    """The content of queries starts at zero; each has a position and an output of its own."""

    def __init__(self, width: int = 64, count: int = 10) -> None:
        super().__init__()
        self.enter = nn.Linear(16, width)
        self.content = nn.Parameter(torch.zeros(count, width))
        self.position = nn.Embedding(count, width)
        self.layers = nn.ModuleList([Layer(width) for _ in range(2)])
        self.classes = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        z, positions = (t.expand(len(x), -1, -1) for t in (self.content, self.position.weight))
        for layer in self.layers:
            z = layer(z, positions, x)
        return self.classes(z).mean(1)


class PerQuery(nn.Module):
    """Equal queries, each of which has targets of its own."""

    def __init__(self, width: int = 64, count: int = 10) -> None:
        super().__init__()
        self.enter = nn.Linear(16, width)
        self.queries = nn.Parameter(torch.zeros(1, count, width))
        self.read = nn.MultiheadAttention(width, 4, batch_first=True)
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        z = self.queries.expand(len(x), -1, -1)
        return self.head(z + self.read(z, x, x, need_weights=False)[0])


class Pooled(nn.Module):
    """One token, heads that read tokens one by one, tokens in a row, and dropout."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.enter = nn.Linear(16, width)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.tasks = nn.Parameter(torch.zeros(1, 2, width))
        self.latents = nn.Parameter(torch.zeros(1, 4, width))
        self.positions = nn.Parameter(torch.zeros(1, 20, width))
        self.read = nn.MultiheadAttention(width, 4, dropout=0.1, batch_first=True)
        self.mix = nn.MultiheadAttention(width, 4, batch_first=True)
        self.age = nn.Linear(width, 1)
        self.name = nn.Linear(width, 7)
        self.rows = nn.Linear(4 * width, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.enter(x) + self.positions[:, : x.shape[1]]
        z = self.latents.expand(len(x), -1, -1)
        z = F.gelu(z + self.read(z, x, x, need_weights=False)[0])
        x = torch.cat([self.token.expand(len(x), -1, -1), self.tasks.expand(len(x), -1, -1), x], 1)
        x = x + self.mix(x, x, x, need_weights=False)[0]
        return self.age(x[:, 1]), self.name(x[:, 2]), self.rows(z.flatten(1))
