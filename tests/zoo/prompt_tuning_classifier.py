"""Transformer encoder with learned soft prompts in front of the sequence."""

import torch
import torch.nn as nn


class PromptedClassifier(nn.Module):
    def __init__(self, vocab_size=2000, d_model=128, nhead=4, num_layers=4, n_prompt=8, max_len=64, num_classes=4):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, d_model)
        self.pos = nn.Parameter(torch.zeros(1, max_len + n_prompt, d_model))
        self.prompt = nn.Parameter(torch.empty(1, n_prompt, d_model))  # finding: uninitialized-parameter
        self.encoder = nn.ModuleList()
        for _ in range(num_layers):
            self.encoder.append(
                nn.TransformerEncoderLayer(
                    d_model, nhead, dim_feedforward=4 * d_model, dropout=0.1, batch_first=True, norm_first=True
                )
            )
        self.norm = nn.LayerNorm(d_model)
        self.cls = nn.Linear(d_model, num_classes)
        nn.init.trunc_normal_(self.pos, std=0.02)

    def forward(self, input_ids):
        b = input_ids.shape[0]
        x = self.tok(input_ids)
        x = torch.cat([self.prompt.expand(b, -1, -1), x], dim=1)
        x = x + self.pos[:, : x.shape[1]]
        for layer in self.encoder:
            x = layer(x)
        return self.cls(self.norm(x).mean(dim=1))
