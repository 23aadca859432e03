"""Low-rank adapters on a small text classifier, hand written."""

import math

import torch
import torch.nn as nn


class LoRALayer(nn.Module):
    def __init__(self, in_dim, out_dim, rank, alpha):
        super().__init__()
        std_dev = 1 / math.sqrt(rank)
        self.A = nn.Parameter(torch.randn(in_dim, rank) * std_dev)  # finding: lora-scaling
        self.B = nn.Parameter(torch.zeros(rank, out_dim))
        self.alpha = alpha

    def forward(self, x):
        return self.alpha * (x @ self.A @ self.B)


class LinearWithLoRA(nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear = linear
        self.lora = LoRALayer(linear.in_features, linear.out_features, rank, alpha)

    def forward(self, x):
        return self.linear(x) + self.lora(x)


class AdaptedMLP(nn.Module):
    def __init__(self, in_dim=64, hidden=256, n_classes=10, rank=16, alpha=32):
        super().__init__()
        fc1, fc2 = nn.Linear(in_dim, hidden), nn.Linear(hidden, hidden)
        for p in list(fc1.parameters()) + list(fc2.parameters()):
            p.requires_grad = False
        self.fc1 = LinearWithLoRA(fc1, rank, alpha)
        self.fc2 = LinearWithLoRA(fc2, rank, alpha)
        self.head = nn.Linear(hidden, n_classes)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return self.head(x)
