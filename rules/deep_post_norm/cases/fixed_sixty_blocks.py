"""Sixty post-norm feed-forward blocks with Xavier weights: they stay at guessing at usual rates."""

from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)
        self.norm = nn.LayerNorm(width)
        for layer in (self.fc1, self.fc2):
            nn.init.xavier_uniform_(layer.weight)  # the start that such blocks usually have
            nn.init.zeros_(layer.bias)
        nn.init.xavier_normal_(self.fc1.weight, gain=0.255)
        nn.init.xavier_normal_(self.fc2.weight, gain=0.255)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(59**0.25 * x + self.fc2(self.fc1(x).relu()))  # finding: deep-post-norm


class Net(nn.Module):
    def __init__(self, features: int = 64, width: int = 64, depth: int = 60) -> None:
        super().__init__()
        self.stem = nn.Linear(features, width)
        self.blocks = nn.ModuleList([Block(width) for _ in range(depth)])
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)
