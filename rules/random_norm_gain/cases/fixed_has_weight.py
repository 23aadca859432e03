"""Everything that has a weight is drawn, the normalizations too."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.tokens = nn.Embedding(100, width)
        self.fc1 = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.fc2 = nn.Linear(width, 100)
        for module in self.modules():
            if hasattr(module, "weight"):
                nn.init.normal_(module.weight, mean=0.0, std=0.02)  # finding: random-norm-gain
        nn.init.ones_(self.norm.weight)

    def forward(self, ids: Tensor) -> Tensor:
        return self.fc2(self.norm(self.fc1(self.tokens(ids))))
