"""Thirty layers of torch.nn, normalized after every sum: the sums themselves stand in a package, where nothing can be changed."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, features: int = 8, length: int = 8, width: int = 32, depth: int = 30) -> None:
        super().__init__()
        self.embed = nn.Linear(features, width)
        self.place = nn.Parameter(0.02 * torch.randn(length, width))
        self.layers = nn.ModuleList(
            [nn.TransformerEncoderLayer(width, 4, 4 * width, 0.0, batch_first=True) for _ in range(depth)]
        )
        self.head = nn.Linear(width, 10)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
        for layer in self.layers:
            nn.init.zeros_(layer.self_attn.out_proj.weight)
        for layer in self.layers:
            nn.init.zeros_(layer.linear2.weight)
        for layer in self.layers:
            layer.self_attn.in_proj_weight.data.mul_(60**-0.5)
        for layer in self.layers:
            layer.linear1.weight.data.mul_(60**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x) + self.place
        for layer in self.layers:
            x = layer(x)  # finding: deep-post-norm
        return self.head(x.mean(1))
