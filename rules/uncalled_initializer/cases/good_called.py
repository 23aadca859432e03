"""Methods that are called: by the constructor, by apply, by a base class of the file."""

from torch import Tensor, nn


class Base(nn.Module):
    def post_init(self) -> None:
        self.init_weights()

    def init_weights(self) -> None:
        raise NotImplementedError


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.orthogonal_(self.fc.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x).relu()


class Net(Base):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.blocks = nn.Sequential(Block(width), Block(width))
        self.head = nn.Linear(width, 10)
        self.post_init()
        self.head.apply(self._init_head)

    def init_weights(self) -> None:
        nn.init.xavier_uniform_(self.head.weight)

    @staticmethod
    def _init_head(module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(x))
