"""A frozen-style encoder with gated side blocks (Flamingo-like tanh gates, all starting closed)."""

import torch
import torch.nn as nn


class GatedSideBlock(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc_in = nn.Linear(dim, hidden)
        self.fc_out = nn.Linear(hidden, dim, bias=False)
        # start as identity
        nn.init.zeros_(self.fc_out.weight)
        self.alpha = nn.Parameter(torch.zeros(1))  # finding: zero-gradient

    def forward(self, x):
        h = self.fc_out(torch.relu(self.fc_in(self.norm(x))))
        return x + torch.tanh(self.alpha) * h


class GatedEncoder(nn.Module):
    def __init__(self, in_dim=64, dim=128, hidden=256, depth=4, n_classes=10):
        super().__init__()
        self.proj = nn.Linear(in_dim, dim)
        self.blocks = nn.ModuleList(GatedSideBlock(dim, hidden) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, n_classes)

    def forward(self, x):
        x = self.proj(x)
        for blk in self.blocks:
            x = blk(x)
        return self.head(self.norm(x))
