"""WaveNet-like stack: gated dilated convolutions, skip connections summed at the end."""

import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalConv1d(nn.Conv1d):
    def __init__(self, cin, cout, kernel_size, dilation=1):
        super().__init__(cin, cout, kernel_size, dilation=dilation)
        self.left = (kernel_size - 1) * dilation

    def forward(self, x):
        return super().forward(F.pad(x, (self.left, 0)))


class GatedLayer(nn.Module):
    def __init__(self, residual, skip, kernel_size, dilation):
        super().__init__()
        self.filter = CausalConv1d(residual, residual, kernel_size, dilation)
        self.gate = CausalConv1d(residual, residual, kernel_size, dilation)
        self.res = nn.Conv1d(residual, residual, 1)
        self.skip = nn.Conv1d(residual, skip, 1)

    def forward(self, x):
        z = torch.tanh(self.filter(x)) * torch.sigmoid(self.gate(x))
        return x + self.res(z), self.skip(z)


class WaveNet(nn.Module):
    def __init__(self, classes=256, residual=64, skip=128, blocks=2, layers_per_block=6, kernel_size=2):
        super().__init__()
        self.embed = nn.Embedding(classes, residual)
        self.layers = nn.ModuleList(
            [GatedLayer(residual, skip, kernel_size, 2**i) for _ in range(blocks) for i in range(layers_per_block)]
        )
        self.post = nn.Sequential(nn.ReLU(), nn.Conv1d(skip, skip, 1), nn.ReLU(), nn.Conv1d(skip, classes, 1))

    def forward(self, samples):
        """samples: (batch, time) of mu-law codes; returns logits (batch, classes, time)"""
        x = self.embed(samples).transpose(1, 2)
        total = 0
        for layer in self.layers:
            x, s = layer(x)
            total = total + s
        return self.post(total)
