"""The bias of a step size, marked as one to be left alone, and a general initialization that does not ask."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Mixer(nn.Module):
    def __init__(self, width: int, rank: int = 8) -> None:
        super().__init__()
        self.in_proj = nn.Linear(width, 2 * width, bias=False)
        self.x_proj = nn.Linear(width, rank, bias=False)
        self.dt_proj = nn.Linear(rank, width)
        self.out_proj = nn.Linear(width, width, bias=False)
        dt = torch.exp(torch.rand(width) * (math.log(0.1) - math.log(0.001)) + math.log(0.001))
        with torch.no_grad():
            self.dt_proj.bias.copy_(dt + torch.log(-torch.expm1(-dt)))
        self.dt_proj.bias._no_reinit = True

    def forward(self, x: Tensor) -> Tensor:
        x, gate = self.in_proj(x).chunk(2, -1)
        return self.out_proj(x * F.softplus(self.dt_proj(self.x_proj(x))) * F.silu(gate))


class Net(nn.Module):
    def __init__(self, width: int = 64, depth: int = 2, vocabulary: int = 100) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.layers = nn.ModuleList([Mixer(width) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.apply(self._init_weights)

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                if not getattr(module.bias, "_no_reinit", False):
                    nn.init.zeros_(module.bias)  # finding: overwritten-initialization
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tokens(ids)
        for layer in self.layers:
            x = x + layer(self.norm(x))
        return self.head(self.norm(x))
