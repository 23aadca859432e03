"""The initializer of the model has a branch for linear layers and norms; three bare parameters are in none of them."""

import torch
from torch import Tensor, nn


class RelativePositions(nn.Module):
    def __init__(self, width: int, length: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(length, width))  # finding: uninitialized-parameter
        nn.init.normal_(self.table, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.table[: x.shape[1]]


class Model(nn.Module):
    def __init__(self, width: int = 64, length: int = 64, labels: int = 5) -> None:
        super().__init__()
        self.embed = nn.Linear(20, width)
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))  # finding: uninitialized-parameter
        nn.init.normal_(self.cls_token, std=0.02)
        self.positions = RelativePositions(width, length)
        self.norm = nn.LayerNorm(width)
        self.output_weights = nn.Parameter(torch.ones(width))  # finding: uninitialized-parameter
        self.classifier = nn.Linear(width, labels)
        self.apply(self._init_weights)

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            module.weight.data.normal_(mean=0.0, std=0.02)
            if module.bias is not None:
                module.bias.data.zero_()
        elif isinstance(module, nn.LayerNorm):
            module.bias.data.zero_()
            module.weight.data.fill_(1.0)

    def forward(self, x: Tensor) -> Tensor:
        x = self.positions(self.embed(x))
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], 1)
        return self.classifier(self.norm(x)[:, 0] * self.output_weights)
