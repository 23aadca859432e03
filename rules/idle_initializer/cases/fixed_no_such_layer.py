"""The initializer looks for a class that the model does not have."""

from torch import Tensor, nn


def weights_init(m: nn.Module) -> None:
    classname = m.__class__.__name__
    if classname.find("Conv1d") != -1:
        m.weight.data.normal_(0.0, 0.02)


class Net(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(8, width, 3)
        self.conv2 = nn.Conv1d(width, 10, 3)
        self.apply(weights_init)  # finding: idle-initializer

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x).relu())
