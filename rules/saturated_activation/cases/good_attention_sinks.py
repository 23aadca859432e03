"""One logit a head that belongs to no key stands beside those of the keys, which a mask hides as far as they come later."""

import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = nn.Linear(32, 32), nn.Linear(32, 32), nn.Linear(32, 32)
        self.sink = nn.Parameter(torch.zeros(1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = self.query(x) @ self.key(x).transpose(1, 2) / 32**0.5
        later = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        logits = logits + torch.where(later, torch.finfo(x.dtype).min, 0.0)
        logits = torch.cat([logits, self.sink.expand(x.shape[0], x.shape[1], 1)], -1)
        logits = logits - logits.max(-1, keepdim=True).values
        return torch.softmax(logits, -1)[..., :-1] @ self.value(x)
