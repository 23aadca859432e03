"""Stacked self-attention encoder for token tagging."""

import torch.nn as nn


class AttentionTagger(nn.Module):
    def __init__(self, vocab_size: int = 1000, dim: int = 128, heads: int = 4, depth: int = 8, n_tags: int = 16):
        super().__init__()
        self.embed = nn.Embedding(vocab_size, dim)
        self.norms = nn.ModuleList([nn.LayerNorm(dim) for _ in range(depth)])
        self.attns = nn.ModuleList()
        for _ in range(depth):
            self.attns.append(nn.MultiheadAttention(dim, heads, batch_first=True))  # finding: rank-collapse
        self.out = nn.Linear(dim, n_tags)

    def forward(self, tokens):
        x = self.embed(tokens)
        for norm, attn in zip(self.norms, self.attns):
            x = norm(x)
            x, _ = attn(x, x, x, need_weights=False)
        return self.out(x)
