"""The same decoder with a start that keeps what it is conditioned on."""

from torch import Tensor, nn


class Bend(nn.Module):
    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 3, padding=1)
        self.norm = nn.GroupNorm(1, channels, affine=False)
        self.factors = nn.Linear(size, 2 * channels)

    def forward(self, x: Tensor, speaker: Tensor) -> Tensor:
        factor, shift = self.factors(speaker)[..., None].chunk(2, 1)
        return ((1 + factor) * self.norm(self.conv(x)) + shift).relu()


class Voices(nn.Module):
    def __init__(self, channels: int = 32, size: int = 48, depth: int = 7, blocks: int = 3) -> None:
        super().__init__()
        self.speaker = nn.Sequential(*[part for _ in range(depth) for part in (nn.Linear(size, size), nn.ReLU())])
        for part in self.speaker[::2]:
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            nn.init.zeros_(part.bias)
        self.blocks = nn.ModuleList([Bend(channels, size) for _ in range(blocks)])
        for block in self.blocks:
            nn.init.zeros_(block.factors.bias)
        self.end = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor, who: Tensor) -> Tensor:  # float[batch, 32, 40], float[batch, 48]
        speaker = self.speaker(who)
        for block in self.blocks:
            x = block(x, speaker)
        return self.end(x)
