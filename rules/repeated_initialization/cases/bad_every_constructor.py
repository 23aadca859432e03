"""Every constructor applies the initializer to all that is below it."""

from torch import Tensor, nn


class Base(nn.Module):
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            module.weight.data.normal_(mean=0.0, std=0.02)  # finding: repeated-initialization
            module.bias.data.zero_()


class Block(Base):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, width)
        self.fc2 = nn.Linear(width, width)
        self.apply(self._init_weights)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fc2(self.fc1(x).relu())


class Net(Base):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*[Block(width) for _ in range(3)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)
        self.apply(self._init_weights)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.blocks(x)))
