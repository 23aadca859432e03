"""Neural radiance field MLP with positional encoding of points and view directions."""

import torch
import torch.nn as nn
import torch.nn.functional as F


class Embedder(nn.Module):
    def __init__(self, in_dim, n_freqs, include_input=True):
        super().__init__()
        self.include_input = include_input
        self.register_buffer("bands", 2.0 ** torch.linspace(0.0, n_freqs - 1, steps=n_freqs))
        self.out_dim = in_dim * (2 * n_freqs + int(include_input))

    def forward(self, x):
        scaled = x[..., None, :] * self.bands[:, None]
        enc = torch.cat([torch.sin(scaled), torch.cos(scaled)], dim=-1).flatten(-2)
        return torch.cat([x, enc], dim=-1) if self.include_input else enc


class NeRF(nn.Module):
    def __init__(self, D=8, W=256, skips=(4,), n_freqs_xyz=10, n_freqs_dir=4):
        super(NeRF, self).__init__()
        self.skips = skips
        self.embed_xyz = Embedder(3, n_freqs_xyz)
        self.embed_dir = Embedder(3, n_freqs_dir)
        input_ch = self.embed_xyz.out_dim
        self.pts_linears = nn.ModuleList(
            [nn.Linear(input_ch, W)] + [nn.Linear(W + input_ch if i in skips else W, W) for i in range(D - 1)]
        )
        self.views_linear = nn.Linear(W + self.embed_dir.out_dim, W // 2)
        self.feature_linear = nn.Linear(W, W)
        self.alpha_linear = nn.Linear(W, 1)
        self.rgb_linear = nn.Linear(W // 2, 3)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.kaiming_uniform_(m.weight, nonlinearity="relu")
                nn.init.zeros_(m.bias)

    def forward(self, points, viewdirs):
        pts = self.embed_xyz(points)
        h = pts
        for i, layer in enumerate(self.pts_linears):
            h = F.relu(layer(h))
            if i in self.skips:
                h = torch.cat([pts, h], -1)
        sigma = self.alpha_linear(h)
        h = torch.cat([self.feature_linear(h), self.embed_dir(viewdirs)], -1)
        rgb = torch.sigmoid(self.rgb_linear(F.relu(self.views_linear(h))))
        return torch.cat([rgb, sigma], -1)
