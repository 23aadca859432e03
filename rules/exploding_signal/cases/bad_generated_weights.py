"""The weights of six layers come out of layers that PyTorch started: their variance knows nothing of 96 inputs."""

import torch
from torch import Tensor, nn


class Conditioned(nn.Module):
    """An encoder of the setting makes a regressor of the state, sample by sample."""

    def __init__(self, setting: int = 12, state: int = 6, width: int = 96, depth: int = 6) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(setting, 48), nn.ReLU(), nn.LayerNorm(48))
        self.sizes = [state] + [width] * depth
        self.makers = nn.ModuleList(
            [nn.Linear(48, inputs * outputs) for inputs, outputs in zip(self.sizes, self.sizes[1:], strict=False)]  # finding: exploding-signal
        )
        self.head = nn.Linear(width, 1)

    def forward(self, setting: Tensor, state: Tensor) -> Tensor:
        code = self.encoder(setting)
        x = state.unsqueeze(1)
        for maker, inputs, outputs in zip(self.makers, self.sizes, self.sizes[1:], strict=False):
            x = torch.bmm(x, maker(code).view(-1, inputs, outputs)).relu()
        return self.head(x.squeeze(1))
