"""Residual branches that end in a zero convolution, which the model's own init_weights draws at random."""

from torch import Tensor, nn


def zero_module(module: nn.Module) -> nn.Module:
    for p in module.parameters():
        p.detach().zero_()
    return module


class ResBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(nn.GroupNorm(8, channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(8, channels), nn.SiLU(), zero_module(nn.Conv2d(channels, channels, 3, padding=1))
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.out_layers(self.in_layers(x))


class Network(nn.Module):
    def __init__(self, channels: int = 32, depth: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, padding=1)
        self.blocks = nn.Sequential(*[ResBlock(channels) for _ in range(depth)])
        self.out = nn.Sequential(nn.GroupNorm(8, channels), nn.SiLU(), nn.Conv2d(channels, 3, 3, padding=1))
        self.init_weights()

    def init_weights(self, gain: float = 0.02) -> None:
        for m in self.modules():
            if isinstance(m, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(m.weight.data, a=0, mode="fan_in")  # finding: overwritten-initialization
                if m.bias is not None:
                    nn.init.constant_(m.bias.data, 0.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.blocks(self.stem(x)))
