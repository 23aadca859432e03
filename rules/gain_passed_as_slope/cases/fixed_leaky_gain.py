"""The gain of a leaky ReLU of slope 0.2, given as the slope."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 32, depth: int = 4) -> None:
        super().__init__()
        sizes = [3, *[width] * depth]
        self.convs = nn.ModuleList([nn.Conv2d(n, m, 3, padding=1) for n, m in zip(sizes, sizes[1:])])
        self.head = nn.Linear(width, 10)
        for conv in self.convs:
            nn.init.kaiming_normal_(conv.weight, a=0.2)  # finding: gain-passed-as-slope

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = nn.functional.leaky_relu(conv(x), 0.2)
        return self.head(x.mean((2, 3)))
