"""Names of 2017: notes."""

from torch import Tensor, nn
from torch.nn import init


def weights_init(m: nn.Module) -> None:
    if isinstance(m, nn.Linear):
        init.xavier_uniform_(m.weight)  # finding: deprecated-initializer
        init.constant_(m.bias, 0)  # finding: deprecated-initializer


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.conv = nn.Conv1d(8, width, 3)
        self.fc = nn.Linear(width, 10)
        self.apply(weights_init)
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")  # finding: deprecated-initializer

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(x).relu().mean(2))
