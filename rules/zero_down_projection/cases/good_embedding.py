"""The table of an embedding's adapter is zero and its second factor random: a token is one input, and this is how it should be."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LoRAEmbedding(nn.Module):
    def __init__(self, base: nn.Embedding, rank: int = 8, alpha: float = 16.0) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.lora_A = nn.Parameter(torch.zeros(rank, base.num_embeddings))
        self.lora_B = nn.Parameter(torch.zeros(base.embedding_dim, rank))
        nn.init.normal_(self.lora_B)
        self.scaling = alpha / rank

    def forward(self, ids: Tensor) -> Tensor:
        return self.base(ids) + F.embedding(ids, self.lora_A.T) @ self.lora_B.T * self.scaling


class Net(nn.Module):
    def __init__(self, vocabulary: int = 300, width: int = 64) -> None:
        super().__init__()
        self.tokens = LoRAEmbedding(nn.Embedding(vocabulary, width))
        self.head = nn.Linear(width, 10)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.tokens(ids).mean(1))
