"""A bias for every feature from N(0, 1), with a row of zeros for the class token joined before it is added to small tokens."""

import torch
from torch import Tensor, nn


class Tokenizer(nn.Module):
    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(features + 1, width))
        self.bias = nn.Parameter(torch.empty(features, width))
        nn.init.normal_(self.weight, std=0.02)
        nn.init.normal_(self.bias)  # finding: drowned-input

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([torch.ones(len(x), 1, device=x.device), x], 1)
        return (
            self.weight[None] * x[:, :, None]
            + torch.cat([torch.zeros(1, self.bias.shape[1], device=x.device), self.bias])[None]
        )


class Tabular(nn.Module):
    def __init__(self, features: int = 12, width: int = 64) -> None:
        super().__init__()
        self.tokens = Tokenizer(features, width)
        self.blocks = nn.Sequential(
            *[nn.TransformerEncoderLayer(width, 4, batch_first=True, norm_first=True) for _ in range(2)]
        )
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.tokens(x))[:, 0])
