"""Biases zeroed, then the first quarter raised, in a loop over the layers."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, seen: int = 32, width: int = 64) -> None:
        super().__init__()
        self.lstm = nn.LSTM(seen, width, num_layers=2, batch_first=True)
        self.head = nn.Linear(width, 1)
        for name, p in self.lstm.named_parameters():
            if "weight" in name:
                nn.init.orthogonal_(p)
            elif "bias" in name:
                nn.init.zeros_(p)
                p.data[p.size(0) // 4 : p.size(0) // 2].fill_(1.0)  # finding: misplaced-forget-bias

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0][:, -1])
