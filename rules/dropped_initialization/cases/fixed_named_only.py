"""A method that the constructor names and does not call; a property, which runs when it is named."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.body = nn.Linear(width, width)
        self.heads = nn.ModuleDict({name: nn.Linear(width, 3) for name in ("age", "sex")})
        self._set_up_heads()  # finding: dropped-initialization
        self.set_up

    def _set_up_heads(self) -> None:
        for head in self.heads.values():
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)

    @property
    def set_up(self) -> bool:
        nn.init.orthogonal_(self.body.weight)
        return True

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.body(x).relu()
        return [head(x) for head in self.heads.values()]
