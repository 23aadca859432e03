"""A list of layers that the model has anyway, and a frozen teacher in a list, so that it is not saved."""

from torch import Tensor, nn


class Student(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        self.order = [self.first, self.second]
        teacher = nn.Linear(width, width).requires_grad_(False)
        self.teacher = [teacher]

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self.order:
            y = layer(y).relu()
        return y - self.teacher[0](x)
