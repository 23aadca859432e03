"""A careful start that nobody asks for: a private method is a warning, a public one, which another file may call, a note."""

from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width)
        self.reset_parameters()

    def reset_parameters(self) -> None:  # finding: uncalled-initializer
        nn.init.orthogonal_(self.fc.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x).relu()


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.blocks = nn.Sequential(Block(width), Block(width))
        self.head = nn.Linear(width, 10)
        self._init_weights()

    def _init_weights(self) -> None:  # finding: uncalled-initializer
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(x))
