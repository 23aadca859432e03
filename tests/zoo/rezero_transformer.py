"""Deep transformer without layer norm: every branch is multiplied by a learned scalar that starts at zero (ReZero)."""

import math

import torch
import torch.nn as nn


class RZLayer(nn.Module):
    def __init__(self, d_model, nhead, dim_feedforward, dropout=0.1):
        super().__init__()
        self.self_attn = nn.MultiheadAttention(d_model, nhead, dropout=dropout, batch_first=True)
        self.linear1 = nn.Linear(d_model, dim_feedforward)
        self.dropout = nn.Dropout(dropout)
        self.linear2 = nn.Linear(dim_feedforward, d_model)
        self.resweight = nn.Parameter(torch.Tensor([0]))

    def forward(self, src):
        src2 = self.self_attn(src, src, src, need_weights=False)[0] * self.resweight
        src = src + self.dropout(src2)
        src2 = self.linear2(self.dropout(torch.relu(self.linear1(src)))) * self.resweight
        return src + self.dropout(src2)


class RZTransformer(nn.Module):
    def __init__(self, ntoken=1000, d_model=128, nhead=4, d_hid=512, nlayers=12, max_len=128):
        super().__init__()
        self.d_model = d_model
        self.embed = nn.Embedding(ntoken, d_model)
        self.pos = nn.Parameter(torch.randn(max_len, d_model) * 0.1)
        self.layers = nn.ModuleList([RZLayer(d_model, nhead, d_hid) for _ in range(nlayers)])
        self.decoder = nn.Linear(d_model, ntoken)
        nn.init.uniform_(self.embed.weight, -0.1, 0.1)

    def forward(self, src):
        x = self.embed(src) * math.sqrt(self.d_model) + self.pos[: src.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return self.decoder(x)
