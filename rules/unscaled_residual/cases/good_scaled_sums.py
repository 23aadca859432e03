"""Gated blocks whose sum is scaled by the root of one half, as WaveNet vocoders do it: the trunk stays where it is."""

import torch
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gates = nn.Conv1d(width, 2 * width, 3, padding=1)
        self.out = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.gates(x).chunk(2, 1)
        return (x + self.out(torch.tanh(value) * torch.sigmoid(gate))) * 0.5**0.5


class Vocoder(nn.Module):
    def __init__(self, width: int = 64, depth: int = 20) -> None:
        super().__init__()
        self.embed = nn.Embedding(256, width)
        self.blocks = nn.Sequential(*[Block(width) for _ in range(depth)])
        self.head = nn.Linear(width, 256)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.blocks(self.embed(tokens).transpose(1, 2)).transpose(1, 2))
