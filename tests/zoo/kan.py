"""Kolmogorov-Arnold network with B-spline edges on a fixed grid."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class KANLinear(nn.Module):
    def __init__(self, in_features, out_features, grid_size=5, spline_order=3, scale_noise=0.1, grid_range=(-2, 2)):
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.spline_order = spline_order
        h = (grid_range[1] - grid_range[0]) / grid_size
        grid = torch.arange(-spline_order, grid_size + spline_order + 1) * h + grid_range[0]
        self.register_buffer("grid", grid)
        self.base_weight = nn.Parameter(torch.empty(out_features, in_features))
        self.spline_weight = nn.Parameter(torch.empty(out_features, in_features, grid_size + spline_order))
        nn.init.kaiming_uniform_(self.base_weight, a=math.sqrt(5))
        nn.init.normal_(self.spline_weight, std=scale_noise / math.sqrt(in_features))

    def b_splines(self, x):
        x = x.unsqueeze(-1)
        grid = self.grid
        bases = ((x >= grid[:-1]) & (x < grid[1:])).to(x.dtype)
        for k in range(1, self.spline_order + 1):
            left = (x - grid[: -(k + 1)]) / (grid[k:-1] - grid[: -(k + 1)]) * bases[..., :-1]
            right = (grid[k + 1 :] - x) / (grid[k + 1 :] - grid[1:(-k)]) * bases[..., 1:]
            bases = left + right
        return bases

    def forward(self, x):
        base = F.linear(F.silu(x), self.base_weight)
        spline = torch.einsum("bik,oik->bo", self.b_splines(x), self.spline_weight)
        return base + spline


class KAN(nn.Module):
    def __init__(self, layers_hidden=(64, 64, 32, 10)):
        super().__init__()
        self.layers = nn.ModuleList([KANLinear(i, o) for i, o in zip(layers_hidden, layers_hidden[1:])])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x
