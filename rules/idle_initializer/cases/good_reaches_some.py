"""One that writes, one that the constructor only calls when asked, and one whose branches do not all apply."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 64, *, special: bool = False) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.fc2 = nn.Linear(width, 10)
        self.apply(self._init_weights)
        if special:
            self.init_special_weights()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)

    def init_special_weights(self) -> None:
        nn.init.orthogonal_(self.fc1.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.norm(self.fc1(x)).relu())
