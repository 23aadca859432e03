"""Conservative low-rank adaptation: the adapter must not change anything at the start."""

import torch
import torch.nn as nn


class LoRALinear(nn.Linear):
    def __init__(self, in_features, out_features, r=8, lora_alpha=16, **kwargs):
        super().__init__(in_features, out_features, **kwargs)
        self.r = r
        self.scaling = lora_alpha / r
        self.lora_A = nn.Parameter(self.weight.new_zeros((r, in_features)))  # finding: lora-cannot-learn
        self.lora_B = nn.Parameter(self.weight.new_zeros((out_features, r)))
        self.weight.requires_grad = False
        self.bias.requires_grad = False

    def forward(self, x):
        result = super().forward(x)
        return result + (x @ self.lora_A.T @ self.lora_B.T) * self.scaling


class Classifier(nn.Module):
    def __init__(self, d_in=64, d_hidden=256, n_classes=10):
        super().__init__()
        self.net = nn.Sequential(
            LoRALinear(d_in, d_hidden),
            nn.ReLU(),
            LoRALinear(d_hidden, d_hidden),
            nn.ReLU(),
            LoRALinear(d_hidden, n_classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)
