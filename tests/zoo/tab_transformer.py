"""TabTransformer: categorical columns become tokens, continuous columns join before the MLP."""

import torch
import torch.nn as nn
import torch.nn.functional as F

CARDINALITIES = (12, 7, 30, 5, 100, 16)


class TabTransformer(nn.Module):
    def __init__(self, categories=CARDINALITIES, num_continuous=10, dim=64, depth=4, heads=8, dim_out=1):
        super().__init__()
        self.num_continuous = num_continuous
        offsets = torch.tensor([0, *categories[:-1]]).cumsum(0)
        self.register_buffer("offsets", offsets)
        self.embeds = nn.Embedding(sum(categories), dim)
        self.layers = nn.ModuleList(
            [
                nn.TransformerEncoderLayer(dim, heads, 4 * dim, dropout=0.1, activation="gelu", batch_first=True)
                for _ in range(depth)
            ]
        )
        self.norm = nn.LayerNorm(num_continuous)
        width = dim * len(categories) + num_continuous
        self.mlp = nn.Sequential(nn.Linear(width, 4 * dim), nn.ReLU(), nn.Linear(4 * dim, 2 * dim), nn.ReLU())
        self.out = nn.Linear(2 * dim, dim_out)

    def forward(self, x_categ, x_cont):
        # every column is hashed into its own range
        sizes = torch.tensor(CARDINALITIES, device=x_categ.device)
        x = self.embeds(x_categ % sizes + self.offsets)
        for layer in self.layers:
            x = layer(x)
        x = torch.cat((x.flatten(1), self.norm(x_cont)), dim=-1)
        return self.out(self.mlp(x))


def loss_fn(logits, y):
    return F.binary_cross_entropy_with_logits(logits.squeeze(-1), y.float())
