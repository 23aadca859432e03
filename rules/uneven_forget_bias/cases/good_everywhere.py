"""All layers and directions, on one of the two biases; and an LSTM that has none anywhere."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, seen: int = 32, width: int = 64) -> None:
        super().__init__()
        self.lstm = nn.LSTM(seen, width, num_layers=2, batch_first=True, bidirectional=True)
        self.plain = nn.LSTM(2 * width, width, num_layers=2, batch_first=True)
        self.head = nn.Linear(width, 1)
        for name, bias in self.lstm.named_parameters():
            if "bias_hh" in name:
                bias.data[width : 2 * width].fill_(1.0)

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.lstm(x)
        return self.head(self.plain(x)[0][:, -1])
