"""GRU over multivariate time series, pooled over time."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TimeSeriesGRU(nn.Module):
    """Predicts one of `num_classes` from a (batch, time, features) series."""

    def __init__(self, num_features: int = 9, hidden_size: int = 128, num_layers: int = 2, num_classes: int = 6) -> None:
        super().__init__()
        self.input_norm = nn.LayerNorm(num_features)
        self.gru = nn.GRU(num_features, hidden_size, num_layers, batch_first=True, dropout=0.1)
        self.head = nn.Sequential(nn.Linear(hidden_size, hidden_size), nn.ReLU(), nn.Linear(hidden_size, num_classes))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for name, param in self.gru.named_parameters():
            if "weight_ih" in name:
                nn.init.xavier_uniform_(param)
            elif "weight_hh" in name:
                nn.init.orthogonal_(param)
            elif "bias" in name:
                nn.init.zeros_(param)

    def forward(self, series: Tensor) -> Tensor:
        out, _ = self.gru(self.input_norm(series))
        return self.head(out.mean(dim=1))


def build_model() -> TimeSeriesGRU:
    return TimeSeriesGRU()


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return (model(x).argmax(-1) == y).float().mean().item()
