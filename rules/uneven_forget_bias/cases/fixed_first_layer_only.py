"""Two layers, and the bias for one of them."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, seen: int = 32, width: int = 64) -> None:
        super().__init__()
        self.lstm = nn.LSTM(seen, width, num_layers=2, batch_first=True)
        self.head = nn.Linear(width, 1)
        self.lstm.bias_hh_l0.data[width : 2 * width] = 3.0  # finding: uneven-forget-bias
        self.lstm.bias_hh_l1.data[width : 2 * width] = 3.0

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0][:, -1])
