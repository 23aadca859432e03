"""The factor that DeepNorm has for the trunk, on the branches."""

import torch
from torch import Tensor, nn


class Mix(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.ask, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)

    def attended(self, x: Tensor) -> Tensor:
        return self.out(nn.functional.scaled_dot_product_attention(self.ask(x), self.key(x), self.value(x)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(40**0.25 * x + self.attended(x))
        return self.second(40**0.25 * x + self.down(torch.relu(self.up(x))))  # finding: deep-post-norm


class Rows(nn.Module):
    def __init__(self, features: int = 8, width: int = 32, depth: int = 20, classes: int = 10) -> None:
        super().__init__()
        self.embed = nn.Linear(features, width)
        self.blocks = nn.Sequential(*[Mix(width) for _ in range(depth)])
        self.head = nn.Linear(width, classes)
        for name, weight in self.blocks.named_parameters():
            if weight.dim() > 1:
                nn.init.xavier_normal_(weight, gain=1.0 if "ask" in name or "key" in name else 160**-0.25)

    def forward(self, x: Tensor) -> Tensor:  # float[batch, 8, 8]
        return self.head(self.blocks(self.embed(x)).mean(1))
