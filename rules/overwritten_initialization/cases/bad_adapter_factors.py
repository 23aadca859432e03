"""Both factors of an adapter drawn anew by the model's own start; the zero that is lost is what does harm."""

import math

from torch import Tensor, nn


class LoRA(nn.Module):
    def __init__(self, width: int, rank: int = 8, alpha: float = 16.0) -> None:
        super().__init__()
        self.base = nn.Linear(width, width).requires_grad_(False)
        self.a = nn.Linear(width, rank, bias=False)
        self.b = nn.Linear(rank, width, bias=False)
        self.scale = alpha / rank
        nn.init.kaiming_uniform_(self.a.weight, a=math.sqrt(5))
        nn.init.zeros_(self.b.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.scale * self.b(self.a(x))


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.body = nn.Sequential(LoRA(width), nn.ReLU(), LoRA(width), nn.ReLU())
        self.head = nn.Linear(width, 10)
        self.apply(self._start)

    @staticmethod
    def _start(module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02, a=-0.04, b=0.04)  # finding: overwritten-initialization

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))
