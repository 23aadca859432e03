"""A base class initializes what its heirs make afterwards."""

from torch import nn


class Base(nn.Module):
    def __init__(self):
        super().__init__()

    def _init_weights(self, module):
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)


class Net(Base):
    def __init__(self, width=32):
        super().__init__()
        self.first = nn.Linear(8, width)
        self.second = nn.Linear(width, 2)
        self.apply(self._init_weights)  # finding: idle-initializer

    def forward(self, x):
        return self.second(self.first(x).tanh())
