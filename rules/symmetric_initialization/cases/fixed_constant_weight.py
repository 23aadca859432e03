"""A constant in every weight: all hidden units compute the same number for ever."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.fc1 = nn.Linear(32, width)
        self.fc2 = nn.Linear(width, 10)
        nn.init.xavier_normal_(self.fc1.weight)  # finding: symmetric-initialization
        nn.init.constant_(self.fc2.weight, 0.01)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.fc1(x).tanh())
