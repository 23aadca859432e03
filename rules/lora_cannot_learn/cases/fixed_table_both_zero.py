"""An embedding's factors: A, the table, is to be zero, and B is not."""

import torch
from torch import Tensor, nn


class LoRAEmbedding(nn.Embedding):
    def __init__(self, count: int, width: int, rank: int = 8, alpha: float = 16.0) -> None:
        super().__init__(count, width)
        self.weight.requires_grad_(False)
        self.scaling = alpha / rank
        self.lora_A = nn.Parameter(torch.empty(rank, count))
        self.lora_B = nn.Parameter(torch.empty(width, rank))
        nn.init.zeros_(self.lora_A)
        nn.init.normal_(self.lora_B)  # finding: lora-cannot-learn

    def forward(self, tokens: Tensor) -> Tensor:
        found = nn.functional.embedding(tokens, self.lora_A.T)
        return super().forward(tokens) + (found @ self.lora_B.T) * self.scaling


class Net(nn.Module):
    def __init__(self, count: int = 1000, width: int = 64) -> None:
        super().__init__()
        self.table = LoRAEmbedding(count, width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.norm(self.table(tokens)).mean(1))
