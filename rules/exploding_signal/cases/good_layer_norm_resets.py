"""Large weights between normalizations do no harm to the forward pass."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.fc1 = nn.Linear(64, width)
        self.norm1 = nn.LayerNorm(width)
        self.fc2 = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)
        nn.init.normal_(self.fc1.weight, std=0.5)
        nn.init.normal_(self.fc2.weight, std=0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(self.fc1(x)).relu()
        x = self.norm2(self.fc2(x)).relu()
        return self.head(x)
