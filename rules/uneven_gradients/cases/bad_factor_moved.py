"""A factor taken out of one layer and put into the next: the signal does not mind, the gradients do."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.fc1 = nn.Linear(64, width)
        self.fc2 = nn.Linear(width, width)
        self.fc3 = nn.Linear(width, width)
        self.fc4 = nn.Linear(width, width)
        self.head = nn.Linear(width, 10)
        for layer in (self.fc1, self.fc2, self.fc3, self.fc4):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        nn.init.normal_(self.fc3.weight, std=1e-4)  # finding: uneven-gradients

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc2(self.fc1(x).relu()).relu()
        return self.head(self.fc4(1000.0 * self.fc3(x).relu()).relu())
