"""Cases for what a model may have or not, and names of which one occurs."""

import math

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, width, bias=False)
        self.fc2 = nn.Linear(width, 10, bias=False)
        for name, p in self.named_parameters():
            if "bias" in name:
                nn.init.zeros_(p)
            elif name.endswith("norm.weight"):
                nn.init.ones_(p)
            elif name.endswith(("fc2.weight", "c_proj.weight")):
                nn.init.normal_(p, std=0.02 / math.sqrt(2))
            else:
                nn.init.normal_(p, std=0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.fc1(x).relu())
