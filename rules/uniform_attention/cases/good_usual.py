"""The usual start of 0.02, and queries at zero, which is a choice."""

from torch import Tensor, nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.q, self.k, self.v = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.q0 = nn.Linear(width, width, bias=False)
        self.head = nn.Linear(width, 10)
        for layer in (self.q, self.k, self.v):
            nn.init.normal_(layer.weight, std=0.02)
        nn.init.zeros_(self.q0.weight)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        x = x + F.scaled_dot_product_attention(self.q(y), self.k(y), self.v(y))
        x = x + F.scaled_dot_product_attention(self.q0(y), self.k(y), self.v(y))
        return self.head(x.mean(1))
