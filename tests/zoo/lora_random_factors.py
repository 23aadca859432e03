"""Adapter layers around frozen linears."""

import torch.nn as nn
import torch.nn.functional as F


class LowRankAdapter(nn.Module):
    def __init__(self, base: nn.Linear, r: int = 4, lora_alpha: int = 32):
        super().__init__()
        self.base = base
        self.base.weight.requires_grad_(False)
        self.base.bias.requires_grad_(False)
        self.down = nn.Linear(base.in_features, r, bias=False)
        self.up = nn.Linear(r, base.out_features, bias=False)
        nn.init.xavier_normal_(self.down.weight)
        nn.init.xavier_normal_(self.up.weight)  # finding: lora-not-identity
        self.scaling = lora_alpha / r

    def forward(self, x):
        return self.base(x) + self.up(self.down(x)) * self.scaling


class AdaptedNet(nn.Module):
    def __init__(self, n_in: int = 64, width: int = 256, n_out: int = 10):
        super().__init__()
        self.l1 = LowRankAdapter(nn.Linear(n_in, width))
        self.l2 = LowRankAdapter(nn.Linear(width, width))
        self.l3 = nn.Linear(width, n_out)

    def forward(self, x):
        return self.l3(F.gelu(self.l2(F.gelu(self.l1(x)))))
