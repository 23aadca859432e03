"""A function of the file that nobody applies."""

from torch import Tensor, nn


def init_weights(m: nn.Module) -> None:  # finding: uncalled-initializer
    if isinstance(m, nn.Linear):
        nn.init.xavier_uniform_(m.weight)
        m.bias.data.fill_(0.01)


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, width)
        self.fc2 = nn.Linear(width, 10)
        self.apply(init_weights)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.fc1(x).relu())
