"""The second factor is a linear layer with a bias: its weight is zeroed, its bias keeps PyTorch's default."""

from torch import Tensor, nn


class LoRALinear(nn.Module):
    def __init__(self, base: nn.Linear, rank: int = 8, alpha: float = 16.0) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Linear(base.in_features, rank, bias=False)
        self.up = nn.Linear(rank, base.out_features)  # finding: random-adapter-bias
        nn.init.zeros_(self.up.bias)
        nn.init.zeros_(self.up.weight)
        self.scale = alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.scale * self.up(self.down(x))


class Net(nn.Module):
    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.fc = LoRALinear(nn.Linear(width, width))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.fc(x).relu())
