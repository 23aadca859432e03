"""GRU encoder with additive attention pooling (hierarchical-attention style) for document classification."""

import torch
import torch.nn as nn
import torch.nn.functional as F


class AttentionPool(nn.Module):
    def __init__(self, hidden, attn_dim=100):
        super().__init__()
        self.proj = nn.Linear(hidden, attn_dim)
        self.context = nn.Parameter(torch.randn(attn_dim) * attn_dim**-0.5)

    def forward(self, h, mask=None):
        score = torch.tanh(self.proj(h)) @ self.context
        if mask is not None:
            score = score.masked_fill(~mask, -1e9)
        weight = F.softmax(score, dim=1)
        return (weight.unsqueeze(-1) * h).sum(1), weight


class AttentiveGRU(nn.Module):
    def __init__(self, vocab=8000, emb=128, hidden=128, classes=5, dropout=0.2):
        super().__init__()
        self.emb = nn.Embedding(vocab, emb, padding_idx=0)
        self.gru = nn.GRU(emb, hidden, bidirectional=True, batch_first=True)
        self.pool = AttentionPool(2 * hidden)
        self.drop = nn.Dropout(dropout)
        self.fc = nn.Linear(2 * hidden, classes)

    def forward(self, tokens):
        h, _ = self.gru(self.drop(self.emb(tokens)))
        doc, weight = self.pool(h, tokens != 0)
        return self.fc(self.drop(doc))
