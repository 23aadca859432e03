"""Three rectified recurrent layers, all of whose matrices one loop draws with a deviation of one."""

from torch import Tensor, nn


class Reader(nn.Module):
    def __init__(self, features: int = 8, width: int = 48) -> None:
        super().__init__()
        self.rnn = nn.RNN(features, width, num_layers=3, nonlinearity="relu", batch_first=True)
        self.head = nn.Linear(width, 4)
        for name, weight in self.rnn.named_parameters():
            if "weight" in name:
                nn.init.normal_(weight)  # finding: exploding-signal

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.rnn(x)
        return self.head(states[:, -1])
