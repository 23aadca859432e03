"""A variational encoder whose log-variances come from weights of standard deviation one."""

import torch
from torch import Tensor, nn


class Encoder(nn.Module):
    def __init__(self, seen: int, width: int, latent: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(seen, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        for layer in self.trunk:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight)
        self.middle = nn.Linear(width, latent)
        self.spread = nn.Linear(width, latent)
        nn.init.normal_(self.spread.weight)  # finding: overflowing-exponential

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.trunk(x)
        return self.middle(hidden), self.spread(hidden)


class Autoencoder(nn.Module):
    def __init__(self, seen: int = 64, width: int = 256, latent: int = 8) -> None:
        super().__init__()
        self.encoder = Encoder(seen, width, latent)
        self.decoder = nn.Sequential(nn.Linear(latent, width), nn.ReLU(), nn.Linear(width, seen))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        middle, log_variance = self.encoder(x)
        drawn = middle + torch.exp(log_variance / 2) * torch.randn_like(middle)
        return self.decoder(drawn), middle, log_variance
