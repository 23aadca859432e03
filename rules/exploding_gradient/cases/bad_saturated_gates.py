"""Recurrent weights of standard deviation one: gates are open or shut, and what a state says of its past changes at every step."""

from torch import Tensor, nn


class Reader(nn.Module):
    def __init__(self, features: int = 16, width: int = 128) -> None:
        super().__init__()
        self.rnn = nn.LSTM(features, width, batch_first=True)
        nn.init.normal_(self.rnn.weight_hh_l0)  # finding: exploding-gradient
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.rnn(x)
        return self.head(states[:, -1])
