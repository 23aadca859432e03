"""The same in a cell written by hand, whose four gates come from one matrix."""

from torch import Tensor, nn


class Reader(nn.Module):
    def __init__(self, features: int = 16, width: int = 64) -> None:
        super().__init__()
        self.width = width
        self.read = nn.Linear(features, 4 * width)
        self.keep = nn.Linear(width, 4 * width, bias=False)
        nn.init.kaiming_normal_(self.keep.weight, nonlinearity="linear")  # finding: exploding-gradient
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        h = c = x.new_zeros(len(x), self.width)
        for inputs in x.unbind(1):
            entry, forget, output, new = (self.read(inputs) + self.keep(h)).chunk(4, -1)
            c = forget.sigmoid() * c + entry.sigmoid() * new.tanh()
            h = output.sigmoid() * c.tanh()
        return self.head(h)
